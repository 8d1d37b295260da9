"""Accumulators against Python's own numbers, at any cut, with any weight."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from thalweg.columnar import accumulate as acc
from thalweg.columnar.accumulate_decimals import add_decimals, merge_decimals
from thalweg.columnar.accumulate_floats import add_floats, float_sums
from thalweg.columnar.buffers import NO_FLAGS, NO_WORDS, flags, values_and_validity
from thalweg.columnar.limbs import divide, exceeds, limbs_to_int64

SLOTS = 3
INT = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)
WEIGHT = st.integers(-2, 3) | st.just(-(2**63)) | st.just(2**63 - 1)
RULES = settings(deadline=None, max_examples=50)
Row = tuple[int, Any, int]


def table(
    value: st.SearchStrategy[Any], weight: st.SearchStrategy[int] = WEIGHT
) -> st.SearchStrategy[list[Row]]:
    return st.lists(st.tuples(st.integers(0, SLOTS - 1), st.none() | value, weight), max_size=25)


def ints(count: int = SLOTS) -> np.ndarray:
    return np.zeros(count, dtype=np.int64)


def halves(rows: list[Row], fold: Callable[[list[Row]], None]) -> None:
    """Fold rows in two batches: results must not depend on the cut."""
    fold(rows[: len(rows) // 3])
    fold(rows[len(rows) // 3 :])


def arrays(rows: list[Row], dtype: Any) -> tuple[np.ndarray, ...]:
    """Slots, values, validity, weights; the last two empty where they say nothing."""
    series = pl.Series([v for _, v, _ in rows], dtype=dtype)
    values, validity = values_and_validity(series)
    weights = np.array([w for *_, w in rows], dtype=np.int64)
    slots = np.array([s for s, *_ in rows], dtype=np.int64)
    return slots, values, flags(validity), NO_WORDS if (weights == 1).all() else weights


def number(high: int, low: int) -> int:
    """The value of two limbs."""
    return int(high) * 2**64 + int(low) % 2**64


def parts(values: list[int]) -> tuple[np.ndarray, np.ndarray]:
    low = np.array([v % 2**64 for v in values], dtype=np.uint64).view(np.int64)
    return np.array([v >> 64 for v in values], dtype=np.int64), low


@RULES
@given(table(INT) | table(INT, st.just(1)))
def test_sums_and_counts_are_exact(rows: list[Row]) -> None:
    high, low, counts, alone = ints(), ints(), ints(), ints()

    def fold(part: list[Row]) -> None:
        slots, values, validity, weights = arrays(part, pl.Int64)
        acc.add_sums(slots, values, validity, weights, high, low, counts)
        acc.add_counts(slots, validity, weights, alone)

    halves(rows, fold)
    for slot in range(SLOTS):
        mine = [(v, w) for s, v, w in rows if s == slot and v is not None]
        wrapped = (sum(v * w for v, w in mine) + 2**127) % 2**128 - 2**127
        assert number(high[slot], low[slot]) == wrapped
        assert counts[slot] == alone[slot] == (sum(w for _, w in mine) + 2**63) % 2**64 - 2**63


@RULES
@given(table(INT, st.just(1)), st.booleans())
def test_extremes(rows: list[Row], greatest: bool) -> None:
    extremes, seen = ints(), ints()
    mask = acc.order_mask(greatest=greatest)

    def fold(part: list[Row]) -> None:
        slots, values, validity, _ = arrays(part, pl.Int64)
        acc.keep_extremes(slots, values, validity, mask, extremes, seen)

    halves(rows, fold)
    for slot in range(SLOTS):
        mine = [v for s, v, _ in rows if s == slot and v is not None]
        assert seen[slot] == bool(mine)
        if mine:
            assert extremes[slot] == (max(mine) if greatest else min(mine))


@pytest.mark.parametrize("greatest", [True, False])
def test_extremes_of_unsigned(greatest: bool) -> None:
    slots, values, validity, _ = arrays([(0, 2**64 - 1, 1), (0, 1, 1), (0, 2**63, 1)], pl.UInt64)
    extremes, seen = ints(), ints()
    acc.keep_extremes(
        slots, values, validity, acc.order_mask(greatest=greatest, unsigned=True), extremes, seen
    )
    assert extremes.view(np.uint64)[0] == (2**64 - 1 if greatest else 1)


@RULES
@given(st.lists(st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf]), max_size=20))
def test_floats_in_order(values: list[float]) -> None:
    """NaN above everything, -0.0 = 0.0, and back again."""
    array = np.array(values, dtype=np.float64)
    words = acc.ordered_words(array)
    expected = sorted((v + 0.0 for v in values), key=lambda v: (v != v, 0.0 if v != v else v))
    assert np.array_equal(acc.from_ordered_words(np.sort(words)), expected, equal_nan=True)
    assert not np.signbit(acc.from_ordered_words(acc.ordered_words(np.array([-0.0]))))[0]


def close(got: float, exact: Fraction, scale: Fraction) -> bool:
    """Double-double keeps about 100 bits of the largest thing added; the result has 53."""
    return abs(Fraction(got) - exact) <= abs(exact) / 2**52 + scale / 2**95 + Fraction(5e-324) * 32


FLOAT = st.floats(-1e200, 1e200) | st.sampled_from([0.1, 1e16, -1e16, 5e-324, math.inf, -math.inf, math.nan])


@RULES
@given(table(FLOAT, st.integers(-3, 3)) | table(FLOAT, st.just(1)))
def test_float_sums(rows: list[Row]) -> None:
    sums, specials, counts = (np.zeros(SLOTS), np.zeros(SLOTS)), (ints(), ints(), ints()), ints()
    halves(rows, lambda part: add_floats(*arrays(part, pl.Float64), sums, specials, counts))
    results = float_sums(sums, specials)
    for slot in range(SLOTS):
        mine = [(v, w) for s, v, w in rows if s == slot and v is not None]
        assert counts[slot] == sum(w for _, w in mine)
        nans = sum(w for v, w in mine if v != v)
        up, down = (sum(w for v, w in mine if v == sign * math.inf) for sign in (1, -1))
        if nans or (up and down):
            assert math.isnan(results[slot])
        elif up or down:
            assert results[slot] == (math.inf if up else -math.inf)
        else:
            finite = [Fraction(v) * w for v, w in mine if math.isfinite(v)]
            assert close(float(results[slot]), sum(finite, Fraction(0)), sum(map(abs, finite), Fraction(0)))


def test_float_sums_do_not_depend_on_cuts() -> None:
    values = np.sin(np.arange(1000)) * 10.0 ** (np.arange(1000) % 40)
    slots, results = np.zeros(1000, dtype=np.int64), []
    for size in (1, 7, 1000):
        sums, specials, counts = (np.zeros(1), np.zeros(1)), (ints(1), ints(1), ints(1)), ints(1)
        for at in range(0, 1000, size):
            cut = slice(at, at + size)
            add_floats(slots[cut], values[cut], NO_FLAGS, NO_WORDS, sums, specials, counts)
        results.append((sums[0][0], sums[1][0]))
    assert len(set(results)) == 1


def test_float_sum_out_of_range_stays_infinite() -> None:
    sums, specials, counts = (np.zeros(1), np.zeros(1)), (ints(1), ints(1), ints(1)), ints(1)
    add_floats(ints(2), np.array([1e308, 1e308]), NO_FLAGS, NO_WORDS, sums, specials, counts)
    assert float_sums(sums, specials).tolist() == [math.inf]


WIDE = st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-5, 5) | st.integers(-(2**66), 2**66)


@RULES
@example(rows=[(0, -(2**63) - 1, -(2**63))])
@given(table(WIDE, st.integers(-3, 3)) | table(WIDE, st.just(1)) | table(WIDE, WEIGHT))
def test_decimal_sums_have_any_size(rows: list[Row]) -> None:
    sums, counts = (ints(), ints(), ints()), ints()

    def fold(part: list[Row]) -> None:
        slots, weights = (np.array([r[k] for r in part], dtype=np.int64) for k in (0, 2))
        validity = np.array([v is not None for _, v, _ in part], dtype=np.bool_)
        add_decimals(slots, parts([v or 0 for _, v, _ in part]), validity, weights, sums, counts)

    halves(rows, fold)
    merged, all_counts = (ints(), ints(), ints()), ints()
    for _ in range(2):
        merge_decimals(np.arange(SLOTS), sums, counts, merged, all_counts)
    for slot in range(SLOTS):
        total = sum(v * w for s, v, w in rows if s == slot and v is not None)
        for times, (far, high, low) in ((1, sums), (2, merged)):
            assert int(far[slot]) * 2**128 + number(high[slot], low[slot]) == times * total


NUMBER = st.integers(-(2**127), 2**127 - 1) | INT


@RULES
@given(st.lists(st.tuples(NUMBER, INT), max_size=20))
def test_division(pairs: list[tuple[int, int]]) -> None:
    high, low = parts([n for n, _ in pairs])
    quotient_high, quotient_low, rest = divide(high, low, np.array([d for _, d in pairs], dtype=np.int64))
    for i, (n, d) in enumerate(pairs):
        truncated = 0 if d == 0 else abs(n) // abs(d) * (1 if (n < 0) == (d < 0) else -1)
        # Only -2**127 by -1 has no 128-bit quotient; it wraps.
        assert number(quotient_high[i], quotient_low[i]) == (truncated + 2**127) % 2**128 - 2**127
        assert rest[i] == (0 if d == 0 else n - truncated * d)


@RULES
@given(st.lists(NUMBER, max_size=20), st.integers(1, 38))
def test_bounds_of_limbs(numbers: list[int], precision: int) -> None:
    high, low = parts(numbers)
    assert exceeds(high, low, precision).tolist() == [abs(n) >= 10**precision for n in numbers]
    values, overflow = limbs_to_int64(high, low)
    assert overflow.tolist() == [not -(2**63) <= n < 2**63 for n in numbers]
    assert all(int(v) == n for v, n, bad in zip(values, numbers, overflow, strict=True) if not bad)


@RULES
@given(st.lists(st.integers(0, 9), max_size=30), st.sets(st.integers(0, 9)))
def test_touch(slots: list[int], before: set[int]) -> None:
    marks = np.array([i in before for i in range(10)])
    fresh = np.empty(len(slots) + 1, np.int64)
    count = acc.touch(np.array(slots, dtype=np.int64), marks, fresh)
    assert fresh[:count].tolist() == [s for s in dict.fromkeys(slots) if s not in before]
    assert np.flatnonzero(marks).tolist() == sorted(before | set(slots))


def test_kernels_never_compile_for_other_types() -> None:
    """A second type would compile in the hot path; it is refused instead."""
    with pytest.raises(TypeError, match="No matching definition"):
        acc.add_counts(np.zeros(1, dtype=np.int32), NO_FLAGS, NO_WORDS, ints())


def test_sum_as_a_decimal_column() -> None:
    from thalweg.columnar.buffers import limbs_to_polars

    high, low = parts([10**37, -1])
    with localcontext() as context:
        context.prec = 40
        expected = [Decimal(10**37).scaleb(-2), Decimal("-0.01")]
    assert limbs_to_polars("s", pl.Decimal(38, 2), high, low).to_list() == expected
