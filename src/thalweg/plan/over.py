"""Hold OVER as a step of a plan: aggregates over the rows around each row.

Not here: numbers of rows (`Rank` in nodes.py); how it runs (operators/over.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

from thalweg.base.schema import Schema
from thalweg.base.types import Decimal, Field, Integer, Timestamp
from thalweg.errors import PlanError, Span, TypeMismatch
from thalweg.expr.infer import resolve, type_of
from thalweg.expr.nodes import Aggregate, Column, Named
from thalweg.plan.nodes import Plan, SortKey


@dataclass(frozen=True)
class Frame:
    """How far the rows around a row reach; they always end with the row itself, or the last one of its time.

    Attributes:
        is_rows: whether rows are counted, instead of time.
        reach: how many rows, or microseconds, before the current row; None: all that came before.
    """

    is_rows: bool = False
    reach: int | None = None

    def __str__(self) -> str:
        kind = "ROWS" if self.is_rows else "RANGE"
        if self.reach is None:
            return f"{kind} UNBOUNDED PRECEDING"
        reach = str(self.reach) if self.is_rows else str(timedelta(microseconds=self.reach))
        return f"{kind} {reach} PRECEDING"


@dataclass(frozen=True)
class Over(Plan):
    """Each row with aggregates over the rows of its partition up to it.

    In the order of an event time, rows that stay get their aggregates once, when time has passed them. In any
    other order, and where rows may be taken back, the aggregates are kept up to date.

    Attributes:
        partition: rows of other partitions are not looked at.
        order: the time column, or the first column of another order.
        frame: which rows before the current one count.
        aggregates: `expr.Aggregate` nodes over columns.
        keys: the whole order where it is not one time, upwards.
    """

    input: Plan
    partition: tuple[str, ...]
    order: str
    frame: Frame
    aggregates: tuple[Named, ...]
    keys: tuple[SortKey, ...] = ()

    @property
    def sort_keys(self) -> tuple[SortKey, ...]:
        """The whole order."""
        return self.keys or (SortKey(self.order),)

    @property
    def inputs(self) -> tuple[Plan, ...]:
        return (self.input,)

    def with_inputs(self, inputs: tuple[Plan, ...]) -> Plan:
        return replace(self, input=inputs[0])

    @cached_property
    def schema(self) -> Schema:
        below = self.input.schema
        made = tuple(Field(a.name, type_of(a.expr, below)) for a in self.aggregates)
        return Schema((*below.fields, *made))

    def describe(self) -> str:
        by = ", ".join(self.partition) or "()"
        order = ", ".join(map(str, self.sort_keys))
        return f"Over {by} order {order} {self.frame}: {', '.join(map(str, self.aggregates))}"


FUNCTIONS = ("count", "sum", "avg", "mean", "min", "max")
"""The aggregates that slide."""


def over(
    plan: Plan,
    partition: Sequence[str],
    order: str | Sequence[SortKey],
    frame: Frame,
    aggregates: Sequence[Named],
    *,
    where: Span | None = None,
) -> Plan:
    """Aggregates over the rows around each row.

    Raises:
        TypeMismatch: `plan-over-order` for a frame of time in another order.
        PlanError: `plan-over-aggregate` for an aggregate that cannot slide.
    """
    schema = plan.schema
    keys = (SortKey(order),) if isinstance(order, str) else tuple(order)
    for name in (*partition, *(k.column for k in keys)):
        schema.type_of(name, where=where)
    is_time = keys == (SortKey(keys[0].column),) and isinstance(schema.type_of(keys[0].column), Timestamp)
    if not is_time and not frame.is_rows and frame.reach:
        raise TypeMismatch(
            f"a frame of time needs an order by one time, upwards, and not {', '.join(map(str, keys))}",
            code="plan-over-order",
            where=where,
            expected="ORDER BY a TIMESTAMP or TIMESTAMP_LTZ",
            choices=[f.name for f in schema if isinstance(f.type, Timestamp)],
            hint="ROWS counts rows in any order",
        )
    found = []
    for item in aggregates:
        resolved, _ = resolve(item.expr, schema)
        assert isinstance(resolved, Aggregate), "only aggregates slide"
        _check(resolved, schema, where or item.expr.span)
        found.append(Named(item.name, resolved))
    made = Over(plan, tuple(partition), keys[0].column, frame, tuple(found), () if is_time else keys)
    return _merged(made) if isinstance(plan, Over) else made


def _merged(plan: Over) -> Plan:
    """Two steps that look at the same rows as one."""
    below = plan.input
    assert isinstance(below, Over), "asked for before"
    same = (plan.partition, plan.sort_keys, plan.frame) == (below.partition, below.sort_keys, below.frame)
    made = {a.name for a in below.aggregates}
    read = {str(c) for a in plan.aggregates for c in a.expr.children}
    if not same or made & (read | {*plan.partition}):
        return plan
    return replace(below, aggregates=(*below.aggregates, *plan.aggregates))


def _check(call: Aggregate, schema: Schema, where: Span | None) -> None:
    what = None
    if call.function not in FUNCTIONS:
        what = f"{call.function.upper()} cannot slide yet"
    elif call.distinct or call.filter is not None:
        what = f"{'DISTINCT' if call.distinct else 'FILTER'} cannot slide yet"
    elif any(not isinstance(a, Column) for a in call.args):
        what = f"{call} has an argument that is not a column"
    else:
        from thalweg.columnar.buffers import is_plain

        types = [schema.type_of(str(a)) for a in call.args]
        wide = [t for t in types if isinstance(t, Decimal) or not is_plain(t.polars)]
        wide += [t for t in types if isinstance(t, Integer) and t.bits == 64 and not t.signed]
        if wide and call.function != "count":
            what = f"{call.function.upper()} over values of type {wide[0]} cannot slide yet"
    if what is not None:
        raise PlanError(
            what,
            code="plan-over-aggregate",
            where=where,
            expected="COUNT, SUM, AVG, MIN or MAX of numbers or times",
        )
