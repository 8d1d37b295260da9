"""Hold joins in time as a step of a plan: each row of the left input with the latest row of the right one.

A *temporal join* is one of these: the right rows of one key are the versions of one row, each valid from its
time on until that of the next one.

Not here: what the versions of a table are (versions.py), how the step runs (operators/as_of.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal as Choice

from thalweg.base.durations import shown
from thalweg.base.schema import Schema
from thalweg.base.types import Integer, Timestamp
from thalweg.errors import PlanError, Span, SqlError, TypeMismatch
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Call, Cast, Column, Expr, Named, conjunction, conjuncts
from thalweg.plan.join import KeyFinder, checked
from thalweg.plan.nodes import Plan, Project

AsOfKind = Choice["inner", "left"]


@dataclass(frozen=True)
class AsOfJoin(Plan):
    """Each row of the left input with at most one of the right: the latest one of its keys up to its time.

    The inputs have no column name in common. NULL in a key column matches nothing.

    Attributes:
        kind: `left` also keeps rows without a partner, the other columns NULL.
        times: the time columns of the left and of the right input, of one type.
        keys: pairs of columns that must be equal; each pair of one type.
        residual: what else must be true of the pair; no earlier row takes the place of one where it is not.
        is_strict: whether the partner's time must be less than the row's own; else it may be equal.
        reach: how much earlier a partner may be, in microseconds; None: any time.
        alive: a column of the right input with a condition; a row for which it is not true ends the row
            before it, and is no partner.
        takes_first: whether of right rows with equal times the first one by position counts; else the last.
    """

    left: Plan
    right: Plan
    kind: AsOfKind
    times: tuple[str, str]
    keys: tuple[tuple[str, str], ...] = ()
    residual: Expr | None = None
    is_strict: bool = False
    reach: int | None = None
    alive: str | None = None
    takes_first: bool = False

    @property
    def inputs(self) -> tuple[Plan, ...]:
        return (self.left, self.right)

    def with_inputs(self, inputs: tuple[Plan, ...]) -> Plan:
        return replace(self, left=inputs[0], right=inputs[1])

    @cached_property
    def schema(self) -> Schema:
        return Schema((*self.left.schema.fields, *self.right.schema.fields))

    def describe(self) -> str:
        mine, others = self.times
        parts = [f"{a} = {b}" for a, b in self.keys]
        parts.append(f"{mine} {'>' if self.is_strict else '>='} {others}")
        parts += [] if self.residual is None else [str(self.residual)]
        reach = "" if self.reach is None else f" by at most {shown(self.reach)}"
        alive = "" if self.alive is None else f", valid if {self.alive}"
        return f"AsOfJoin {self.kind} on {' AND '.join(parts)}{reach}{alive}"


def as_of_join(
    shape: AsOfJoin,
    condition: Expr | None,
    *,
    clause: str = "ON",
    may_be_key: Callable[[str], bool] = lambda name: True,
    where: Span | None = None,
) -> Plan:
    """A join in time, whose keys are found in a condition.

    Args:
        shape: the join without keys and residual.
        condition: over the columns of both inputs.
        clause: names the condition in messages.
        may_be_key: whether a column of the right input may be a key; equalities of others are conditions.
        where: the place in the text.

    Raises:
        TypeMismatch: `plan-as-of-time`, `plan-not-a-condition`.
        PlanError: `plan-unknown-column`, `plan-misplaced-aggregate`.
    """
    _check_times(shape, where)
    parts = [] if condition is None else conjuncts(checked(condition, shape.schema, clause))
    keys = KeyFinder(shape.left, shape.right)
    rest: list[Expr] = []
    for part in parts:
        sides = keys.sides(part)
        column = None if sides is None else picked(sides[1], shape.right.schema)
        if column is None or not may_be_key(column) or not keys.take(part):
            rest.append(part)
    residual = conjunction(rest) if rest else None
    made = replace(
        shape, left=keys.left.plan, right=keys.right.plan, keys=tuple(keys.pairs), residual=residual
    )
    wanted = [n for n in shape.schema.names if n != shape.alive]
    if list(made.schema.names) == wanted:
        return made
    return Project(made, tuple(Named(n, Column(n)) for n in wanted))


_FLIPPED = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}


def latest_join(
    left: Plan,
    right: Plan,
    kind: AsOfKind,
    condition: Expr | None,
    order: Expr | None = None,
    *,
    reach: int | None = None,
    clause: str = "ON",
    where: Span | None = None,
) -> Plan:
    """Each row of the left input with the latest one of the right of which a condition is true.

    Args:
        left: the left input.
        right: the right input; it has no column name of the left one.
        kind: whether left rows without a partner are kept.
        condition: over the columns of both: equalities, and whatever else must be true of the pair.
        order: the comparison of their times, `left.time >= right.time` or `>`; None: a part of the condition.
        reach: how much earlier a partner may be, in microseconds; None: any time.
        clause: names the condition in messages.
        where: the place in the text.

    Raises:
        PlanError: `plan-as-of-order` if no times are compared, or several.
        SqlError: `sql-not-yet` if the next row is asked for.
    """
    both = Schema((*left.schema.fields, *right.schema.fields))
    parts = [] if condition is None else conjuncts(checked(condition, both, clause))
    orders = (
        [p for p in parts if _compared(p, left, right)] if order is None else [checked(order, both, clause)]
    )
    pair = _compared(orders[0], left, right) if len(orders) == 1 else None
    if pair is None:
        raise PlanError(
            "an as-of join compares one time of each side",
            code="plan-as-of-order",
            where=orders[0].span if order is not None else where,
            found=", ".join(map(str, orders)) or None,
            expected="left.time >= right.time, both columns",
        )
    (mine, others), function = pair
    if function not in (">=", ">"):
        raise SqlError(
            "as-of joins with the next row are not supported yet",
            code="sql-not-yet",
            where=orders[0].span or where,
            hint=f"{mine} >= {others} finds the latest row before",
        )
    rest = [p for p in parts if p is not orders[0]]
    shape = AsOfJoin(left, right, kind, (mine, others), is_strict=function == ">", reach=reach)
    return as_of_join(shape, conjunction(rest) if rest else None, clause=clause, where=where)


def _compared(part: Expr, left: Plan, right: Plan) -> tuple[tuple[str, str], str] | None:
    """The times that a condition compares, the left one first, and how."""
    if not isinstance(part, Call) or part.function not in _FLIPPED:
        return None
    one, other = part.args
    function = part.function
    if isinstance(one, Column) and one.name in right.schema:
        one, other, function = other, one, _FLIPPED[function]
    times = [(one, left.schema), (other, right.schema)]
    if not all(isinstance(e, Column) and isinstance(s.get(e.name), Timestamp) for e, s in times):
        return None
    return (str(one), str(other)), function


def picked(expr: Expr, schema: Schema) -> str | None:
    """The column that an expression is, where nothing but the width of its numbers is changed."""
    while isinstance(expr, Cast) and isinstance(expr.type, Integer):
        if not isinstance(type_of(expr.arg, schema), Integer):
            return None
        expr = expr.arg
    return expr.name if isinstance(expr, Column) else None


def _check_times(shape: AsOfJoin, where: Span | None) -> None:
    held = [p.schema.type_of(n, where=where) for p, n in zip(shape.inputs, shape.times, strict=True)]
    for name, plan, found in zip(shape.times, shape.inputs, held, strict=True):
        if not isinstance(found, Timestamp):
            raise TypeMismatch(
                f'rows are joined by their times, and "{name}" has the type {found}',
                code="plan-as-of-time",
                where=where,
                expected="TIMESTAMP or TIMESTAMP_LTZ",
                choices=[f.name for f in plan.schema if isinstance(f.type, Timestamp)],
            )
    if held[0] != held[1]:
        raise TypeMismatch(
            f'"{shape.times[0]}" has the type {held[0]} and "{shape.times[1]}" the type {held[1]}',
            code="plan-as-of-time",
            where=where,
            hint="a CAST makes them one",
        )


def keys_of(made: Plan) -> set[str]:
    """The columns of the right input that `as_of_join` found equal to something, by their own names."""
    step = made.inputs[0] if isinstance(made, Project) else made
    assert isinstance(step, AsOfJoin), "as_of_join makes nothing else"
    right = step.right
    computed = {i.name: i.expr for i in right.items} if isinstance(right, Project) else {}
    schema = right.input.schema if isinstance(right, Project) else right.schema
    found = {picked(computed.get(b, Column(b)), schema) for _, b in step.keys}
    return {n for n in found if n is not None} | {b for _, b in step.keys}
