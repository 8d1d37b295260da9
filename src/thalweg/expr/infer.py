"""Find the type of an expression, and insert the casts that its functions need.

`resolve` turns what the user wrote into an expression whose every call has arguments of exactly
the types that the function's signature names. Only resolved expressions are compiled.

Reads:    the schema of the input, the function registry.
Not here: what the functions compute (functions/), aggregates' own state (aggregates.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from thalweg.base.schema import Schema
from thalweg.base.types import BOOLEAN, INT32, NULL, DataType, Integer
from thalweg.errors import PlanError, TypeMismatch, UserError
from thalweg.expr import aggregates, collected, functions, placed, registry, statistics
from thalweg.expr.casts import can_cast
from thalweg.expr.nodes import Aggregate, Call, Cast, Column, Expr, Literal, PythonCall, QueryCall, as_written
from thalweg.expr.python import check_arguments
from thalweg.expr.subscript import SUBSCRIPTS, meant

assert functions.__all__, "importing the functions registers them"
assert statistics.__all__ + placed.__all__ + collected.__all__, "importing the aggregates registers them"

PROCTIME = "proctime"
"""The call that stands for the time at which a row is read: a column of sources, and no function of a row."""


def resolve(expr: Expr, schema: Schema, *, table: str | None = None) -> tuple[Expr, DataType]:
    """The expression with implicit casts made explicit, and its type.

    Raises:
        PlanError: for a column that the schema lacks, with the near misses.
        TypeMismatch: for a function that does not take such arguments.

    Example:
        >>> from thalweg.base.types import INT64
        >>> str(resolve(Column("a"), Schema.of({"a": INT64}))[1])
        'BIGINT'
    """
    if isinstance(expr, Column):
        return expr, schema.type_of(expr.name, table=table, where=expr.span)
    if isinstance(expr, Literal):
        return expr, expr.type
    if isinstance(expr, QueryCall):
        raise PlanError(
            "a query inside an expression cannot stand here",
            code="plan-query-place",
            where=expr.span,
            found=str(expr),
            hint="filter, select, with_columns, keys and arguments of aggregates take it",
        )
    pairs = [resolve(c, schema, table=table) for c in expr.children]
    args, types = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
    if isinstance(expr, Call) and expr.function in SUBSCRIPTS:
        return _resolve_subscript(replace(expr, args=args), types)
    if isinstance(expr, Call):
        return _resolve_call(expr, args, types)
    if isinstance(expr, Cast):
        return _resolve_cast(expr, args[0], types[0])
    if isinstance(expr, PythonCall):
        check_arguments(expr)
        return expr.with_children(args), expr.function.result
    assert isinstance(expr, Aggregate), f"unknown kind of expression {type(expr).__name__}"
    return _resolve_aggregate(expr, args, types)


def type_of(expr: Expr, schema: Schema) -> DataType:
    """The type of an expression over the schema."""
    return resolve(expr, schema)[1]


def _resolve_subscript(expr: Call, types: tuple[DataType, ...]) -> tuple[Expr, DataType]:
    held, key_type = types
    call = meant(expr, held, key_type)
    owner, key = call.args
    if isinstance(key, Call) and key is not expr.args[1]:
        # the number of an item, counted from 1
        key, key_type = _resolve_call(key, key.args, (key_type, INT32))
    return _resolve_call(call, (owner, key), (held, key_type))


def _resolve_call(expr: Call, args: tuple[Expr, ...], types: tuple[DataType, ...]) -> tuple[Expr, DataType]:
    if expr.function == PROCTIME:
        raise PlanError(
            f"{'PROCTIME()' if expr.span is None else expr.span.written} is when a row was read, "
            "a column of rows, and cannot be computed here",
            code="plan-proctime-place",
            where=expr.span,
            hint="name it first: in the table (p AS PROCTIME()), or with SELECT *, PROCTIME() AS p in a view",
        )
    function = registry.lookup(expr.function, expr.span)
    values = [a.value if isinstance(a, Literal) else registry.UNKNOWN for a in args]
    _check_constants(expr, function, values)
    try:
        if function.infer_values is not None:
            signature = function.infer_values(types, values)
        else:
            signature = function.infer(types)
    except UserError as error:
        raise (error if expr.span is None else error.located(expr.span)) from None
    if signature is None:
        found = ", ".join(map(str, types)) or "no arguments"
        raise TypeMismatch(
            f'"{function.operator or function.name}" does not take ({found})',
            code="expr-wrong-type",
            where=expr.span,
            expected=function.takes,
            found=f"{as_written(expr)} with ({found})",
        )
    cast = tuple(coerce(a, t, want) for a, t, want in zip(args, types, signature.args, strict=True))
    return replace(expr, function=function.name, args=cast), signature.result


def _check_constants(expr: Call, function: registry.Function, values: Sequence[Any]) -> None:
    for i in function.constants:
        if i < len(values) and values[i] is registry.UNKNOWN:
            raise TypeMismatch(
                f'argument {i + 1} of "{function.name}" must be a constant',
                code="expr-not-constant",
                where=expr.span,
                found=str(as_written(expr.args[i])),
            )


def coerce(expr: Expr, held: DataType, wanted: DataType) -> Expr:
    """The expression converted to a type, without a node where it has it already."""
    if held == wanted:
        return expr
    if isinstance(expr, Literal) and _is_exact(expr.value, wanted):
        return replace(expr, type=wanted)
    return Cast(expr, wanted, span=expr.span)


def _is_exact(value: Any, wanted: DataType) -> bool:
    """Whether a literal's value, unchanged, is also one of the wanted type."""
    if value is None:
        return True
    if type(value) is not int:
        return False
    return isinstance(wanted, Integer) and wanted.bounds[0] <= value <= wanted.bounds[1]


