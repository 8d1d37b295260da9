"""Ask what rules need to know of expressions: can it fail, what does it cost, what does it read.

An expression is *plain* if it only picks something (a column, a member of a row, a constant), *cheap*
if evaluating it twice costs less than what a rule gains by it, and *sure* if it gives a value for every
row: no error, no user's code. Only cheap and sure conditions are moved to places where they see more rows.

Not here: rewriting (rules/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import DataType, Decimal, Float, Integer, List, Map, Struct, Timestamp
from thalweg.errors import ThalwegError
from thalweg.expr.compile import compile_expr
from thalweg.expr.infer import resolve, type_of
from thalweg.expr.nodes import Call, Cast, Column, Expr, Literal, Named, PythonCall, columns_of, walk
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.nodes import AssignWatermark, Filter, GroupBy, Join, Plan, Project
from thalweg.plan.properties import join_bounds, properties

Change = Callable[[Expr, Schema], Expr]
"""From an expression and the columns that it reads to an expression of the same type."""

_CHEAP = frozenset(
    [
        *("+", "-", "*", "/", "%", "=", "<>", "<", "<=", ">", ">=", "abs", "neg", "greatest", "least"),
        *("and", "or", "not", "case", "if", "coalesce", "nullif", "in", "field", "is_null", "is_not_null"),
        *("is_true", "is_not_true", "is_false", "is_not_false", "is_unknown", "is_not_unknown"),
        *("is_distinct_from", "is_not_distinct_from"),
    ]
)


# -- properties --------------------------------------------------------------------------------


def is_plain(expr: Expr) -> bool:
    """Whether the expression is a column, a constant, or a member of a row."""
    if isinstance(expr, Call) and expr.function == "field":
        return is_plain(expr.args[0])
    return isinstance(expr, (Column, Literal))


def is_member(expr: Expr) -> bool:
    """Whether the expression is a member, at any depth, of a column."""
    if not isinstance(expr, Call) or expr.function != "field":
        return False
    return isinstance(expr.args[0], Column) or is_member(expr.args[0])


def is_cheap(expr: Expr, schema: Schema) -> bool:
    """Whether evaluating the expression once more hardly costs anything."""
    if isinstance(expr, Call) and expr.function not in _CHEAP:
        return False
    if isinstance(expr, Cast) and not _is_cheap_cast(type_of(expr.arg, schema), expr.type):
        return False
    return not isinstance(expr, PythonCall) and all(is_cheap(c, schema) for c in expr.children)


def _is_cheap_cast(held: DataType, wanted: DataType) -> bool:
    exact = (Integer, Decimal, Timestamp)
    return all(isinstance(t, (*exact, Float)) for t in (held, wanted)) and (
        isinstance(wanted, Float) or isinstance(held, exact)
    )


def is_sure(expr: Expr, schema: Schema) -> bool:
    """Whether the expression has a value for every row, whatever is in it, and is no user's code."""
    if any(isinstance(e, PythonCall) or _reads_argument(e) for e in walk(expr)):
        return False
    try:
        return not compile_expr(expr, schema).checks
    except (ThalwegError, pl.exceptions.PolarsError):
        return False


def _reads_argument(expr: Expr) -> bool:
    """Whether a call may find an argument meaningless only when it sees it, as LIKE does with a pattern."""
    if not isinstance(expr, Call) or expr.function in _CHEAP:
        return False
    return any(not isinstance(a, Literal) for a in expr.args[1:])


def is_movable(condition: Expr, schema: Schema) -> bool:
    """Whether a condition may see rows that it did not see before, and costs little on them."""
    return is_sure(condition, schema) and is_cheap(condition, schema)


def is_pure(expr: Expr) -> bool:
    """Whether two evaluations for one row give one value."""
    return not any(isinstance(e, PythonCall) and e.function.volatile for e in walk(expr))


def has_floats(held: DataType) -> bool:
    """Whether values of the type may be equal as keys and still differ (0.0 and -0.0)."""
    if isinstance(held, Struct):
        return any(has_floats(f.type) for f in held.fields)
    if isinstance(held, Map):
        return has_floats(held.key) or has_floats(held.value)
    return has_floats(held.item) if isinstance(held, List) else isinstance(held, Float)


# -- types -------------------------------------------------------------------------------------


