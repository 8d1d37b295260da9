"""Find the parts of a condition that a source may understand: comparisons of its columns with constants.

What has another form is left out: fewer parts leave out fewer rows, and the filter itself stays.

Not here: which of them a source takes over (rules/push_filter_into_source.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from thalweg.base.schema import Schema
from thalweg.base.types import BOOLEAN, DATE, STRING, TIME, DataType, Decimal, Float, Integer, Timestamp
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Call, Cast, Column, Expr, Literal, conjuncts
from thalweg.optimizer.expressions import is_sure
from thalweg.protocols.conditions import AnyOf, Comparator, Comparison, Condition, Conditions, Path

_FLIPPED: dict[str, Comparator] = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NEGATED: dict[str, str] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def conditions_of(parts: Iterable[Expr], schema: Schema) -> Conditions:
    """What the parts of a condition say in the form for sources; sure ones only, since rows go unseen."""
    found = [_condition(p, schema) for p in parts if is_sure(p, schema)]
    return tuple(dict.fromkeys(c for c in found if c is not None))


def any_of(cases: Sequence[Conditions]) -> Conditions:
    """What holds if one of the cases does; nothing is said if a case says nothing."""
    known = list(dict.fromkeys(cases))
    if len(known) == 1:
        return known[0]
    common = [c for c in known[0] if all(c in case for case in known)]
    rest = [tuple(c for c in case if c not in common) for case in known]
    return (*common, AnyOf(tuple(rest))) if all(rest) else tuple(common)


def _condition(expr: Expr, schema: Schema) -> Condition | None:
    path = _path(expr)
    if path is not None:
        return Comparison(path, "=", (True,)) if type_of(expr, schema) == BOOLEAN else None
    if not isinstance(expr, Call):
        return None
    if expr.function == "or":
        return _either([_all(a, schema) for a in expr.args])
    if expr.function == "not":
        return _negated(expr.args[0], schema)
    if expr.function in ("is_null", "is_not_null"):
        path = _path(expr.args[0])
        return None if path is None else Comparison(path, expr.function)  # type: ignore[arg-type]
    if expr.function == "in":
        return _compared(expr.args[0], "in", expr.args[1:], schema)
    return _comparison(expr, schema)


def _comparison(expr: Call, schema: Schema) -> Condition | None:
    if expr.function not in _FLIPPED:
        return None
    left, right = expr.args
    if isinstance(left, Literal):
        return _compared(right, _FLIPPED[expr.function], [left], schema)
    return _compared(left, expr.function, [right], schema)  # type: ignore[arg-type]


def _all(expr: Expr, schema: Schema) -> Conditions:
    found = [_condition(p, schema) for p in conjuncts(expr)]
    return tuple(c for c in found if c is not None)


def _either(cases: Sequence[Conditions]) -> Condition | None:
    return AnyOf(tuple(cases)) if all(cases) else None


def _negated(expr: Expr, schema: Schema) -> Condition | None:
    """NOT of a condition; for floats it is another one than its opposite, because of NaN."""
    path = _path(expr)
    if path is not None and type_of(expr, schema) == BOOLEAN:
        return Comparison(path, "=", (False,))
    if not isinstance(expr, Call) or expr.function not in _NEGATED:
        return None
    if any(isinstance(type_of(a, schema), Float) for a in expr.args):
        return None
    return _comparison(Call(_NEGATED[expr.function], expr.args), schema)


def _compared(
    column: Expr, operator: Comparator, others: Sequence[Expr], schema: Schema
) -> Comparison | None:
    bare = _uncast(column, schema)
    path = _path(bare)
    if path is None or not all(isinstance(o, Literal) for o in others):
        return None
    values = tuple(o.value for o in others if isinstance(o, Literal) and o.value is not None)
    held = type_of(bare, schema)
    if not all(_is_comparable(held, v) for v in values) or (not values and operator != "in"):
        return None
    return Comparison(path, operator, values)


def _is_comparable(held: DataType, value: Any) -> bool:
    """Whether the column's values and the constant compare in Python as they do in the query."""
    if isinstance(value, float) and math.isnan(value):
        return False
    if isinstance(held, (Integer, Decimal)):
        return not isinstance(value, float)
    if isinstance(held, Timestamp):
        return (value.tzinfo is None) == (held.zone is None)
    return isinstance(held, Float) or held in (STRING, BOOLEAN, DATE, TIME)


def _uncast(expr: Expr, schema: Schema) -> Expr:
    """What a cast is of that changes no value."""
    while isinstance(expr, Cast) and _is_exact(type_of(expr.arg, schema), expr.type):
        expr = expr.arg
    return expr


def _is_exact(held: DataType, wanted: DataType) -> bool:
    if isinstance(held, Float) and isinstance(wanted, Float):
        return wanted.bits >= held.bits
    if isinstance(held, Decimal) and isinstance(wanted, Decimal):
        return wanted.scale >= held.scale
    return isinstance(held, Integer) and isinstance(wanted, (Integer, Decimal))


def _path(expr: Expr) -> Path | None:
    """The names on the way to a column or member; None for anything else."""
    if isinstance(expr, Column):
        return (expr.name,)
    if isinstance(expr, Call) and expr.function == "field" and isinstance(expr.args[1], Literal):
        above = _path(expr.args[0])
        return None if above is None else (*above, str(expr.args[1].value))
    return None
