"""Turn resolved expressions into Polars expressions, and find the rows for which they fail.

One expression list per stage: `compile_expr` gives the value as one Polars expression and, beside
it, the checks: masks of the rows for which a call is an error (overflow, division by zero, a bad
cast). Values are computed without raising; a failing row is found by its mask, so that the error
can name it.

Reads:    the function registry.
Not here: types and implicit casts (infer.py), running the expressions on a batch (evaluate.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import DataType, outer_type
from thalweg.errors import Span
from thalweg.expr import registry
from thalweg.expr.casts import build_cast, cast_failure
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Call, Cast, Column, Expr, Literal, PythonCall, as_written, walk
from thalweg.expr.python import build_python_call


@dataclass(frozen=True)
class Check:
    """Rows for which an expression has no value: a mask, and what to say about them.

    In `text` and in `names` columns that the engine made are what the user wrote in their place.
    """

    mask: pl.Expr
    code: str
    message: str
    text: str
    span: Span | None
    names: Mapping[str, str]


@dataclass(frozen=True)
class Compiled:
    """A value as a Polars expression, with the checks that belong to it."""

    value: pl.Expr
    checks: tuple[Check, ...]
    type: DataType


class Hoisted:
    """Calls of Python functions that are computed beforehand, once, as columns of their own.

    Values and checks are separate expressions that share their inputs; without this a user's
    function would be called for both.
    """

    def __init__(self) -> None:
        self.columns: list[pl.Expr] = []
        self._known: dict[PythonCall, pl.Expr] = {}

    def column(self, call: PythonCall, value: pl.Expr, *, shared: bool) -> pl.Expr:
        """The column that will hold the call's value; equal calls share one if they may."""
        if shared and call in self._known:
            return self._known[call]
        name = f"__call_{len(self.columns)}"
        self.columns.append(value.alias(name))
        if shared:
            self._known[call] = pl.col(name)
        return pl.col(name)


def compile_expr(expr: Expr, schema: Schema, hoisted: Hoisted | None = None) -> Compiled:
    """The Polars form of a resolved expression over the schema.

    With `hoisted`, the value reads columns that `hoisted.columns` must have made before, in order.
    """
    compiler = _Compiler(schema, hoisted)
    value = compiler.value(expr, None)
    return Compiled(value, tuple(compiler.checks), type_of(expr, schema))


class _Compiler:
    def __init__(self, schema: Schema, hoisted: Hoisted | None) -> None:
        self._schema, self._hoisted = schema, hoisted
        self.checks: list[Check] = []

    def value(self, expr: Expr, guard: pl.Expr | None) -> pl.Expr:
        """The value; `guard` is true for the rows that evaluate it (None: all)."""
        if isinstance(expr, Column):
            return pl.col(expr.name)
        if isinstance(expr, Literal):
            return literal(expr)
        if isinstance(expr, Cast):
            return self._cast(expr, guard)
        if isinstance(expr, Call):
            return self._call(expr, guard)
        assert isinstance(expr, PythonCall), f"{expr} cannot be computed row by row"
        return self._python(expr, guard)

    def _python(self, expr: PythonCall, guard: pl.Expr | None) -> pl.Expr:
        args = [self._handed_out(a, guard) for a in expr.args]
        height = pl.col(self._schema.names[0]) if len(self._schema) else None
        value = build_python_call(expr, args, guard, height)
        if self._hoisted is None:
            return value
        return self._hoisted.column(expr, value, shared=guard is None and not expr.function.volatile)

    def _handed_out(self, expr: Expr, guard: pl.Expr | None) -> pl.Expr:
        """An argument as the user's function sees it."""
        held, value = type_of(expr, self._schema), self.value(expr, guard)
        return value if outer_type(held) == held.polars else value.cast(outer_type(held))

    def _call(self, expr: Call, guard: pl.Expr | None) -> pl.Expr:
        function = registry.lookup(expr.function)
        args: list[pl.Expr] = []
        for i, arg in enumerate(expr.args):
            own = function.guards(args, i) if function.guards else None
            args.append(self.value(arg, _both(guard, own)))
        types = [type_of(a, self._schema) for a in expr.args]
        for failure in function.failures:
            self._check(failure.mask(args, types), guard, failure.code, failure.message, expr)
        return function.build(args, types)

    def _cast(self, expr: Cast, guard: pl.Expr | None) -> pl.Expr:
        held = type_of(expr.arg, self._schema)
        arg = self.value(expr.arg, guard)
        if not expr.safe:
            failure = cast_failure(arg, held, expr.type)
            if failure is not None:
                message = f"a value of type {held} does not fit {expr.type}"
                self._check(failure, guard, "data-bad-cast", message, expr)
        return build_cast(arg, held, expr.type)

    def _check(
        self, mask: pl.Expr | None, guard: pl.Expr | None, code: str, message: str, expr: Expr
    ) -> None:
        if mask is None:
            return
        both = mask if guard is None else mask & guard
        made = {c.name: c.written for c in walk(expr) if isinstance(c, Column) and c.written is not None}
        text = str(as_written(expr))
        self.checks.append(Check(both.fill_null(value=False), code, message, text, expr.span, made))


def _both(a: pl.Expr | None, b: pl.Expr | None) -> pl.Expr | None:
    if a is None or b is None:
        return b if a is None else a
    return a & b


def literal(expr: Literal) -> pl.Expr:
    """A constant of exactly the literal's type."""
    if expr.value is None:
        return pl.lit(None, dtype=expr.type.polars)
    value = list(expr.value) if isinstance(expr.value, tuple) else expr.value
    return pl.lit(value, dtype=expr.type.polars)


def compile_all(exprs: Sequence[Expr], schema: Schema) -> tuple[list[pl.Expr], list[Check]]:
    """Several resolved expressions at once: their values and all their checks."""
    compiled = [compile_expr(e, schema) for e in exprs]
    return [c.value for c in compiled], [k for c in compiled for k in c.checks]