def is_same_type(a: DataType, b: DataType) -> bool:
    """Whether two types are one, the digits of their seconds included (they show in texts)."""
    return a == b and str(a) == str(b)


def keeps_type(made: Expr, schema: Schema, held: DataType) -> bool:
    """Whether an expression is complete (no cast is missing) and has the type."""
    try:
        resolved, found = resolve(made, schema)
    except ThalwegError:
        return False
    return resolved == made and is_same_type(found, held)


# -- rewriting ---------------------------------------------------------------------------------


def rewritten(expr: Expr, schema: Schema, change: Change) -> Expr:
    """The expression with `change` applied to every node, children first, where that keeps the types.

    The type of a call may depend on which of its arguments are constants (ROUND(x, 2)); a change that
    would give it another type is left out.
    """
    old = expr.children
    new = tuple(rewritten(c, schema, change) for c in old)
    made = expr
    if any(a is not b for a, b in zip(old, new, strict=True)):
        made = expr.with_children(new)
        if not keeps_type(made, schema, type_of(expr, schema)):
            made = expr
    changed = change(made, schema)
    if changed is made or not keeps_type(changed, schema, type_of(made, schema)):
        return made
    return changed


def with_expressions(plan: Plan, change: Change) -> Plan:
    """The step with `change` applied to each expression that it evaluates."""
    if isinstance(plan, Filter):
        condition = change(plan.condition, plan.input.schema)
        return plan if condition is plan.condition else replace(plan, condition=condition)
    if isinstance(plan, AssignWatermark):
        mark = change(plan.watermark, plan.input.schema)
        return plan if mark is plan.watermark else replace(plan, watermark=mark)
    if isinstance(plan, Project):
        items = _changed(plan.items, plan.input.schema, change)
        made = plan if items is plan.items else replace(plan, items=items)
        # CASE WHEN TRUE THEN ts END is no event time; were it made one, rows would be late by it
        return made if properties(made).times == properties(plan).times else plan
    if isinstance(plan, Join) and plan.residual is not None:
        residual = change(plan.residual, plan.both)
        joined = plan if residual is plan.residual else replace(plan, residual=residual)
        # were a bound in time lost or found, other rows would be late
        return joined if join_bounds(joined) == join_bounds(plan) else plan
    if isinstance(plan, AsOfJoin) and plan.residual is not None:
        residual = change(plan.residual, plan.schema)
        return plan if residual is plan.residual else replace(plan, residual=residual)
    if isinstance(plan, GroupBy):
        aggregates = _changed(plan.aggregates, plan.input.schema, _reading_rows(change))
        return plan if aggregates is plan.aggregates else replace(plan, aggregates=aggregates)
    return plan


def _changed(items: tuple[Named, ...], schema: Schema, change: Change) -> tuple[Named, ...]:
    made = [change(i.expr, schema) for i in items]
    if all(a is i.expr for a, i in zip(made, items, strict=True)):
        return items
    return tuple(Named(i.name, e) for i, e in zip(items, made, strict=True))


def _reading_rows(change: Change) -> Change:
    """The change, but an aggregate goes on reading columns: a constant has no number of rows."""

    def changed(expr: Expr, schema: Schema) -> Expr:
        made = change(expr, schema)
        pairs = zip(expr.children, made.children, strict=True)
        return expr if any(columns_of(old) and not columns_of(new) for old, new in pairs) else made

    return changed


def replaced(expr: Expr, parts: dict[Expr, Expr]) -> Expr:
    """The expression with whole parts exchanged, the largest first."""
    found = parts.get(expr)
    if found is not None:
        return found
    old = expr.children
    new = tuple(replaced(c, parts) for c in old)
    return expr if all(a is b for a, b in zip(old, new, strict=True)) else expr.with_children(new)


def members_read(expr: Expr) -> Iterator[Expr]:
    """What the expression picks from its row, each as far as it goes: columns and members of columns."""
    if isinstance(expr, Column) or is_member(expr):
        yield expr
    else:
        for child in expr.children:
            yield from members_read(child)


def root_of(expr: Expr) -> str:
    """The column that a member belongs to."""
    while isinstance(expr, Call):
        expr = expr.args[0]
    assert isinstance(expr, Column), "a member belongs to a column"
    return expr.name
