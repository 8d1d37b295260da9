"""Hold the order of a whole result as a step of a plan.

Rows that end are given in their order when all are there. Rows that do not end can only be given in the
order of their event time, each when the watermark has passed it.

Not here: the first rows in an order (sets.py), how the step runs (operators/).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from thalweg.base.schema import Schema
from thalweg.errors import Span
from thalweg.plan.nodes import Filter, Plan, Project, Rank, SortKey, Unary


@dataclass(frozen=True)
class Sort(Unary):
    """All rows of the input, in an order; rows that tie come in any."""

    input: Plan
    order: tuple[SortKey, ...]

    @cached_property
    def schema(self) -> Schema:
        return self.input.schema

    def describe(self) -> str:
        return f"Sort by {', '.join(map(str, self.order))}"


def without_repeats(order: Iterable[SortKey]) -> tuple[SortKey, ...]:
    """An order without columns that an earlier key has: among its equal values they decide nothing."""
    first: dict[str, SortKey] = {}
    for key in order:
        first.setdefault(key.column, key)
    return tuple(first.values())


def sort(plan: Plan, order: Sequence[SortKey], *, where: Span | None = None) -> Plan:
    """The rows in an order.

    Raises:
        PlanError: `plan-unknown-column`.
    """
    for key in order:
        plan.schema.type_of(key.column, where=where)
    return Sort(plan, tuple(order), span=where)


def in_asked_order(plan: Plan) -> Plan:
    """The first rows in an order, to be given in that order: they come and go while they are found."""
    if isinstance(plan, Project):
        return replace(plan, input=in_asked_order(plan.input))
    below = plan
    while isinstance(below, Filter):
        below = below.input
    is_first = isinstance(plan, Filter) and isinstance(below, Rank) and below.kind == "row_number"
    if is_first and isinstance(below, Rank) and not below.partition:
        return Sort(plan, below.order)
    return plan
