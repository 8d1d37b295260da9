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
from thalweg.errors import Span, TypeMismatch
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Cast, Column, Expr, Named, conjunction, conjuncts
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
