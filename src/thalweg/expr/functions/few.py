"""Compute what functions mean for a few rows by calls on whole columns, each a second way beside the query.

An argument of one row stands for a constant. Each of these may decline (None) where it would need a check or
would mean something else than its registry entry.

Not here: expressions of several calls (expr/few.py), the meaning (the other modules).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import polars as pl
from polars._utils.wrap import wrap_s

from thalweg.base.types import DataType, Decimal, Float, Integer, List, Map, Struct, Timestamp
from thalweg.expr.functions.time_bounds import MICROS_MAX

FewBuild = Callable[[Sequence[pl.Series], Sequence[DataType]], pl.Series | None]
"""What a registry entry has as its `few`."""


def compare_few(method: str) -> FewBuild:
    """A comparison by a method of Polars' columns; not of floats, whose NaN it would order."""

    def compare(args: Sequence[pl.Series], types: Sequence[DataType]) -> pl.Series | None:
        if isinstance(types[0], (Float, Decimal, List, Map, Struct)):
            return None
        a, b = args
        return wrap_s(getattr(a._s, method)(b._s))

    return compare


def logic_few(method: str) -> FewBuild:
    """A three-valued AND or OR of any number of conditions."""

    def combine(args: Sequence[pl.Series], types: Sequence[DataType]) -> pl.Series | None:
        found = args[0]._s
        for arg in args[1:]:
            found = getattr(found, method)(arg._s)
        return wrap_s(found)

    return combine


def not_few(args: Sequence[pl.Series], types: Sequence[DataType]) -> pl.Series | None:
    """A three-valued NOT."""
    return wrap_s(args[0]._s.not_())


def field_few(args: Sequence[pl.Series], types: Sequence[DataType]) -> pl.Series | None:
    """A member of rows."""
    struct, name = args
    return wrap_s(struct._s.struct_unnest().get_column(name.item()))


def null_few(*, is_null: bool) -> FewBuild:
    """IS [NOT] NULL where no value is NULL, or all are."""

    def test(args: Sequence[pl.Series], types: Sequence[DataType]) -> pl.Series | None:
        (arg,) = args
        nulls = arg.null_count()
        if nulls not in (0, arg.len()):
            return None
        answer = pl.Series([(nulls > 0) == is_null])
        return wrap_s(answer._s.new_from_index(0, arg.len()))

    return test


def case_few(args: Sequence[pl.Series], types: Sequence[DataType]) -> pl.Series | None:
    """CASE with a value for the rest."""
    if len(args) % 2 == 0:
        return None
    height = max(a.len() for a in args)
    found = _tall(args[-1], height)
    for i in range(len(args) - 3, -1, -2):
        # a condition that is NULL counts as false
        found = _tall(args[i + 1], height).zip_with(_tall(args[i], height), found)
    return found


def _tall(series: pl.Series, height: int) -> pl.Series:
    return series if series.len() >= height else wrap_s(series._s.new_from_index(0, height))


_SHIFTS = {"+": "add", "-": "sub"}
_LENGTH_MAX = timedelta(microseconds=MICROS_MAX)


def arithmetic_few(operator: str) -> FewBuild:
    """`+ - *` of floats, and of integers where the extremes show that nothing overflows."""
    method = {"+": "add", "-": "sub", "*": "mul"}[operator]

    def operate(args: Sequence[pl.Series], types: Sequence[DataType]) -> pl.Series | None:
        a, b = args
        held = types[0]
        if held != types[1] or not isinstance(held, (Float, Integer)):
            return _shifted(operator, args, types)
        if isinstance(held, Integer) and not _fits(operator, a, b, held):
            return None
        # Polars 2.1 says -0.0 for a constant 0.0 less a column of 0.0
        return wrap_s(getattr(_tall(a, b.len())._s, method)(b._s))

    return operate


def _fits(operator: str, a: pl.Series, b: pl.Series, held: Integer) -> bool:
    ends_a, ends_b = _ends(a), _ends(b)
    if operator == "+":
        found = [ends_a[0] + ends_b[0], ends_a[1] + ends_b[1]]
    elif operator == "-":
        found = [ends_a[0] - ends_b[1], ends_a[1] - ends_b[0]]
    else:
        found = [x * y for x in ends_a for y in ends_b]
    return min(found) >= held.bounds[0] and max(found) <= held.bounds[1]


def _ends(series: pl.Series) -> tuple[int, int]:
    least: Any = series._s.min()
    most: Any = series._s.max()
    return (0, 0) if least is None else (int(least), int(most))


def _shifted(operator: str, args: Sequence[pl.Series], types: Sequence[DataType]) -> pl.Series | None:
    """A timestamp plus or minus a length of time."""
    method = _SHIFTS.get(operator)
    is_shift = args[1].dtype == pl.Duration("us") and isinstance(types[0], Timestamp)
    if method is None or not is_shift or types[0].polars != args[0].dtype:
        return None
    lengths: pl.Series = args[1]
    least: timedelta | None = lengths._s.min()
    if least is not None and (least < -_LENGTH_MAX or lengths._s.max() > _LENGTH_MAX):
        return None
    return wrap_s(getattr(args[0]._s, method)(args[1]._s))
