"""Run resolved expressions on frames: projections and predicates, with their checks.

Eagerly (`apply`, `mask`) the values and "does any row fail" are computed in one go; only if so are
the rows looked for. Lazily (`lazy`) every value carries its checks with it as one elementwise
expression, so that Polars may reorder and stream as it likes and still cannot lose a check of a
value that is used.

Errors that pass through a Polars plan must be taken out by `thalweg.expr.python.unwrapped`.

Not here: how expressions become Polars expressions (compile.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import BOOLEAN, NULL, Field
from thalweg.columnar.arrow import to_frame
from thalweg.columnar.eager import compute, compute_with, pick
from thalweg.errors import DataError, TypeMismatch
from thalweg.expr.compile import Check, Compiled, Hoisted, compile_expr
from thalweg.expr.few import few_rows
from thalweg.expr.infer import coerce, resolve
from thalweg.expr.nodes import Column, Expr, Named
from thalweg.expr.python import carry, unwrapped

_FAILED, _MASK = "__failed_", "__mask"
_FALSE = pl.Series([False])
_FEW = 512
"""Up to so many rows, what a query of several expressions costs depends on their number alone."""


class Projection:
    """Named expressions over the columns of a frame.

    Args:
        items: what to compute, in order.
        schema: the columns that are there.
        keep: columns to hand on unchanged, after the items (system columns).

    Example:
        >>> from thalweg.base.types import INT64
        >>> from thalweg.expr.nodes import Call, Column
        >>> twice = Named("b", Call("+", (Column("a"), Column("a"))))
        >>> Projection([twice], Schema.of({"a": INT64})).apply(pl.DataFrame({"a": [1, 2]}))["b"].to_list()
        [2, 4]
    """

    def __init__(self, items: Sequence[Named], schema: Schema, *, keep: Sequence[str] = ()) -> None:
        hoisted = Hoisted()
        exprs = [resolve(i.expr, schema)[0] for i in items]
        self._parts = [(i.name, compile_expr(e, schema, hoisted)) for i, e in zip(items, exprs, strict=True)]
        self._hoisted, self._keep = hoisted.columns, list(keep)
        fields = [Field(name, part.type) for name, part in self._parts]
        self.schema = Schema((*fields, *(Field(n, schema.type_of(n)) for n in keep)))
        self._values: list[pl.Expr] = [part.value.alias(name) for name, part in self._parts]
        self._values += [pl.col(n) for n in keep]
        self._checks = [c for _, part in self._parts for c in part.checks]
        self._any = [c.mask.any().alias(f"{_FAILED}{i}") for i, c in enumerate(self._checks)]
        # a frame of constants alone would have one row, whatever the height of the input
        self._constant = not any(v.meta.root_names() for v in self._values)
        self._few = [_FewRows(e, part, schema) for e, (_, part) in zip(exprs, self._parts, strict=True)]
        self._few += [_FewRows(Column(n), None, schema) for n in keep]

    @property
    def is_checked(self) -> bool:
        """Whether a row can fail."""
        return bool(self._checks)

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The computed columns.

        Raises:
            DataError: for the first row that fails, with its 0-based number in `offset`.
        """
        with unwrapped():
            if 0 < frame.height <= _FEW and not self._hoisted and self._few:
                few = self._apply_few(frame)
                if few is not None:
                    return few
            return self._apply_all(frame)

    def _apply_all(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The computed columns as one query, and one more to see whether a row fails."""
        for column in self._hoisted:
            frame = compute_with(frame, [column])
        found = self._select(frame, [*self._values, *self._any])
        if self._any:
            if found.height and any(found.row(0)[-len(self._any) :]):
                raise _first_failure(frame, self._checks)
            found = pick(found, self.schema.names)
        return found

    def _apply_few(self, frame: pl.DataFrame) -> pl.DataFrame | None:
        """The computed columns of a few rows; None if a row fails."""
        height = frame.height
        columns = []
        for name, few in zip(self.schema.names, self._few, strict=True):
            column = few.compute(frame)
            if column is None:
                return None
            if column.len() != height:
                column = column.new_from_index(0, height)
            columns.append(column if column.name == name else column.alias(name))
        return to_frame(columns)

    def _select(self, frame: pl.DataFrame, values: list[pl.Expr]) -> pl.DataFrame:
        if not self._constant:
            return compute(frame, values)
        names = [*self.schema.names, *(f"{_FAILED}{i}" for i in range(len(self._any)))]
        return pick(compute_with(frame, values), names)

    def lazy(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """The same as a step of a lazy plan."""
        for column in self._hoisted:
            frame = frame.with_columns(column)
        values = [_checked(part).alias(name) for name, part in self._parts]
        values += [pl.col(n) for n in self._keep]
        if not self._constant:
            return frame.select(values)
        return frame.with_columns(values).select(self.schema.names)


class ComputedColumn:
    """One resolved expression over the columns of a frame, computed without looking for rows that fail.

    Attributes:
        type: of the values.

    Example:
        >>> from thalweg.base.types import INT64
        >>> column = ComputedColumn("b", Column("a"), Schema.of({"a": INT64}))
        >>> column.values(pl.DataFrame({"a": [1, 2]})).to_list()
        [1, 2]
    """

    def __init__(self, name: str, expr: Expr, schema: Schema) -> None:
        part = compile_expr(expr, schema)
        self._name, self._value, self.type = name, part.value.alias(name), part.type
        self._by_columns = few_rows(expr, schema)

    def values(self, frame: pl.DataFrame) -> pl.Series:
        """The value of each row."""
        if frame.height and self._by_columns is not None:
            found = self._by_columns(frame)
            if found is not None and found.len() == frame.height:
                return found.alias(self._name)
        with unwrapped():
            return compute(frame, [self._value]).to_series()


class _FewRows:
    """One expression for a few rows: by whole columns where that is known, else as a query of its own."""

    def __init__(self, expr: Expr, part: Compiled | None, schema: Schema) -> None:
        self._by_columns = few_rows(expr, schema)
        self._value = None if part is None else part.value
        masks = [] if part is None else [c.mask for c in part.checks]
        self._fails = pl.any_horizontal(masks).any() if masks else None

    def compute(self, frame: pl.DataFrame) -> pl.Series | None:
        """The value of each row, or one for all of them; None if a row fails."""
        found = None if self._by_columns is None else self._by_columns(frame)
        if found is not None:
            return found
        if self._fails is not None and compute(frame, [self._fails]).item():
            return None
        assert self._value is not None, "a column is handed on as it is"
        return compute(frame, [self._value]).to_series()


class Predicate:
    """A condition on the rows of a frame; NULL counts as false.

    Raises:
        TypeMismatch: if the expression is no condition.

    Example:
        >>> from thalweg.base.types import INT64
        >>> from thalweg.expr.literals import literal_of
        >>> from thalweg.expr.nodes import Call, Column
        >>> many = Predicate(Call(">", (Column("a"), literal_of(1))), Schema.of({"a": INT64}))
        >>> many.mask(pl.DataFrame({"a": [1, 2, None]})).to_list()
        [False, True, False]
    """

    def __init__(self, expr: Expr, schema: Schema) -> None:
        resolved, held = resolve(expr, schema)
        if held not in (BOOLEAN, NULL):
            raise TypeMismatch(
                f"a condition is needed, not a value of type {held}",
                code="expr-wrong-type",
                where=expr.span,
                expected="BOOLEAN",
                found=str(expr),
            )
        condition = coerce(resolved, held, BOOLEAN)
        self._projection = Projection([Named(_MASK, condition)], schema)

    @property
    def is_checked(self) -> bool:
        """Whether a row can fail."""
        return self._projection.is_checked

    def mask(self, frame: pl.DataFrame) -> pl.Series:
        """True for the rows that fulfil the condition; never NULL."""
        found = self._projection.apply(frame).to_series()
        return found.zip_with(found, _FALSE) if found.null_count() else found

    def lazy(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """The rows that fulfil the condition, as a step of a lazy plan."""
        parts, hoisted = self._projection._parts, self._projection._hoisted
        condition = _checked(parts[0][1])
        if not self.is_checked and not hoisted:
            return frame.filter(condition)
        # Polars would merge a filter with one below it and so evaluate it for rows that are gone;
        # as a column it stays above
        for column in [*hoisted, condition.alias(_MASK)]:
            frame = frame.with_columns(column)
        return frame.filter(pl.col(_MASK)).drop([c.meta.output_name() for c in hoisted], _MASK)


def _checked(part: Compiled) -> pl.Expr:
    """The value as an expression that raises if a row of it fails."""
    if not part.checks:
        return part.value
    masks = [c.mask for c in part.checks]
    roots = sorted({n for m in masks for n in m.meta.root_names()})

    def run(columns: Sequence[pl.Series]) -> pl.Series:
        found = columns[1 : 1 + len(masks)]
        if any(m.any() for m in found):
            sample = dict(zip(roots, columns[1 + len(masks) :], strict=True))
            raise carry(_failure(part.checks, [m.arg_true() for m in found], sample, offset=False))
        return columns[0]

    inputs = [part.value, *masks, *(pl.col(n) for n in roots)]
    return pl.map_batches(inputs, run, return_dtype=part.type.polars, is_elementwise=True)


def _first_failure(frame: pl.DataFrame, checks: Sequence[Check]) -> DataError:
    rows = [frame.with_columns(c.mask.alias(_MASK))[_MASK].arg_true() for c in checks]
    sample = {n: frame[n] for c in checks for n in c.mask.meta.root_names()}
    return _failure(checks, rows, sample, offset=True)


def _failure(
    checks: Sequence[Check], rows: Sequence[pl.Series], columns: dict[str, pl.Series], *, offset: bool
) -> DataError:
    """The error for the first row that fails, by the check that comes first."""
    row, which = min((int(r[0]), i) for i, r in enumerate(rows) if len(r))
    check = checks[which]
    names = sorted(n for n in set(check.mask.meta.root_names()) if n in columns)
    sample = ", ".join(f"{check.names.get(n, n)} = {_show(columns[n], row)}" for n in names)
    return DataError(
        f"{check.message}: {check.text}",
        code=check.code,
        where=check.span,
        offset=row if offset else None,
        found=sample or None,
        sample=sample or None,
    )


def _show(column: pl.Series, row: int) -> str:
    value: Any = column[min(row, len(column) - 1)]
    return "NULL" if value is None else repr(value) if isinstance(value, str) else str(value)
