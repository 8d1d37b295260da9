"""Leave out of expressions what cannot matter.

    Filter ((price > 10) AND TRUE)
      Scan
    becomes
    Filter (price > 10)
      Scan

Three-valued logic and NaN are kept: `a = a` stays, since it is NULL where a is NULL and false for NaN.
Only in a condition, where NULL counts as false, is NULL turned into FALSE.

Not here: computing constants (fold_constants.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce

from thalweg.base.schema import Schema
from thalweg.base.types import BOOLEAN, STRING, DataType, Decimal, Float, Integer
from thalweg.expr import registry
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Call, Cast, Expr, Literal
from thalweg.optimizer.expressions import is_pure, is_same_type, rewritten, with_expressions
from thalweg.plan.nodes import Filter, Plan

TRUE, FALSE = Literal(value=True, type=BOOLEAN), Literal(value=False, type=BOOLEAN)


def simplify(plan: Plan) -> Plan:
    """The step with simpler expressions; a filter that keeps every row is left out."""
    plan = with_expressions(plan, lambda expr, schema: rewritten(expr, schema, _simpler))
    if not isinstance(plan, Filter):
        return plan
    condition = _condition(plan.condition)
    if condition == TRUE:
        return plan.input
    return plan if condition is plan.condition else replace(plan, condition=condition)


def _condition(expr: Expr) -> Expr:
    """A simpler condition that is true for the same rows."""
    if isinstance(expr, Literal) and expr.value is None:
        return FALSE
    if isinstance(expr, Call) and expr.function == "is_true":
        return _condition(expr.args[0])
    return expr


def _simpler(expr: Expr, schema: Schema) -> Expr:
    if isinstance(expr, Cast):
        return _cast(expr, schema)
    if not isinstance(expr, Call):
        return expr
    if registry.lookup(expr.function).strict and any(_is_null(a) for a in expr.args):
        return Literal(None, type_of(expr, schema), span=expr.span)
    rule = _CALLS.get(expr.function)
    made = expr if rule is None else rule(expr)
    return Literal(None, type_of(expr, schema), span=expr.span) if _is_null(made) else made


def _is_null(expr: Expr) -> bool:
    return isinstance(expr, Literal) and expr.value is None


# -- conditions --------------------------------------------------------------------------------


def _and_or(expr: Call) -> Expr:
    """`x AND TRUE` is x, `x AND FALSE` is FALSE; for OR the other way round; equal parts count once."""
    neutral, deciding = (TRUE, FALSE) if expr.function == "and" else (FALSE, TRUE)
    parts = _parts(expr, expr.function)
    if deciding in parts:
        return deciding
    kept = [p for i, p in enumerate(parts) if p != neutral and not (is_pure(p) and p in parts[:i])]
    if len(kept) == len(parts):
        return expr
    return reduce(lambda a, b: Call(expr.function, (a, b), span=expr.span), kept) if kept else neutral


def _parts(expr: Expr, function: str) -> list[Expr]:
    """What a chain of ANDs, or of ORs, is made of, in order."""
    if isinstance(expr, Call) and expr.function == function:
        return [part for arg in expr.args for part in _parts(arg, function)]
    return [expr]


_OPPOSITE = {
    "=": "<>",
    "<>": "=",
    "is_null": "is_not_null",
    "is_not_null": "is_null",
    "is_true": "is_not_true",
    "is_not_true": "is_true",
    "is_false": "is_not_false",
    "is_not_false": "is_false",
    "is_unknown": "is_not_unknown",
    "is_not_unknown": "is_unknown",
    "is_distinct_from": "is_not_distinct_from",
    "is_not_distinct_from": "is_distinct_from",
}
"""Exact opposites, also for NULL and NaN; `<` and `>=` are none, since both are false for NaN."""


def _not(expr: Call) -> Expr:
    below = expr.args[0]
    if not isinstance(below, Call):
        return expr
    if below.function == "not":
        return below.args[0]
    opposite = _OPPOSITE.get(below.function)
    return expr if opposite is None else replace(below, function=opposite)


def _equal(expr: Call) -> Expr:
    """`x = TRUE` is x, `x = FALSE` is NOT x."""
    for one, other in (expr.args, expr.args[::-1]):
        if one == TRUE:
            return other
        if one == FALSE:
            return Call("not", (other,), span=expr.span)
    return expr


def _same(expr: Call) -> Expr:
    """A value is never distinct from itself."""
    a, b = expr.args
    if a != b or not is_pure(a):
        return expr
    return TRUE if expr.function == "is_not_distinct_from" else FALSE


# -- choices -----------------------------------------------------------------------------------


def _case(expr: Call) -> Expr:
    """Branches that are never taken go; one that is always taken ends the list."""
    count = len(expr.args) // 2
    pairs = [(expr.args[2 * i], expr.args[2 * i + 1]) for i in range(count)]
    rest: tuple[Expr, ...] = expr.args[2 * count :]
    kept: list[Expr] = []
    for condition, value in pairs:
        if condition == TRUE:
            rest = (value,)
            break
        if condition != FALSE and not _is_null(condition):
            kept += [condition, value]
    args = (*kept, *rest)
    if len(args) == len(expr.args):
        return expr
    if kept:
        return replace(expr, function="case", args=args)
    return rest[0] if rest else Literal(None, BOOLEAN)


def _coalesce(expr: Call) -> Expr:
    """NULL is passed over, and nothing comes after a constant."""
    args: list[Expr] = []
    for arg in expr.args:
        if not _is_null(arg):
            args.append(arg)
        if isinstance(arg, Literal) and arg.value is not None:
            break
    if len(args) == 1:
        return args[0]
    return expr if len(args) == len(expr.args) or not args else replace(expr, args=tuple(args))


def _in(expr: Call) -> Expr:
    """One choice is a comparison."""
    return Call("=", expr.args, span=expr.span) if len(expr.args) == 2 else expr


_CALLS: dict[str, Callable[[Call], Expr]] = {
    "and": _and_or,
    "or": _and_or,
    "not": _not,
    "=": _equal,
    "is_distinct_from": _same,
    "is_not_distinct_from": _same,
    "case": _case,
    "if": _case,
    "coalesce": _coalesce,
    "in": _in,
}


# -- casts -------------------------------------------------------------------------------------


def _cast(expr: Cast, schema: Schema) -> Expr:
    """No cast to the type that is there, and no detour over a wider one."""
    if is_same_type(type_of(expr.arg, schema), expr.type):
        return expr.arg
    below = expr.arg
    if isinstance(below, Cast) and _is_detour(type_of(below.arg, schema), below.type, expr.type):
        return replace(expr, arg=below.arg)
    return expr


def _is_detour(first: DataType, second: DataType, last: DataType) -> bool:
    """Whether the second type keeps every value, so that the last cast can start from the first."""
    if isinstance(first, Integer) and isinstance(second, Integer):
        keeps = second.bounds[0] <= first.bounds[0] and first.bounds[1] <= second.bounds[1]
        return keeps and (isinstance(last, (Integer, Decimal, Float)) or last in (STRING, BOOLEAN))
    if isinstance(first, Decimal) and isinstance(second, Decimal):
        whole = second.precision - second.scale >= first.precision - first.scale
        return whole and second.scale >= first.scale and isinstance(last, (Integer, Decimal))
    return isinstance(first, Float) and second == Float(64) and isinstance(last, Float)
