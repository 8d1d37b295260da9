"""Hold OVER as a step of a plan: aggregates over the rows around each row.

Not here: numbers of rows (`Rank` in nodes.py); how it runs (operators/over.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.base.types import BOOLEAN, Decimal, Field, Integer, Timestamp
from thalweg.errors import PlanError, Span, TypeMismatch
from thalweg.expr.infer import resolve, type_of
from thalweg.expr.nodes import Aggregate, Call, Column, Expr, Literal, Named
from thalweg.plan.nodes import Plan, Project, SortKey


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
_EXPECTED = "COUNT, SUM, AVG, MIN or MAX of numbers or times"


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
        PlanError: `plan-over-aggregate` for an aggregate that cannot slide; `plan-name-taken`.
    """
    schema = plan.schema
    # rows that tie keep their order: "the latest first" is for ranks
    given = (SortKey(order),) if isinstance(order, str) else tuple(order)
    keys = tuple(replace(k, latest_first=False) for k in given)
    if not keys:
        raise PlanError("OVER needs an order", code="plan-over-order", where=where)
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
    found, computed = [], _Computed(schema)
    for item in aggregates:
        if item.name in schema:
            raise PlanError(f'there is a column "{item.name}" already', code="plan-name-taken", where=where)
        resolved, _ = resolve(item.expr, schema)
        assert isinstance(resolved, Aggregate), "only aggregates slide"
        _check(resolved, schema, where or item.expr.span)
        found.append(Named(item.name, computed.of(resolved)))
    # imported here: it knows this step, too
    from thalweg.plan.proctime import clocked

    below = computed.below(plan)
    timed = clocked(below, keys[0].column) if is_time else below
    made = Over(timed, tuple(partition), keys[0].column, frame, tuple(found), () if is_time else keys)
    if below is not plan:
        return Project(made, tuple(Named(n, Column(n)) for n in (*schema.names, *(f.name for f in found))))
    return _merged(made) if isinstance(timed, Over) else made


class _Computed:
    """Columns for what aggregates compute of a row."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._made: dict[Expr, str] = {}

    def of(self, call: Aggregate) -> Aggregate:
        """The aggregate over columns alone: a condition makes its argument NULL where it is not true."""
        if call.filter is None and all(isinstance(a, Column) for a in call.args):
            return call
        value = call.args[0] if call.args else Literal(value=True, type=BOOLEAN)
        if call.filter is not None:
            nothing = Literal(None, type_of(value, self._schema))
            value = Call("case", (call.filter, value, nothing))
        name = self._made.setdefault(value, f"{SYSTEM_PREFIX}over {value}")
        return replace(call, args=(Column(name),), filter=None)

    def below(self, plan: Plan) -> Plan:
        """The plan with those columns."""
        if not self._made:
            return plan
        own = (Named(n, Column(n)) for n in plan.schema.names)
        return Project(plan, (*own, *(Named(name, value) for value, name in self._made.items())))


def frame_of(rows: int | None, within_us: int | None) -> Frame:
    """The frame of a number of rows or of some time.

    Raises:
        PlanError: `plan-over-frame` for both, or for less than nothing.
    """
    if rows is not None and within_us is not None:
        raise PlanError("a frame counts rows or time, not both", code="plan-over-frame")
    reach = within_us if rows is None else rows
    if reach is not None and reach < 0:
        raise PlanError(
            "a frame cannot reach back by less than nothing", code="plan-over-frame", found=str(reach)
        )
    return Frame(rows is not None, reach)


def sliding(items: Sequence[Named]) -> Sequence[Named]:
    """The same items, which must be aggregates.

    Raises:
        PlanError: `plan-over-aggregate`.
    """
    for item in items:
        if not isinstance(item.expr, Aggregate):
            raise PlanError(
                f"{item.expr} is no aggregate, and cannot slide",
                code="plan-over-aggregate",
                where=item.expr.span,
                expected=_EXPECTED,
                hint="with_columns(…) computes from columns, also from those that over(…) adds",
            )
    if not items:
        raise PlanError("over(…) without an aggregate", code="plan-over-aggregate", expected=_EXPECTED)
    return items


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
    elif call.distinct:
        what = "DISTINCT cannot slide yet"
    else:
        from thalweg.columnar.buffers import is_plain

        types = [type_of(a, schema) for a in call.args]
        wide = [t for t in types if isinstance(t, Decimal) or not is_plain(t.polars)]
        wide += [t for t in types if isinstance(t, Integer) and t.bits == 64 and not t.signed]
        if wide and call.function != "count":
            what = f"{call.function.upper()} over values of type {wide[0]} cannot slide yet"
    if what is not None:
        raise PlanError(
            what,
            code="plan-over-aggregate",
            where=where,
            expected=_EXPECTED,
        )
