"""Types and schemas are accepted in every form that programs have them in."""

from __future__ import annotations

import datetime
import decimal
from typing import Any, Optional

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.api.type_text import read_type
from thalweg.api.types import data_type, schema_of
from thalweg.base import types as t
from thalweg.base.schema import Schema
from thalweg.errors import PlanError

_PLAIN = [
    *(t.INT8, t.INT16, t.INT32, t.INT64, t.UINT8, t.UINT16, t.UINT32, t.UINT64, t.FLOAT32, t.FLOAT64),
    *(t.BOOLEAN, t.STRING, t.BINARY, t.DATE, t.TIME, t.NULL, t.INTERVAL, t.INTERVAL_MONTH),
    *(t.TIMESTAMP, t.TIMESTAMP_LTZ, t.Decimal(38, 38), t.Decimal(1, 0)),
]
_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)


def _nested(inner: st.SearchStrategy[t.DataType]) -> st.SearchStrategy[t.DataType]:
    field = st.builds(t.Field, _NAMES, inner)
    # names that differ by their case only would be one in small letters
    fields = st.lists(field, min_size=1, max_size=3, unique_by=lambda f: f.name.lower())
    rows = fields.map(lambda f: t.Struct(tuple(f)))
    return st.one_of(inner.map(t.List), st.tuples(inner, inner).map(lambda p: t.Map(*p)), rows)


@settings(max_examples=25)
@given(st.recursive(st.sampled_from(_PLAIN), _nested, max_leaves=4))
def test_every_type_is_read_from_its_own_name(held: t.DataType) -> None:
    assert read_type(str(held)) == held
    assert read_type(str(held).lower().replace(" ", "  ")) == read_type(str(held).lower())


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("integer NOT NULL", t.INT32),
        ("varchar(20)", t.STRING),
        ("CHAR", t.STRING),
        ("varbinary(3)", t.BINARY),
        ("numeric(4)", t.Decimal(4, 0)),
        ("dec", t.Decimal(10, 0)),
        ("double precision", t.FLOAT64),
        ("real", t.FLOAT32),
        ("time(3) without time zone", t.TIME),
        ("timestamp without time zone", t.TIMESTAMP),
        ("timestamp(3) with local time zone", t.TIMESTAMP_LTZ),
        ("interval day to second", t.INTERVAL),
        ("interval year to month", t.INTERVAL_MONTH),
        ("int array array", t.List(t.List(t.INT32))),
        ("row(`a b` int)", t.Struct((t.Field("a b", t.INT32),))),
    ],
)
def test_other_spellings(text: str, held: t.DataType) -> None:
    assert read_type(text) == held


def test_digits_of_a_second_are_kept() -> None:
    made = read_type("TIMESTAMP(3)")
    assert isinstance(made, t.Timestamp)
    assert made.precision == 3


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "  ",
            "int int",
            "decimal(39)",
            "decimal(2, 3)",
            "decimal(x)",
            "timestamp(9)",
            "row<>",
            "row<a>",
        ),
        *(
            "array",
            "array<int",
            "map<int>",
            "row<a int, a int>",
            "varchar(",
            "int;",
            "string unsigned",
            "double(",
        ),
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(PlanError) as caught:
        read_type(text)
    assert caught.value.code == "plan-unknown-type"
    assert f'"{text}"' in caught.value.message


def test_a_near_miss_is_named() -> None:
    with pytest.raises(PlanError) as caught:
        data_type("BIGNIT")
    assert caught.value.hint == 'did you mean "BIGINT"?'


@pytest.mark.parametrize(
    ("given_type", "held"),
    [
        (t.INT8, t.INT8),
        (int, t.INT64),
        (float, t.FLOAT64),
        (bool, t.BOOLEAN),
        (str, t.STRING),
        (bytes, t.BINARY),
        (decimal.Decimal, t.Decimal(38, 18)),
        (datetime.date, t.DATE),
        (datetime.datetime, t.TIMESTAMP),
        (datetime.timedelta, t.INTERVAL),
        (int | None, t.INT64),
        (Optional[str], t.STRING),  # noqa: UP045 - the old form must work too
        (list[float | None], t.List(t.FLOAT64)),
        (dict[str, list[int]], t.Map(t.STRING, t.List(t.INT64))),
        (pl.Int16, t.INT16),
        (pl.List(pl.String), t.List(t.STRING)),
        (pl.Datetime("us", "UTC"), t.TIMESTAMP_LTZ),
    ],
)
def test_python_and_polars_types(given_type: Any, held: t.DataType) -> None:
    assert data_type(given_type) == held


@pytest.mark.parametrize(
    "odd", [object, complex, int | str, list, list[object], pl.List, pl.Object(), 3, [int]]
)
def test_other_python_types_are_refused(odd: Any) -> None:
    with pytest.raises(PlanError) as caught:
        data_type(odd)
    assert caught.value.code == "plan-unknown-type"


def test_schemas() -> None:
    wanted = Schema.of({"a": t.INT64, "b": t.STRING})
    assert schema_of(wanted) is wanted
    assert schema_of("a BIGINT, b STRING") == wanted
    assert schema_of({"a": int, "b": "string"}) == wanted
    assert schema_of(pl.Schema({"a": pl.Int64, "b": pl.String})) == wanted


def test_the_names_of_the_engine_are_not_free() -> None:
    with pytest.raises(PlanError) as caught:
        schema_of({"__weight": int})
    assert caught.value.code == "plan-system-name"
