"""The hash is fixed for ever: golden values, and a second implementation in plain Python."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.columnar.canonical import canonical_bytes
from thalweg.columnar.hash import VERSION, hash_rows, partitions

M = 2**64 - 1
SEED = 0x9E3779B97F4A7C15


def mix(state: int, word: int) -> int:
    x = (state ^ word) * 0xBF58476D1CE4E5B9 & M
    x ^= x >> 29
    x = x * 0x94D049BB133111EB & M
    return x ^ x >> 32


def reference(state: int, value: object) -> int:
    """What the docstring of hash.py says, for one value."""
    if value is None:
        return mix(state + 6 & M, 0)
    if isinstance(value, float):
        canonical = float("nan") if value != value else value + 0.0
        return mix(state + 2 & M, int(np.float64(canonical).view(np.uint64)))
    if isinstance(value, Decimal):
        unscaled = int(Fraction(value) * 100)
        return mix(mix(state + 3 & M, unscaled & M) + 3 & M, (unscaled >> 64) & M)
    if isinstance(value, int):
        return mix(state + 1 & M, value & M)
    data = value if isinstance(value, bytes) else str(value).encode()
    state = mix(state + 4 & M, len(data) | int.from_bytes(data[:4], "little") << 32)
    if len(data) <= 12:
        return mix(state, int.from_bytes(data[4:], "little"))
    for at in range(0, len(data) - 8, 8):
        state = mix(state, int.from_bytes(data[at : at + 8], "little"))
    return mix(state, int.from_bytes(data[-8:], "little"))


def hashed(values: Sequence[object], dtype: pl.DataType | None = None) -> list[int]:
    return hash_rows(pl.DataFrame({"k": pl.Series(values, dtype=dtype)}), ["k"]).tolist()


GOLDEN = [
    (pl.Int64(), [0, 1, -1, 2**63 - 1, None]),
    (pl.Float64(), [0.0, 1.5, float("inf"), float("nan"), None]),
    (pl.String(), ["", "a", "twelve bytes", "thirteen byte", "a much longer text, of 40 bytes or so, ü"]),
    (pl.Decimal(38, 2), [Decimal("0.01"), Decimal("-0.01"), Decimal("9" * 30)]),
]
VALUES: list[list[int]] = [
    [
        0xF5DF515C0F77CA12,
        0x3102159007DB81DE,
        0xF386C8E3B98C6EDA,
        0x26C281376CC8270E,
        0x6D5BA323AB904CEA,
    ],
    [
        0x3102159007DB81DE,
        0xDBA10E9D74389AD3,
        0xE34156801718C2CE,
        0xEC77A1FA15EEE51,
        0x6D5BA323AB904CEA,
    ],
    [
        0x5505603301A58874,
        0xE9ECEEC32D8F1309,
        0x8F01A394E1FDDFB2,
        0x7F627F4A7812D1A7,
        0x4E2EF41EAF0F8A2A,
    ],
    [
        0xA5C731A113DD2D88,
        0xB2DCF2319E9DADB6,
        0xF825FD9BE0110602,
    ],
]


def test_golden_values() -> None:
    """A change here changes where state lies in every checkpoint: raise VERSION."""
    assert VERSION == 1
    assert [hashed(values, dtype) for dtype, values in GOLDEN] == VALUES


@pytest.mark.parametrize(("dtype", "values"), GOLDEN, ids=str)
def test_reference(dtype: pl.DataType, values: list[object]) -> None:
    assert hashed(values, dtype) == [reference(SEED, v) for v in values]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.none() | st.binary(max_size=70), st.none() | st.integers(-(2**63), 2**63 - 1)),
        max_size=20,
    )
)
def test_reference_on_two_columns(rows: list[tuple[bytes | None, int | None]]) -> None:
    frame = pl.DataFrame(rows, schema={"a": pl.Binary, "b": pl.Int64}, orient="row")
    expected = [reference(reference(SEED, a), b) for a, b in rows]
    assert hash_rows(frame, ["a", "b"]).tolist() == expected
    half = len(rows) // 2
    assert hash_rows(frame[half:], ["a", "b"]).tolist() == expected[half:]


def test_integers_of_all_widths_hash_alike() -> None:
    types = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
    assert len({tuple(hashed([0, 7, None], t())) for t in types}) == 1


def test_equal_values_hash_alike() -> None:
    zero, minus, nan, other_nan = hashed([0.0, -0.0, float("nan"), -float("nan")])
    assert zero == minus
    assert nan == other_nan
    assert hashed(["a", "b"]) == hashed(["a", "b"], pl.Categorical()) == hashed([b"a", b"b"])
    assert hashed([[1.0, -0.0]]) == hashed([[1.0, 0.0]])


def test_null_differs_from_every_default() -> None:
    for values in ([None, 0], [None, 0.0], [None, ""], [None, False], [None, [0]]):
        null, other = hashed(values)
        assert null != other


def test_order_of_columns_matters() -> None:
    frame = pl.DataFrame({"a": [1], "b": [2]})
    assert hash_rows(frame, ["a", "b"]) != hash_rows(frame, ["b", "a"])


def test_nested_values_by_their_canonical_bytes() -> None:
    column = pl.Series("k", [{"a": [1, None]}, {"a": None}, None])
    coded = canonical_bytes(column).to_list()
    # Nested values have tag 5 where strings have 4.
    expected = [mix(SEED + 6, 0) if c is None else reference((SEED + 1) & M, c) for c in coded]
    assert hash_rows(column.to_frame(), ["k"]).tolist() == expected


@pytest.mark.parametrize("count", [1, 2, 3, 256, 1000])
def test_partitions_cover_their_range(count: int) -> None:
    frame = pl.DataFrame({"k": range(20_000)})
    found = partitions(frame, ["k"], count)
    assert found.dtype == np.int64
    sizes = np.bincount(found, minlength=count)
    assert len(sizes) == count
    # Poisson: five standard deviations around the mean.
    mean = 20_000 / count
    assert sizes.min() >= mean - 5 * mean**0.5
    assert sizes.max() <= mean + 5 * mean**0.5


def test_no_columns_means_one_partition() -> None:
    assert len(set(partitions(pl.DataFrame({"k": [1, 2]}), []).tolist())) == 1


def test_dates_hash_as_days() -> None:
    assert hashed([dt.date(1970, 1, 8)]) == hashed([7])
