"""Columns become arrays and come back unchanged, whatever their type, offset and chunks."""

from __future__ import annotations

import ctypes
import datetime as dt
import gc
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from thalweg.columnar.arrow import from_series, to_series
from thalweg.columnar.buffers import limbs, limbs_to_polars, to_polars, values_and_validity, views
from thalweg.errors import TypeMismatch

PLAIN = [
    *(pl.Series("x", [1, None, 3, 4], dtype=t) for t in (pl.Int8, pl.UInt8, pl.Int16, pl.UInt16)),
    *(pl.Series("x", [1, None, 3, 4], dtype=t) for t in (pl.Int32, pl.UInt32, pl.Int64, pl.UInt64)),
    *(pl.Series("x", [1.5, None, float("nan"), -0.0], dtype=t) for t in (pl.Float32, pl.Float64)),
    pl.Series("x", [2**64 - 1, None, 0, 5], dtype=pl.UInt64),
    pl.Series("x", [-(2**63), None, 2**63 - 1, 2**53 + 1]),
    pl.Series("x", [True, None, False, True]),
    pl.Series("x", [dt.date(1969, 1, 1), None, dt.date(2024, 2, 29), dt.date(9999, 12, 31)]),
    pl.Series("x", [dt.time(23, 59, 59, 999999), None, dt.time(0), dt.time(1)]),
    *(
        pl.Series("x", [1, None, -3, 4], dtype=pl.Datetime(u, z))
        for u in ("ms", "us", "ns")
        for z in (None, "UTC")
    ),
    *(pl.Series("x", [1, None, -3, 4], dtype=pl.Duration(u)) for u in ("ms", "us", "ns")),
    pl.Series("x", [None] * 4),
]
NAMES = [str(s.dtype) for s in PLAIN]


@pytest.mark.parametrize("series", PLAIN, ids=NAMES)
@pytest.mark.parametrize("cut", [slice(0, 4), slice(1, 4), slice(2, 4), slice(0, 0)], ids=str)
def test_values_come_back(series: pl.Series, cut: slice) -> None:
    part = series[cut]
    values, validity = values_and_validity(part)
    assert values.dtype in (np.int64, np.float64)
    assert values.flags.c_contiguous
    assert values.flags.writeable
    back = to_polars("x", part.dtype, values, validity)
    assert back.equals(part, check_dtypes=True, check_names=True)


@pytest.mark.parametrize("series", PLAIN, ids=NAMES)
@pytest.mark.parametrize("is_full", [False, True])
def test_many_values_come_back(series: pl.Series, is_full: bool) -> None:
    few = series.fill_null(strategy="forward") if is_full else series
    part = pl.concat([few] * 100)[3:397]
    values, validity = values_and_validity(part)
    assert values.dtype in (np.int64, np.float64)
    assert values.flags.c_contiguous
    assert values.flags.writeable
    assert (validity is None) == (part.null_count() == 0)
    assert to_polars("x", part.dtype, values, validity).equals(part, check_dtypes=True, check_names=True)


@pytest.mark.parametrize("start", range(20))
def test_bits_at_any_offset(start: int) -> None:
    series = pl.Series("x", [i % 3 == 0 if i % 5 else None for i in range(40)])[start:]
    values, validity = values_and_validity(series)
    assert validity is not None
    assert [bool(v) if ok else None for v, ok in zip(values, validity, strict=True)] == series.to_list()


def test_chunks_are_joined() -> None:
    series = pl.concat([pl.Series("x", [1, 2]), pl.Series("x", [None, 4])], rechunk=False)
    values, validity = values_and_validity(series)
    assert to_polars("x", pl.Int64(), values, validity).to_list() == [1, 2, None, 4]


def test_wide_columns_are_not_copied() -> None:
    series = pl.Series("x", np.arange(1000))
    first, second = values_and_validity(series)[0], values_and_validity(series)[0]
    assert first.ctypes.data == second.ctypes.data


def test_arrays_outlive_the_column() -> None:
    values = [values_and_validity(pl.Series("x", list(range(k, k + 5000))))[0] for k in range(20)]
    held = [views(pl.Series("x", [f"a text longer than its entry {k:02}"])) for k in range(20)]
    gc.collect()
    assert [int(v[-1]) for v in values] == [k + 4999 for k in range(20)]
    texts = [ctypes.string_at(int(h.addresses[0]) + int(h.words[0, 1] >> 32), 31) for h in held]
    assert texts == [f"a text longer than its entry {k:02}".encode() for k in range(20)]


def test_a_view_of_state_is_copied_on_its_way_out() -> None:
    state = np.arange(4)
    column = to_polars("x", pl.Int64(), state[:2])
    state[:] = 9
    assert column.to_list() == [0, 1]


def test_decimals_as_limbs() -> None:
    numbers = [
        Decimal("-0.01"),
        None,
        Decimal("9" * 35 + ".99"),
        Decimal("0.00"),
        Decimal("-" + "9" * 36 + ".99"),
    ]
    series = pl.Series("x", numbers, dtype=pl.Decimal(38, 2))
    high, low, validity = limbs(series)
    whole = [int(h) * 2**64 + int(bits) for h, bits in zip(high, low.view(np.uint64), strict=True)]
    assert [whole[i] for i in (0, 2, 3, 4)] == [-1, int("9" * 37), 0, -int("9" * 38)]
    assert limbs_to_polars("x", series.dtype, high, low, validity).equals(series, check_dtypes=True)
    assert limbs(series[2:])[0].tolist() == high[2:].tolist()


@pytest.mark.parametrize(
    "values", [["a", None, "", "twelve bytes", "thirteen byte", "ü" * 30], [b"\x00", None, b"x" * 99]]
)
@pytest.mark.parametrize("start", [0, 1, 2])
def test_views_round_trip(values: list[object], start: int) -> None:
    series = pl.Series("x", values)[start:]
    assert to_series("x", from_series(series)).equals(series, check_dtypes=True)
    held = views(series)
    assert (held.words[:, 0] & np.uint64(0xFFFFFFFF)).tolist()[-1] == len(series.cast(pl.Binary)[-1])


@pytest.mark.parametrize(
    "series",
    [pl.Series([[1]]), pl.Series([{"a": 1}]), pl.Series(["a"], dtype=pl.Categorical)],
    ids=["list", "struct", "cat"],
)
def test_nested_columns_are_refused(series: pl.Series) -> None:
    with pytest.raises(TypeMismatch, match="has no flat buffers"):
        from_series(series)
