"""Help to write registry entries: typing rules, edge vectors and constant arguments.

Not here: any function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from thalweg.base.types import (
    BOOLEAN,
    DATE,
    FLOAT32,
    FLOAT64,
    NULL,
    STRING,
    TIME,
    DataType,
    Decimal,
    Float,
    Integer,
    List,
    Timestamp,
)
from thalweg.errors import TypeMismatch
from thalweg.expr.casts import build_cast
from thalweg.expr.common_type import common_type
from thalweg.expr.registry import UNKNOWN, Build, Infer, Signature, Vector


def vec(args: Sequence[Any], types: DataType | Sequence[DataType], expected: Any) -> Vector:
    """An edge vector; one type stands for all arguments."""
    of = (types,) * len(args) if isinstance(types, DataType) else tuple(types)
    assert len(of) == len(args), "every argument of a vector has a type"
    return Vector(tuple(args), of, expected)


def vecs(types: DataType | Sequence[DataType], *cases: tuple[Any, ...]) -> tuple[Vector, ...]:
    """Edge vectors of the same types; each case is the arguments and, last, what comes out."""
    return tuple(vec(c[:-1], types, c[-1]) for c in cases)


def accepts(held: DataType, wanted: DataType) -> bool:
    """Whether an argument of a type is taken where another is wanted, by an exact or usual widening."""
    if held in (wanted, NULL):
        return True
    if isinstance(wanted, Integer) and isinstance(held, Integer):
        return common_type((held, wanted)) == wanted
    if isinstance(wanted, Float):
        return isinstance(held, (Integer, Decimal)) or (held == FLOAT32 and wanted == FLOAT64)
    return isinstance(wanted, Timestamp) and held == DATE


def fixed(wanted: Sequence[DataType], result: DataType, *, optional: int = 0) -> Infer:
    """Exactly these argument types, of which the last `optional` may be left out."""

    def infer(types: Sequence[DataType]) -> Signature | None:
        if not len(wanted) - optional <= len(types) <= len(wanted):
            return None
        if not all(map(accepts, types, wanted)):
            return None
        return Signature(tuple(wanted[: len(types)]), result)

    return infer


def one_of(*choices: Infer) -> Infer:
    """The first of several typing rules that takes the arguments."""

    def infer(types: Sequence[DataType]) -> Signature | None:
        found = (c(types) for c in choices)
        return next((s for s in found if s is not None), None)

    return infer


def comparable(types: Sequence[DataType]) -> DataType | None:
    """The type to compare values in: their common type; text beside a time is read as a time."""
    found = common_type(types)
    times = [t for t in types if isinstance(t, Timestamp) or t in (DATE, TIME)]
    if found is None and times and all(t in (*times, STRING, NULL) for t in types):
        return common_type(times)
    return found


def same(result: DataType | None = None, *, least: int, most: int | None = None) -> Infer:
    """From `least` to `most` arguments (None: any number) of a common type."""

    def infer(types: Sequence[DataType]) -> Signature | None:
        if len(types) < least or (most is not None and len(types) > most):
            return None
        shared = common_type(types)
        return None if shared is None else Signature((shared,) * len(types), result or shared)

    return infer


def constant(arg: pl.Expr) -> Any:
    """The value of an argument that is a literal, else `UNKNOWN`."""
    return pl.select(arg).item() if arg.meta.is_literal() else UNKNOWN


def by_value(
    args: Sequence[pl.Expr],
    which: int,
    make: Callable[[Sequence[pl.Expr], Any], pl.Expr],
    result: DataType,
) -> pl.Expr:
    """An expression that needs the value of argument `which` when it is built.

    `make` gets the other arguments and the value. Where the argument is not a literal, it is called
    once for each distinct value of a batch.
    """
    others = [a for i, a in enumerate(args) if i != which]
    value = constant(args[which])
    if value is not UNKNOWN:
        return pl.lit(None, dtype=result.polars) if value is None else make(others, value)

    def run(columns: Sequence[pl.Series]) -> pl.Series:
        return _per_value(columns, make, result)

    return pl.map_batches([args[which], *others], run, return_dtype=result.polars, is_elementwise=True)


def _per_value(
    columns: Sequence[pl.Series], make: Callable[[Sequence[pl.Expr], Any], pl.Expr], result: DataType
) -> pl.Series:
    height = 0 if any(len(c) == 0 for c in columns) else max(map(len, columns))
    frame = pl.DataFrame(
        [
            (c if len(c) == height else pl.repeat(c[0], height, dtype=c.dtype, eager=True)).alias(f"c{i}")
            for i, c in enumerate(columns)
        ]
    )
    names = [pl.col(n) for n in frame.columns[1:]]
    parts, places = [], []
    for value in frame["c0"].unique(maintain_order=True).drop_nulls():
        rows = (frame["c0"] == value).fill_null(value=False).arg_true()
        part = frame.select(pl.all().gather(rows)).with_columns(make(names, value).alias("result"))
        parts.append(part["result"])
        places.append(rows)
    if not parts:
        return pl.repeat(None, height, dtype=result.polars, eager=True)
    order = pl.concat(places)
    # row i of the batch is row back[i] of the parts; NULL where the value is NULL
    back = pl.repeat(None, height, dtype=pl.UInt32, eager=True)
    back = back.scatter(order, pl.int_range(len(order), dtype=pl.UInt32, eager=True))
    return pl.concat(parts).gather(back)


def per_row(args: Sequence[pl.Expr], call: Callable[..., Any], result: DataType) -> pl.Expr:
    """A Python function of one row's values, NULL if any is; for what columns cannot express."""

    def run(columns: Sequence[pl.Series]) -> pl.Series:
        height = 0 if any(len(c) == 0 for c in columns) else max(map(len, columns))
        lists = [c.to_list() if len(c) == height else [c[0]] * height for c in columns]
        values = [None if None in row else call(*row) for row in zip(*lists, strict=True)]
        return pl.Series(values, dtype=result.polars)

    return pl.map_batches(list(args), run, return_dtype=result.polars, is_elementwise=True)


def failing_as_null(build: Build, *masks: Callable[..., pl.Expr | None]) -> Build:
    """The `try_` form of a function: NULL in the rows that one of the masks finds."""

    def attempt(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
        value = build(args, types)
        for mask in masks:
            failed = mask(args, types)
            if failed is not None:
                value = pl.when(~failed.fill_null(value=False)).then(value)
        return value

    return attempt


def converted(arg: pl.Expr, held: DataType, wanted: DataType) -> pl.Expr:
    """The argument in another type."""
    return build_cast(arg, held, wanted)


def bad_constant(function: str, what: str, value: Any, *, expected: str | None = None) -> TypeMismatch:
    """The error for a constant argument that means nothing."""
    return TypeMismatch(
        f'"{function}" does not know the {what} {value!r}', code="expr-bad-constant", expected=expected
    )


def is_list(t: DataType) -> bool:
    """Whether the type is a list."""
    return isinstance(t, List)


CONDITION = fixed([BOOLEAN], BOOLEAN)
"""One condition in, one out."""
