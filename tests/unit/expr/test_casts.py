"""CAST between all kinds of types: what comes out, what fails, and that nothing fails unseen."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal as Exact
from typing import Any

import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.base.types import (
    BINARY,
    BOOLEAN,
    DATE,
    FLOAT32,
    FLOAT64,
    INT8,
    INT32,
    INT64,
    INTERVAL,
    NULL,
    STRING,
    TIME,
    TIMESTAMP,
    TIMESTAMP_LTZ,
    UINT64,
    DataType,
    Decimal,
    Field,
    List,
    Map,
    Struct,
    Timestamp,
)
from thalweg.errors import DataError, TypeMismatch
from thalweg.expr.casts import can_cast, cast_failure, common_type
from thalweg.expr.evaluate import Projection
from thalweg.expr.nodes import Cast, Column, Named

FAILS = object()
NAN, INF = float("nan"), float("inf")
UTC = UTC

CASES: list[tuple[DataType, DataType, list[tuple[Any, Any]]]] = [
    (
        STRING,
        Decimal(38, 0),
        [("9" * 38, Exact("9" * 38)), ("1" + "0" * 38, FAILS), ("-1e37", Exact(-(10**37)))],
    ),
    (
        FLOAT64,
        INT32,
        [(2.9, 2), (-2.9, -2), (-0.5, 0), (NAN, FAILS), (INF, FAILS), (2.0**31, FAILS), (None, None)],
    ),
    (INT64, INT8, [(127, 127), (128, FAILS), (-128, -128), (-129, FAILS), (None, None)]),
    (INT64, UINT64, [(-1, FAILS), (0, 0)]),
    (INT64, FLOAT64, [(2**53, 2.0**53), (None, None)]),
    (INT32, Decimal(4, 2), [(99, Exact("99.00")), (-99, Exact("-99.00")), (100, FAILS), (None, None)]),
    (INT64, Decimal(38, 19), [(2**63 - 1, Exact(2**63 - 1)), (-(2**63), Exact(-(2**63)))]),
    (Decimal(4, 2), INT32, [(Exact("2.99"), 2), (Exact("-2.99"), -2), (None, None)]),
    (Decimal(38, 0), INT64, [(Exact(2**63), FAILS), (Exact(2**63 - 1), 2**63 - 1)]),
    (
        Decimal(5, 3),
        Decimal(3, 1),
        [(Exact("1.250"), Exact("1.3")), (Exact("-1.250"), Exact("-1.3")), (Exact("99.950"), FAILS)],
    ),
    (
        Decimal(5, 3),
        Decimal(3, 1),
        [(Exact("1.249"), Exact("1.2")), (Exact("99.949"), Exact("99.9")), (None, None)],
    ),
    (
        Decimal(4, 1),
        Decimal(38, 37),
        [(Exact("9.9"), Exact("9.9")), (Exact("10.0"), FAILS), (Exact("-10.0"), FAILS)],
    ),
    (Decimal(5, 2), FLOAT64, [(Exact("1.25"), 1.25), (None, None)]),
    (
        FLOAT64,
        Decimal(6, 2),
        [(1.005, Exact("1.01")), (-2.675, Exact("-2.68")), (0.125, Exact("0.13")), (NAN, FAILS)],
    ),
    (
        FLOAT64,
        Decimal(6, 2),
        [(9999.994, Exact("9999.99")), (9999.995, FAILS), (1e300, FAILS), (-INF, FAILS), (None, None)],
    ),
    (FLOAT64, Decimal(38, 0), [(1e20, Exact(10) ** 20), (0.5, Exact(1)), (1e39, FAILS)]),
    (
        STRING,
        INT32,
        [
            (" 12 ", 12),
            ("+5", 5),
            ("1.9", 1),
            ("-1.9", -1),
            ("1e3", FAILS),
            ("", FAILS),
            ("x", FAILS),
            (None, None),
        ],
    ),
    (STRING, INT32, [("2147483648", FAILS), ("-2147483648", -(2**31))]),
    (
        STRING,
        FLOAT64,
        [(" 1e3", 1000.0), ("Infinity", INF), ("-0", -0.0), ("", FAILS), ("1,5", FAILS), (None, None)],
    ),
    (
        STRING,
        Decimal(5, 2),
        [("1.005", Exact("1.01")), (" -1.005 ", Exact("-1.01")), ("1e2", Exact("100.00")), ("x", FAILS)],
    ),
    (
        STRING,
        Decimal(5, 2),
        [("999.994", Exact("999.99")), ("999.995", FAILS), ("1.00499999999999999999999", Exact("1.00"))],
    ),
    (STRING, Decimal(5, 2), [("0.005", Exact("0.01")), ("NaN", FAILS), ("", FAILS), (None, None)]),
    (
        STRING,
        BOOLEAN,
        [("true", True), ("T", True), (" No ", False), ("0", False), ("2", FAILS), ("", FAILS), (None, None)],
    ),
    (
        STRING,
        TIMESTAMP,
        [
            ("2024-02-29 01:02:03.4", datetime(2024, 2, 29, 1, 2, 3, 400000)),
            ("2024-02-29", datetime(2024, 2, 29)),
        ],
    ),
    (
        STRING,
        TIMESTAMP,
        [
            ("2024-02-29T01:02:03", datetime(2024, 2, 29, 1, 2, 3)),
            ("2023-02-29 00:00:00", FAILS),
            (None, None),
        ],
    ),
    (STRING, TIMESTAMP, [(" 2024-02-29 01:02 ", datetime(2024, 2, 29, 1, 2)), ("noon", FAILS), ("", FAILS)]),
    (
        STRING,
        TIMESTAMP_LTZ,
        [("2024-02-29T01:02:03Z", datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC)), ("Z", FAILS)],
    ),
    (
        STRING,
        DATE,
        [
            ("2024-02-29", date(2024, 2, 29)),
            ("2024-02-29 23:59:59", date(2024, 2, 29)),
            ("29.2.", FAILS),
            (None, None),
        ],
    ),
    (
        STRING,
        TIME,
        [("01:02:03.5", time(1, 2, 3, 500000)), ("01:02", time(1, 2)), ("25:00:00", FAILS), (None, None)],
    ),
    (STRING, BINARY, [("ä", "ä".encode()), ("", b""), (None, None)]),
    (BINARY, STRING, [("ä".encode(), "ä"), (b"\xff", FAILS), (None, None)]),
    (BOOLEAN, STRING, [(True, "TRUE"), (False, "FALSE"), (None, None)]),
    (BOOLEAN, INT32, [(True, 1), (False, 0), (None, None)]),
    (BOOLEAN, Decimal(2, 1), [(True, Exact("1.0")), (None, None)]),
    (BOOLEAN, Decimal(1, 1), [(True, FAILS), (False, Exact(0)), (None, None)]),
    (INT32, BOOLEAN, [(2, True), (0, False), (None, None)]),
    (
        FLOAT64,
        STRING,
        [
            (1.0, "1.0"),
            (1e7, "1.0E7"),
            (1.5e-5, "1.5E-5"),
            (-0.0, "-0.0"),
            (NAN, "NaN"),
            (-INF, "-Infinity"),
            (None, None),
        ],
    ),
    (
        FLOAT64,
        STRING,
        [(0.1, "0.1"), (9999999.0, "9999999.0"), (0.001, "0.001"), (123456789.125, "1.23456789125E8")],
    ),
    (FLOAT32, STRING, [(0.5, "0.5"), (2.0**24, "1.6777216E7"), (None, None)]),
    (Decimal(5, 2), STRING, [(Exact("-0.50"), "-0.50"), (None, None)]),
    (INT64, STRING, [(-5, "-5"), (None, None)]),
    (
        TIMESTAMP,
        STRING,
        [
            (datetime(2024, 2, 29), "2024-02-29 00:00:00.000"),
            (datetime(1969, 12, 31, 23, 59, 59, 500000), "1969-12-31 23:59:59.500"),
            (None, None),
        ],
    ),
    (
        TIMESTAMP,
        STRING,
        [
            (datetime(2024, 2, 29, 1, 2, 3, 456789), "2024-02-29 01:02:03.456789"),
            (datetime(2024, 2, 29), "2024-02-29 00:00:00.000"),
        ],
    ),
    (Timestamp(None, 0), STRING, [(datetime(2024, 2, 29), "2024-02-29 00:00:00"), (None, None)]),
    (
        Timestamp(None, 0),
        STRING,
        [
            (datetime(2024, 2, 29, 0, 0, 0, 120000), "2024-02-29 00:00:00.12"),
            (datetime(2024, 2, 29), "2024-02-29 00:00:00"),
        ],
    ),
    (TIMESTAMP_LTZ, STRING, [(datetime(2024, 2, 29, tzinfo=UTC), "2024-02-29 00:00:00.000")]),
    (DATE, STRING, [(date(2024, 2, 29), "2024-02-29"), (None, None)]),
    (TIME, STRING, [(time(1, 2, 3), "01:02:03"), (time(1, 2, 3, 450000), "01:02:03.45"), (None, None)]),
    (TIMESTAMP, DATE, [(datetime(1969, 12, 31, 23), date(1969, 12, 31)), (None, None)]),
    (TIMESTAMP, TIME, [(datetime(1969, 12, 31, 23, 1), time(23, 1)), (None, None)]),
    (DATE, TIMESTAMP, [(date(2024, 2, 29), datetime(2024, 2, 29)), (None, None)]),
    (TIMESTAMP, TIMESTAMP_LTZ, [(datetime(2024, 2, 29), datetime(2024, 2, 29, tzinfo=UTC)), (None, None)]),
    (TIMESTAMP_LTZ, TIMESTAMP, [(datetime(2024, 2, 29, tzinfo=UTC), datetime(2024, 2, 29)), (None, None)]),
    (List(INT32), List(STRING), [([1, None], ["1", None]), ([], []), (None, None)]),
    (List(INT32), List(INT8), [([1, 300], FAILS), ([1, None], [1, None]), (None, None)]),
    (
        Struct((Field("a", INT32),)),
        Struct((Field("b", INT8),)),
        [({"a": 1}, {"b": 1}), ({"a": 300}, FAILS), (None, None)],
    ),
    (
        Map(STRING, INT32),
        Map(STRING, FLOAT64),
        [([{"key": "a", "value": 1}], [{"key": "a", "value": 1.0}]), (None, None)],
    ),
]


def ident(value: Any) -> str | None:
    return str(value) if isinstance(value, DataType) else None


def cast(held: DataType, wanted: DataType, *, safe: bool) -> Projection:
    return Projection([Named("out", Cast(Column("a"), wanted, safe))], Schema.of({"a": held}))


@pytest.mark.parametrize(("held", "wanted", "cases"), CASES, ids=ident)
def test_a_cast(held: DataType, wanted: DataType, cases: list[tuple[Any, Any]]) -> None:
    for value, expected in cases:
        frame = pl.DataFrame({"a": pl.Series([value], dtype=held.polars)})
        if expected is FAILS:
            with pytest.raises(DataError) as caught:
                cast(held, wanted, safe=False).apply(frame)
            assert caught.value.code == "data-bad-cast"
            continue
        found = cast(held, wanted, safe=False).apply(frame)
        assert found.schema["out"] == wanted.polars
        assert (
            found["out"].to_list() == pytest.approx([expected], nan_ok=True, rel=0, abs=0)
            if isinstance(expected, float)
            else found["out"].to_list() == [expected]
        )


@pytest.mark.parametrize(("held", "wanted", "cases"), CASES, ids=ident)
def test_a_safe_cast_of_all_rows(held: DataType, wanted: DataType, cases: list[tuple[Any, Any]]) -> None:
    frame = pl.DataFrame({"a": pl.Series([v for v, _ in cases], dtype=held.polars)})
    plan = cast(held, wanted, safe=True)
    streamed = plan.lazy(frame.lazy()).collect(engine="streaming")
    assert plan.apply(frame).equals(streamed, null_equal=True)
    for found, (_, expected) in zip(streamed["out"].to_list(), cases, strict=True):
        if not isinstance(held, (List, Struct)) or expected is not FAILS:
            assert found == expected or str(found) == str(None if expected is FAILS else expected)


@pytest.mark.parametrize(("held", "wanted", "cases"), CASES, ids=ident)
def test_a_cast_without_a_mask_never_loses_a_value(
    held: DataType, wanted: DataType, cases: list[tuple[Any, Any]]
) -> None:
    if cast_failure(pl.col("a"), held, wanted) is None:
        assert all(expected is not FAILS for _, expected in cases)
    else:
        assert any(e is FAILS for h, w, more in CASES if (h, w) == (held, wanted) for _, e in more)


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        (DATE, INT32),
        (INTERVAL, INT64),
        (List(INT32), INT32),
        (TIME, DATE),
        (INT64, TIMESTAMP),
        (BINARY, INT32),
    ],
    ids=ident,
)
def test_what_cannot_be_cast_is_refused(held: DataType, wanted: DataType) -> None:
    assert not can_cast(held, wanted)
    with pytest.raises(TypeMismatch) as caught:
        cast(held, wanted, safe=True)
    assert caught.value.code == "expr-no-cast"


def test_null_becomes_anything() -> None:
    found = cast(NULL, Decimal(3, 1), safe=False).apply(pl.DataFrame({"a": [None, None]}))
    assert found.schema["out"] == pl.Decimal(3, 1)
    assert found["out"].to_list() == [None, None]


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([INT8, INT64], INT64),
        ([NULL, NULL], NULL),
        ([NULL, STRING], STRING),
        ([INT64, UINT64], Decimal(20, 0)),
        ([INT32, FLOAT32], FLOAT32),
        ([FLOAT32, Decimal(3, 1)], FLOAT64),
        ([INT64, Decimal(4, 3)], Decimal(22, 3)),
        ([Decimal(38, 0), Decimal(38, 38)], Decimal(38, 6)),
        ([DATE, TIMESTAMP], TIMESTAMP),
        ([TIMESTAMP, TIMESTAMP_LTZ], None),
        ([STRING, INT32], None),
        ([List(INT8), List(INT32)], List(INT32)),
        ([Struct((Field("a", INT8),)), Struct((Field("b", NULL),))], Struct((Field("a", INT8),))),
        ([Map(STRING, INT8), Map(STRING, FLOAT64)], Map(STRING, FLOAT64)),
    ],
    ids=str,
)
def test_common_types(types: list[DataType], expected: DataType | None) -> None:
    assert common_type(types) == expected
    assert expected is None or common_type(types[::-1]) in (expected, Struct((Field("b", INT8),)))


def test_the_common_type_prints_the_most_digits() -> None:
    both = common_type([Timestamp(None, 3), Timestamp(None, 6)])
    assert str(both) == "TIMESTAMP(6)"
