"""Let rows say when they were read, and let windows go by that time.

`PROCTIME()` is a column that the source stamps when it reads a row. From there it is a time like any other:
where a step goes by it, the clock is the watermark of the source, so that windows close when it has passed
their end. That is decided here, when such a step is built.

Not here: the clock (runtime/), what steps do with time (properties.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from thalweg.base.schema import STAMP
from thalweg.errors import PlanError, Span
from thalweg.expr.infer import PROCTIME
from thalweg.expr.nodes import Call, Column, Expr, Literal, Named, transform, walk
from thalweg.plan.keys import DeclaredKey
from thalweg.plan.lookup import LookupJoin
from thalweg.plan.nodes import (
    AssignWatermark,
    Explode,
    Filter,
    Join,
    Limit,
    Plan,
    Project,
    Rank,
    Scan,
    SessionWindow,
    Union,
    Values,
    Window,
)
from thalweg.plan.over import Over

_PASSING = (AssignWatermark, DeclaredKey, Filter, Explode, Window, SessionWindow, Rank, Over, Limit)
"""Steps that hand on the rows of their input, all columns included."""


def with_proctime(plan: Plan, items: Sequence[Named]) -> tuple[Plan, list[Named]]:
    """The input and what is computed from it, `PROCTIME()` being a column of the input.

    Raises:
        PlanError: `plan-proctime-place` where rows are not those of a source any more.
    """
    calls = [e for i in items for e in walk(i.expr) if _is_call(e)]
    if not calls:
        return plan, list(items)

    def stamp(e: Expr) -> Expr:
        return Column(STAMP, span=e.span, written=clock_name(e.span)) if _is_call(e) else e

    made = [Named(i.name, transform(i.expr, stamp)) for i in items]
    return _stamped(plan, calls[0].span), made


def asks_clock(exprs: Iterable[Expr]) -> bool:
    """Whether some expression asks when a row was read."""
    return any(_is_call(e) for expr in exprs for e in walk(expr))


def _is_call(expr: Expr) -> bool:
    return isinstance(expr, Call) and expr.function == PROCTIME


def _stamped(plan: Plan, where: Span | None) -> Plan:
    """The plan with the time at which each row was read as its column `STAMP`."""
    if STAMP in plan.schema:
        return plan
    if isinstance(plan, (Scan, Values)):
        return replace(plan, stamp="column")
    if isinstance(plan, Project):
        below = _stamped(plan.input, where)
        return replace(plan, input=below, items=(*plan.items, Named(STAMP, Column(STAMP))))
    if isinstance(plan, _PASSING):
        return plan.with_inputs((_stamped(plan.input, where),))
    if isinstance(plan, LookupJoin):
        return replace(plan, left=_stamped(plan.left, where))
    if isinstance(plan, Union):
        names = (*plan.schema.names, STAMP)
        parts = [_stamped(p, where) for p in plan.parts]
        return Union(tuple(Project(p, tuple(Named(n, Column(n)) for n in names)) for p in parts))
    raise PlanError(
        f"{clock_name(where)} is when a row was read, and these rows were not read but computed from others",
        code="plan-proctime-place",
        where=where,
        found=plan.describe().removesuffix(": "),
        hint="give rows their time where they are read: in the table (p AS PROCTIME()) or a view over it",
    )


def clock_name(where: Span | None) -> str:
    """The function that asks when a row was read, as it is written."""
    return "PROCTIME()" if where is None or not where.written else where.written


def clocked(plan: Plan, column: str) -> Plan:
    """The plan for a step that goes by `column`: if that is when rows were read, the clock is the watermark.

    A source has one watermark, so that an event time below is none for steps behind.
    """
    made = _clocked(plan, column)
    return plan if made is None else made


def _clocked(plan: Plan, column: str) -> Plan | None:
    """The plan over sources whose watermark is the clock; None if the column is not their processing time."""
    if isinstance(plan, (Scan, Values)):
        return replace(plan, stamp="clock") if column == STAMP and plan.stamp is not None else None
    if isinstance(plan, Union):
        number = plan.schema.names.index(column)
        parts = [_clocked(p, p.schema.names[number]) for p in plan.parts]
        found = [p for p in parts if p is not None]
        return replace(plan, parts=tuple(found)) if len(found) == len(parts) else None
    if isinstance(plan, Project):
        item = next(i for i in plan.items if i.name == column)
        name = _moved(item.expr)
        below = None if name is None else _clocked(plan.input, name)
    elif isinstance(plan, LookupJoin) and column in plan.left.schema:
        below = _clocked(plan.left, column)
    elif isinstance(plan, _PASSING) and column in plan.input.schema:
        below = _clocked(plan.input, column)
    else:
        below = None
    if below is None or isinstance(plan, AssignWatermark):
        return below
    return replace(plan, left=below) if isinstance(plan, LookupJoin) else plan.with_inputs((below,))


def _moved(expr: Expr) -> str | None:
    """The column that an expression is, or moves by a constant."""
    if isinstance(expr, Call) and expr.function in ("+", "-") and isinstance(expr.args[1], Literal):
        return _moved(expr.args[0])
    return expr.name if isinstance(expr, Column) else None


def is_proctime(plan: Plan, column: str) -> bool:
    """Whether a column says when its row, or the row of one input of a join, was read."""
    if isinstance(plan, (Scan, Values)):
        return column == STAMP and plan.stamp is not None
    if isinstance(plan, Union):
        number = plan.schema.names.index(column)
        return all(is_proctime(p, p.schema.names[number]) for p in plan.parts)
    if isinstance(plan, Project):
        expr = next(i.expr for i in plan.items if i.name == column)
        return isinstance(expr, Column) and is_proctime(plan.input, expr.name)
    if not isinstance(plan, (*_PASSING, Join)):
        return False
    return any(column in below.schema and is_proctime(below, column) for below in plan.inputs)


__all__ = ["asks_clock", "clocked", "is_proctime", "with_proctime"]
