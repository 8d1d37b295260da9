"""Hold OVER as a step of a plan: aggregates over the rows around each row.

Not here: numbers of rows (`Rank` in nodes.py); how it runs (operators/over.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal as Number
from functools import cached_property

from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.base.types import BOOLEAN, INT64, NULL, DataType, Decimal, Field, Timestamp
from thalweg.errors import PlanError, Span, TypeMismatch
from thalweg.expr.aggregates import lookup
from thalweg.expr.common_type import as_decimal, common_type
from thalweg.expr.infer import coerce, resolve, type_of
from thalweg.expr.nodes import Aggregate, Call, Column, Expr, Literal, Named
from thalweg.plan.nodes import Plan, Project, SortKey, Unary
from thalweg.plan.sort import without_repeats


@dataclass(frozen=True)
class Frame:
    """How far the rows around a row reach. With time, rows of equal time see each other.

    Attributes:
        is_rows: whether rows are counted, instead of time.
        reach: how many rows, or microseconds, before the current row they start; None: with the first.
        end: how many behind it they end, before it if negative; None: with the last.
    """

    is_rows: bool = False
    reach: int | None = None
    end: int | None = 0

    @property
    def looks_ahead(self) -> bool:
        """Whether rows behind the current one, and its peers, count."""
        return self.end is None or self.end > 0

    def __str__(self) -> str:
        kind = "ROWS" if self.is_rows else "RANGE"
        start = self._bound(self.reach, "PRECEDING", "FOLLOWING")
        if self.end == 0:
            return f"{kind} {start}"
        return f"{kind} BETWEEN {start} AND {self._bound(self.end, 'FOLLOWING', 'PRECEDING')}"

    def _bound(self, far: int | None, way: str, other: str) -> str:
        if far is None:
            return f"UNBOUNDED {way}"
        if far < 0:
            far, way = -far, other
        return f"{far if self.is_rows else timedelta(microseconds=far)} {way}"


@dataclass(frozen=True)
class Over(Unary):
    """Each row with aggregates over the rows of its partition around it.

    In the order of an event time, rows that stay get their aggregates once, when time has passed them. In any
    other order, where rows behind a row count, and where rows may be taken back, the aggregates are kept up
    to date.

    Attributes:
        partition: rows of other partitions are not looked at.
        order: the time column, or the first column of another order; None: there is none.
        frame: which rows count.
        aggregates: `expr.Aggregate` nodes over columns.
        keys: the whole order where it is not one time, upwards.
    """

    input: Plan
    partition: tuple[str, ...]
    order: str | None
    frame: Frame
    aggregates: tuple[Named, ...]
    keys: tuple[SortKey, ...] = ()

    @property
    def sort_keys(self) -> tuple[SortKey, ...]:
        """The whole order."""
        return self.keys or (() if self.order is None else (SortKey(self.order),))

    @cached_property
    def schema(self) -> Schema:
        below = self.input.schema
        made = tuple(Field(a.name, type_of(a.expr, below)) for a in self.aggregates)
        return Schema((*below.fields, *made))

    def describe(self) -> str:
        by = ", ".join(self.partition) or "()"
        order = in_words(self.sort_keys)
        return f"Over {by}{order} {self.frame}: {', '.join(map(str, self.aggregates))}"


def in_words(keys: Sequence[SortKey]) -> str:
    """The order as EXPLAIN shows it."""
    return f" order {', '.join(map(str, keys))}" if keys else ""


Reach = int | tuple[int | None, int | None]
"""How far before the current row; or how far before it, and how far behind it."""
SHIFTED = ("lag", "lead")
"""Those that look at one row."""
RANKED = ("ntile", "percent_rank", "cume_dist")
"""Those that say where a row is among all rows of its partition."""
_PLACED = ("first_value", "last_value")
NEED_ORDER = (*_PLACED, *SHIFTED, *RANKED)
"""Those that mean nothing without an order."""
FUNCTIONS = ("count", "sum", "avg", "mean", "min", "max", *_PLACED, *SHIFTED, *RANKED)
"""The aggregates that slide."""
_FAR = 1 << 31
_FARTHEST = 1 << 62
_EXPECTED = f"{', '.join(f.upper() for f in FUNCTIONS[:-1])} or {FUNCTIONS[-1].upper()}"


def reads_places(frame: Frame, calls: Iterable[Expr]) -> bool:
    """Whether it matters in which order rows of equal time are looked at."""
    return frame.is_rows or any(isinstance(c, Aggregate) and c.function in (*_PLACED, "ntile") for c in calls)


def over(
    plan: Plan,
    partition: Sequence[str],
    order: str | Sequence[SortKey],
    frame: Frame,
    aggregates: Sequence[Named],
    *,
    where: Span | None = None,
) -> Plan:
    """Aggregates over the rows around each row; without an order, over its whole partition.

    Those that look at one row, or at whole partitions, do so whatever the frame.

    Raises:
        TypeMismatch: `plan-over-order` for a frame of time in another order.
        PlanError: `plan-over-order` without an order, for a frame or a call that needs one;
            `plan-over-aggregate` for an aggregate that cannot slide; `plan-over-frame` for a frame that ends
            before it starts, or a row that LAG cannot look at; `plan-name-taken`.
    """
    schema = plan.schema
    # rows that tie keep their order: "the latest first" is for ranks
    given = (SortKey(order),) if isinstance(order, str) else tuple(order)
    keys = without_repeats([replace(k, latest_first=False) for k in given])
    partition = tuple(dict.fromkeys(partition))
    for name in (*partition, *(k.column for k in keys)):
        schema.type_of(name, where=where)
    if not keys:
        _check_unordered(frame, aggregates, where)
        frame = Frame(False, None, None)
    is_time = bool(keys) and keys == (SortKey(keys[0].column),)
    is_time = is_time and isinstance(schema.type_of(keys[0].column), Timestamp)
    _check_frame(frame, keys, schema, where, is_time=is_time)
    calls = _Calls(schema, frame, where)
    for item in aggregates:
        calls.add(item)
    # imported here: it knows this step, too
    from thalweg.plan.proctime import clocked

    below = calls.below(plan)
    first = keys[0].column if keys else None
    made = clocked(below, first) if is_time and first is not None else below
    for reach, found in calls.steps.items():
        last = made
        made = Over(last, partition, first, reach, tuple(found), () if is_time else keys)
        if isinstance(last, Over):
            made = _merged(made)
    if calls.shown == [Named(n.name, Column(n.name)) for found in calls.steps.values() for n in found]:
        if below is plan:
            return made
    return Project(made, (*(Named(n, Column(n)) for n in schema.names), *calls.shown))


def _check_unordered(frame: Frame, aggregates: Iterable[Named], where: Span | None) -> None:
    if frame not in (Frame(), Frame(False, None, None)):
        raise PlanError("a frame needs an order", code="plan-over-order", where=where, found=str(frame))
    for item in aggregates:
        call = item.expr
        if isinstance(call, Aggregate) and call.function in NEED_ORDER:
            where = where or call.span
            raise PlanError(f"{call.function.upper()} needs an order", code="plan-over-order", where=where)


def _check_frame(
    frame: Frame, keys: tuple[SortKey, ...], schema: Schema, where: Span | None, *, is_time: bool
) -> None:
    if not is_time and not frame.is_rows and (frame.reach or frame.end):
        raise TypeMismatch(
            f"a frame of time needs an order by one time, upwards, and not {', '.join(map(str, keys))}",
            code="plan-over-order",
            where=where,
            expected="ORDER BY a TIMESTAMP or TIMESTAMP_LTZ",
            choices=[f.name for f in schema if isinstance(f.type, Timestamp)],
            hint="ROWS counts rows in any order",
        )
    if any(abs(far or 0) >= _FARTHEST for far in (frame.reach, frame.end)):
        raise PlanError(
            "a frame cannot reach that far",
            code="plan-over-frame",
            where=where,
            found=str(frame),
            hint="UNBOUNDED reaches all rows",
        )
    if frame.reach is not None and frame.end is not None and -frame.reach > frame.end:
        raise PlanError(
            "a frame cannot end before it starts", code="plan-over-frame", where=where, found=str(frame)
        )


class _Calls:
    """The calls of an OVER by the rows that they look at, over columns alone.

    Attributes:
        steps: the calls of each frame.
        shown: what their columns become.
    """

    def __init__(self, schema: Schema, frame: Frame, where: Span | None) -> None:
        self._schema, self._frame, self._where = schema, frame, where
        self._computed = _Computed(schema)
        self.below = self._computed.below
        self.steps: dict[Frame, list[Named]] = {}
        self.shown: list[Named] = []

    def add(self, item: Named) -> None:
        """One more."""
        call, where = item.expr, self._where or item.expr.span
        if item.name in self._schema:
            raise PlanError(f'there is a column "{item.name}" already', code="plan-name-taken", where=where)
        assert isinstance(call, Aggregate), "only aggregates slide"
        if call.function in SHIFTED:
            self._shifted(item.name, call, where)
            return
        if call.function in RANKED:
            self._step(Frame(False, None, None), item.name, _ranked(call, self._schema, where))
            self.shown.append(Named(item.name, Column(item.name)))
            return
        resolved, _ = resolve(call, self._schema)
        assert isinstance(resolved, Aggregate), "an aggregate resolves to an aggregate"
        _check(resolved, where)
        if lookup(resolved.function).ignores_repeats:
            resolved = replace(resolved, distinct=False)
        self._step(self._frame, item.name, self._computed.of(resolved))
        self.shown.append(Named(item.name, Column(item.name)))

    def _step(self, frame: Frame, name: str, call: Aggregate) -> None:
        self.steps.setdefault(frame, []).append(Named(name, call))

    def _shifted(self, name: str, call: Aggregate, where: Span | None) -> None:
        """The value of a row some rows before (LAG) or behind (LEAD); what to show where there is none."""
        far = _distance(call, where)
        frame = Frame(True, far, -far) if call.function == "lag" else Frame(True, -far, far)
        resolved, held = resolve(replace(call, args=call.args[:1]), self._schema)
        assert isinstance(resolved, Aggregate), "an aggregate resolves to an aggregate"
        single = self._computed.of(resolved)
        if len(call.args) < 3:
            self._step(frame, name, single)
            self.shown.append(Named(name, Column(name)))
            return
        default, found = resolve(call.args[2], self._schema)
        types = [held] if _holds(held, default) else [held, found]
        shared = common_type(types)
        if shared is None or _cuts(shared, types):
            raise TypeMismatch(
                f"the default of {call.function.upper()} has the type {found}, and its values {held}",
                code="expr-wrong-type",
                where=default.span or where,
                hint=None
                if shared is None
                else f"{shared}, which both can become, does not hold every value",
            )
        default = coerce(default, found, shared)
        value, rows = (f"{SYSTEM_PREFIX}{what} {name}" for what in ("value", "rows"))
        self._step(frame, value, single)
        self._step(frame, rows, Aggregate("count"))
        is_none = Call("=", (Column(rows), Literal(0, INT64)))
        shown = coerce(Column(value), held, shared)
        self.shown.append(Named(name, Call("case", (is_none, default, shown))))


def _holds(held: DataType, default: Expr) -> bool:
    """Whether a default is a constant that a type holds as it is, so that it need not widen."""
    if not isinstance(default, Literal):
        return False
    if isinstance(held, Decimal) and type(default.value) in (int, Number):
        number = Number(default.value)
        places = -int(number.as_tuple().exponent)
        return places <= held.scale and number.adjusted() < held.precision - held.scale
    return isinstance(coerce(default, default.type, held), Literal)


def _cuts(shared: DataType, types: Iterable[DataType]) -> bool:
    """Whether a type has fewer digits, before or behind the point, than one of those that it is common to."""
    if not isinstance(shared, Decimal):
        return False
    digits = shared.precision - shared.scale
    exact = [as_decimal(t) for t in types if t not in (shared, NULL)]
    return any(t.scale > shared.scale or t.precision - t.scale > digits for t in exact)


def _ranked(call: Aggregate, schema: Schema, where: Span | None) -> Aggregate:
    """A call that says where a row is in its partition."""
    _check_plain(call, "all rows of a partition", where)
    if call.function == "ntile":
        count = call.args[0] if len(call.args) == 1 else None
        if not isinstance(count, Literal) or not isinstance(count.value, int) or not 0 < count.value < _FAR:
            raise PlanError(
                "NTILE needs a number of parts, 1 or more",
                code="plan-over-frame",
                where=where,
                found=str(call),
                expected="NTILE(4)",
            )
    resolved, _ = resolve(call, schema)
    assert isinstance(resolved, Aggregate), "an aggregate resolves to an aggregate"
    return resolved


def _check_plain(call: Aggregate, what: str, where: Span | None) -> None:
    if call.distinct or call.filter is not None:
        word = "DISTINCT" if call.distinct else "FILTER"
        raise PlanError(
            f"{call.function.upper()} looks at {what}, and takes no {word}",
            code="plan-over-frame",
            where=where,
        )


def _distance(call: Aggregate, where: Span | None) -> int:
    """How many rows LAG or LEAD go."""
    name = call.function.upper()
    _check_plain(call, "one row", where)
    if not 1 <= len(call.args) <= 3:
        raise TypeMismatch(
            f"{name} takes a value, a number of rows and a default, and not {len(call.args)} arguments",
            code="expr-wrong-type",
            where=where,
        )
    far = call.args[1] if len(call.args) > 1 else Literal(1, INT64)
    if not isinstance(far, Literal) or not isinstance(far.value, int) or not 0 <= far.value < _FAR:
        raise PlanError(
            f"{name} needs a number of rows, 0 or more",
            code="plan-over-frame",
            where=where,
            found=str(far),
            expected=f"{name}(value, 1)",
        )
    return far.value


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
            condition = coerce(call.filter, type_of(call.filter, self._schema), BOOLEAN)
            value = Call("case", (condition, value, nothing))
        name = self._made.setdefault(value, f"{SYSTEM_PREFIX}over {value}")
        return replace(call, args=(Column(name),), filter=None)

    def below(self, plan: Plan) -> Plan:
        """The plan with those columns."""
        if not self._made:
            return plan
        own = (Named(n, Column(n)) for n in plan.schema.names)
        return Project(plan, (*own, *(Named(name, value) for value, name in self._made.items())))


def frame_of(rows: Reach | None, within_us: Reach | None) -> Frame:
    """The frame of a number of rows or of some time: before the current row, or before it and behind it.

    Raises:
        PlanError: `plan-over-frame` for both, or for less than nothing.
    """
    if rows is not None and within_us is not None:
        raise PlanError("a frame counts rows or time, not both", code="plan-over-frame")
    reach = within_us if rows is None else rows
    if isinstance(reach, tuple):
        before, behind = reach
        return Frame(rows is not None, before, behind)
    if reach is not None and reach < 0:
        raise PlanError(
            "a frame cannot reach back by less than nothing",
            code="plan-over-frame",
            found=str(reach),
            hint="a pair says where it starts, and where it ends: (3, -1) is from 3 before to 1 before",
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


def _check(call: Aggregate, where: Span | None) -> None:
    if call.function not in FUNCTIONS:
        raise PlanError(
            f"{call.function.upper()} cannot slide yet",
            code="plan-over-aggregate",
            where=where,
            expected=_EXPECTED,
        )
