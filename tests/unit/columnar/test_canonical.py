"""Canonical forms: equal values have one form, different values never share one."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.columnar.canonical import canonical_bytes, from_canonical_bytes

NESTED: list[tuple[Any, list[Any]]] = [
    (
        pl.List(pl.Datetime("us", "UTC")),
        [[dt.datetime(2024, 1, 1, 1, 2, 3, 4, tzinfo=dt.UTC), None], [], None],
    ),
    (pl.List(pl.Duration("ns")), [[1, None], [-(2**62)]]),
    (pl.List(pl.Decimal(38, 3)), [[Decimal("-" + "9" * 35 + ".123")], [None]]),
    (pl.List(pl.Enum(["x", "y"])), [["y", None], ["x"]]),
    (pl.List(pl.UInt64()), [[2**64 - 1]]),
    (pl.List(pl.Binary()), [[b"\xff\x00", b""]]),
    (
        pl.Struct({"a": pl.List(pl.Time), "b": pl.Struct({"c": pl.Boolean})}),
        [{"a": [dt.time(1)], "b": {"c": True}}, None],
    ),
    (pl.List(pl.List(pl.Array(pl.Int8, 2))), [[[[1, None]], None], []]),
]


@pytest.mark.parametrize(("dtype", "values"), NESTED, ids=[str(t) for t, _ in NESTED])
def test_round_trip(dtype: pl.DataType, values: list[Any]) -> None:
    series = pl.Series("x", values, dtype=dtype)
    back = from_canonical_bytes("x", canonical_bytes(series), dtype)
    assert back.equals(series, check_dtypes=True, check_names=True)


TEXTS = st.lists(st.none() | st.text("aü", max_size=3), max_size=3)


@settings(deadline=None, max_examples=100)
@given(st.none() | TEXTS, st.none() | TEXTS)
def test_bytes_are_equal_exactly_if_values_are(a: list[Any] | None, b: list[Any] | None) -> None:
    first, second = canonical_bytes(pl.Series([a, b], dtype=pl.List(pl.String))).to_list()
    assert (first == second) == (a == b)


def test_floats_have_one_nan_and_one_zero() -> None:
    nan = float("nan")
    coded = canonical_bytes(pl.Series([[nan, -0.0], [-nan, 0.0]])).to_list()
    assert coded[0] == coded[1]