def _resolve_cast(expr: Cast, arg: Expr, held: DataType) -> tuple[Expr, DataType]:
    if held != NULL and not can_cast(held, expr.type):
        raise TypeMismatch(
            f"a value of type {held} cannot become {expr.type}",
            code="expr-no-cast",
            where=expr.span,
            found=str(as_written(expr)),
        )
    return replace(expr, arg=arg), expr.type


def _resolve_aggregate(
    expr: Aggregate, args: tuple[Expr, ...], types: tuple[DataType, ...]
) -> tuple[Expr, DataType]:
    count = len(expr.args)
    if expr.filter is not None and types[-1] not in (BOOLEAN, NULL):
        raise TypeMismatch(
            f"FILTER needs a condition, not a value of type {types[-1]}",
            code="expr-wrong-type",
            where=expr.filter.span or expr.span,
        )
    entry = aggregates.lookup(expr.function, expr.span)
    for arg in expr.args[1:]:
        if isinstance(arg, Literal) and arg.value is None:
            raise TypeMismatch(
                f'an argument of "{entry.name}" that is a constant cannot be NULL',
                code="expr-not-constant",
                where=arg.span or expr.span,
                expected=entry.takes,
            )
        if not isinstance(arg, Literal):
            raise TypeMismatch(
                f'only the first argument of "{entry.name}" can differ from row to row',
                code="expr-not-constant",
                where=arg.span or expr.span,
                found=str(as_written(arg)),
            )
    signature = entry.infer(types[:count])
    if signature is None:
        found = ", ".join(map(str, types[:count])) or "no arguments"
        raise TypeMismatch(
            f'"{entry.name}" does not take ({found})',
            code="expr-wrong-type",
            where=expr.span,
            expected=entry.takes,
        )
    cast = tuple(
        coerce(a, t, want) for a, t, want in zip(args[:count], types[:count], signature.args, strict=True)
    )
    tail = args[count:]
    changed = replace(expr, function=entry.name).with_children((*cast, *tail))
    return changed, signature.result
