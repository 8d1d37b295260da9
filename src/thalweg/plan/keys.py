"""Hold what is known of keys: that no two rows share one, and from when on no more rows of one can come.

    GROUP BY a.id       where `id` is declared the key of `a`, and a.expires bounds a join

All rows of such a group come from one row of `a`, and none comes once the watermark has passed that row's
`expires`: the group can be forgotten, its result stays. Without the key, another auction of the same id might
come at any time.

Reads:    properties of plans.
Not here: which joins are bounded (time_bounds.py), forgetting (operators/), the rule (optimizer/).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.errors import PlanError, Span
from thalweg.expr.nodes import Column, Named
from thalweg.plan.nodes import Filter, Join, Plan, Project, Unary
from thalweg.plan.time_bounds import SideBound


@dataclass(frozen=True)
class Closing:
    """When rows that have the same key can come no more.

    Attributes:
        keys: columns; all rows that agree in them are made from one and the same row of a join's input.
        time: no more of them come once the watermark is greater than this column and the slack.
        slack_us: in microseconds.
    """

    keys: frozenset[str]
    time: str
    slack_us: int


@dataclass(frozen=True)
class DeclaredKey(Unary):
    """No two rows have the same values in these columns, ever: so the user says, and nobody checks."""

    input: Plan
    columns: tuple[str, ...]

    @cached_property
    def schema(self) -> Schema:
        return self.input.schema

    def describe(self) -> str:
        return f"Key {', '.join(self.columns)}"


def declare_key(plan: Plan, columns: Sequence[str], *, where: Span | None = None) -> Plan:
    """The rows, of which no two have the same values in these columns.

    Raises:
        PlanError: `plan-unknown-column`, `plan-no-key` without columns.
    """
    if not columns:
        raise PlanError("a key has at least one column", code="plan-no-key", where=where)
    for name in columns:
        plan.schema.type_of(name, where=where)
    return DeclaredKey(plan, tuple(dict.fromkeys(columns)))


def closings_of_pairs(
    join: Join, keys: Sequence[frozenset[frozenset[str]]], bounds: Sequence[SideBound]
) -> frozenset[Closing]:
    """When no more pairs come, of rows of either input that have a key.

    Args:
        join: an inner join of rows that stay.
        keys: of each input, the sets of columns in which no two rows ever agree.
        bounds: until when the rows of each input find partners.
    """
    found = set()
    sides = zip(keys, bounds, (join.keys, [(b, a) for a, b in join.keys]), strict=True)
    for unique, bound, pairs in sides:
        if bound.until is None:
            continue
        equal = dict(pairs)
        for key in unique:
            other = frozenset(equal.get(name, name) for name in key)
            found |= {Closing(k, bound.until.column, bound.until.shift_us) for k in (key, other)}
    return frozenset(found)


def projected(closings: Iterable[Closing], renamed: Mapping[str, set[str]]) -> frozenset[Closing]:
    """What is left in columns that are called otherwise, maybe several times."""
    return frozenset(
        Closing(frozenset(min(renamed[k]) for k in found.keys), min(renamed[found.time]), found.slack_us)
        for found in closings
        if found.time in renamed and found.keys <= renamed.keys()
    )


@dataclass(frozen=True)
class Timed:
    """Rows with the time at which their key closes.

    Attributes:
        input: the rows, maybe with one more column.
        column: the column of the time.
        slack_us: how far the watermark must be beyond it.
    """

    input: Plan
    column: str
    slack_us: int


def timed(plan: Plan, keys: Collection[str]) -> Timed | None:
    """The plan with the time at which keys get no more rows; None if that cannot be known.

    Projections on the way are given one more column, where the time is not among what they make.
    """
    from thalweg.plan.properties import properties

    for found in sorted(properties(plan).closings, key=lambda c: (c.slack_us, c.time)):
        if found.keys <= set(keys):
            return Timed(plan, found.time, found.slack_us)
    if isinstance(plan, Filter):
        below = timed(plan.input, keys)
        return None if below is None else replace(below, input=replace(plan, input=below.input))
    if not isinstance(plan, Project):
        return None
    sources = {i.name: i.expr for i in plan.items}
    below = timed(plan.input, [e.name for k in keys if isinstance(e := sources[k], Column)])
    if below is None:
        return None
    name = f"{SYSTEM_PREFIX}closes"
    while name in sources:
        name += "_"
    items = (*plan.items, Named(name, Column(below.column)))
    return Timed(replace(plan, input=below.input, items=items), name, below.slack_us)
