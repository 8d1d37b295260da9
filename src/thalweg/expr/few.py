"""Compute expressions for a few rows, column by column, without a query.

A query costs Polars 50 to 130 microseconds however few the rows are; a call on a whole column costs one.
What a function means stays with its registry entry: the `few` of an entry is a second way to compute the
same, held to the same edge vectors, and may decline (None) wherever it would need a check or a cast of its
own; then the expression is computed as a query.

Not here: the single calls (functions/few.py), what functions mean (functions/), the choice between both
ways (evaluate.py).
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
from polars._utils.wrap import wrap_s

from thalweg.base.schema import Schema
from thalweg.base.types import DataType, Float, Integer, List, Map, Struct
from thalweg.expr import registry
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Call, Cast, Column, Expr, Literal

Compute = Callable[[pl.DataFrame], pl.Series | None]
"""From a frame with rows to the value of each row, or one value for all rows; None: not this way."""


def few_rows(expr: Expr, schema: Schema) -> Compute | None:
    """How a resolved expression is computed for a few rows; None if some part of it cannot be.

    Example:
        >>> from thalweg.base.types import INT64
        >>> from thalweg.expr.literals import literal_of
        >>> more = few_rows(Call(">", (Column("a"), Literal(1, INT64))), Schema.of({"a": INT64}))
        >>> more(pl.DataFrame({"a": [1, 2, None]})).to_list()
        [False, True, None]
    """
    if isinstance(expr, Column):
        return _column(expr.name)
    if isinstance(expr, Literal):
        return _constant(expr)
    if isinstance(expr, Cast):
        return _cast(expr, schema)
    return _call(expr, schema) if isinstance(expr, Call) else None


def _column(name: str) -> Compute:
    return lambda frame: frame.get_column(name)


def _constant(expr: Literal) -> Compute | None:
    if expr.value is None or isinstance(expr.type, (List, Map, Struct)):
        return None
    held = pl.select(pl.lit(expr.value, dtype=expr.type.polars)).to_series()
    return lambda frame: held


def _cast(expr: Cast, schema: Schema) -> Compute | None:
    inner, held, wanted = few_rows(expr.arg, schema), type_of(expr.arg, schema), expr.type
    if inner is None:
        return None
    compute = inner
    if held == wanted:
        return compute
    if not _is_widening(held, wanted):
        return None
    dtype = wanted.polars

    def cast(frame: pl.DataFrame) -> pl.Series | None:
        value = compute(frame)
        return None if value is None else wrap_s(value._s.cast(dtype, True, False))

    return cast


def _is_widening(held: DataType, wanted: DataType) -> bool:
    """Whether every value of a number type is one of the other."""
    if isinstance(held, Integer) and isinstance(wanted, Integer):
        return held.bounds[0] >= wanted.bounds[0] and held.bounds[1] <= wanted.bounds[1]
    return isinstance(held, Integer) and isinstance(wanted, Float) and wanted.polars == pl.Float64


def _call(expr: Call, schema: Schema) -> Compute | None:
    build = registry.lookup(expr.function).few
    parts = [few_rows(a, schema) for a in expr.args] if build is not None else [None]
    args = [p for p in parts if p is not None]
    if build is None or len(args) < len(parts):
        return None
    types = [type_of(a, schema) for a in expr.args]

    def call(frame: pl.DataFrame) -> pl.Series | None:
        values = [a(frame) for a in args]
        known = [v for v in values if v is not None]
        return build(known, types) if len(known) == len(values) else None

    return call
