"""Build plans, with every name and type checked on the way.

SQL and the fluent API both come through here, so that a mistake gets the same answer from both.
Each function takes a plan and expressions as the user wrote them, resolves the expressions and
returns the new plan.

Not here: what may follow what over time (properties.py, check.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from thalweg.base.durations import shown
from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.base.types import BOOLEAN, NULL, STRING, List, Timestamp
from thalweg.errors import PlanError, Span, TypeMismatch
from thalweg.expr.aggregates import lookup
from thalweg.expr.casts import common_type
from thalweg.expr.infer import coerce, resolve
from thalweg.expr.nodes import Aggregate, Column, Expr, Literal, Named, as_written, walk
from thalweg.plan.nodes import (
    WINDOW_END,
    WINDOW_START,
    WINDOW_TIME,
    AssignWatermark,
    Explode,
    Filter,
    GroupBy,
    Limit,
    Plan,
    Project,
    Rank,
    SessionWindow,
    SortKey,
    Union,
    Window,
)
from thalweg.plan.proctime import asks_clock, clocked, with_proctime
from thalweg.plan.properties import properties
from thalweg.plan.sort import without_repeats
from thalweg.progress.sessions import SessionSpec
from thalweg.progress.windows import WindowSpec


def filter_rows(plan: Plan, condition: Expr, *, clause: str = "WHERE") -> Plan:
    """Keep the rows for which the condition is true; `clause` names it in messages."""
    _no_aggregates(condition, clause)
    asked = with_proctime(plan, [Named(clause, condition)])
    if asked[0] is not plan:
        # when rows were read is a column of them while the condition is asked
        return select_names(filter_rows(asked[0], asked[1][0].expr, clause=clause), plan.schema.names)
    resolved, held = resolve(condition, plan.schema)
    if held == NULL:
        resolved, held = Literal(None, BOOLEAN), BOOLEAN
    if held != BOOLEAN:
        raise TypeMismatch(
            f"{clause} needs a condition, not a value of type {held}",
            code="plan-not-a-condition",
            where=condition.span,
            found=str(as_written(condition)),
        )
    return Filter(plan, resolved)


def project(plan: Plan, items: Sequence[Named]) -> Plan:
    """Compute columns; the names must be unique."""
    _unique([i.name for i in items], [i.expr.span for i in items])
    plan, items = with_proctime(plan, items)
    resolved = []
    for item in items:
        _no_aggregates(item.expr, "SELECT without GROUP BY")
        resolved.append(Named(item.name, _typed(resolve(item.expr, plan.schema))))
    return Project(plan, tuple(resolved))


def with_columns(plan: Plan, items: Sequence[Named]) -> Plan:
    """Add columns, or replace those of the same name."""
    made = {i.name: i for i in items}
    kept = [made.pop(n) if n in made else Named(n, Column(n)) for n in plan.schema.names]
    return project(plan, [*kept, *made.values()])


def _typed(pair: tuple[Expr, object]) -> Expr:
    expr, held = pair
    # a bare NULL has no type of its own; SQL engines make it a string where nothing else is said
    return replace(expr, type=STRING) if isinstance(expr, Literal) and held == NULL else expr


def assign_watermark(
    plan: Plan, column: str, watermark: Expr, lateness_us: int = 0, *, key: Sequence[str] = ()
) -> Plan:
    """Declare an event time column; `key` is the primary key of the rows, if they have one."""
    held = plan.schema.type_of(column, where=watermark.span)
    if not isinstance(held, Timestamp):
        raise TypeMismatch(
            f'a watermark needs a time column, and "{column}" has the type {held}',
            code="plan-watermark-type",
            where=watermark.span,
            expected="TIMESTAMP or TIMESTAMP_LTZ",
            choices=[f.name for f in plan.schema if isinstance(f.type, Timestamp)],
            hint="a computed column such as CAST(x AS TIMESTAMP(3)) can carry the watermark",
        )
    resolved, made = resolve(watermark, plan.schema)
    if made != held:
        raise TypeMismatch(
            f'the watermark of "{column}" has the type {made} instead of {held}',
            code="plan-watermark-type",
            where=watermark.span,
        )
    if lateness_us < 0:
        raise PlanError(
            "rows cannot be allowed to be late by less than nothing",
            code="plan-watermark-lateness",
            where=watermark.span,
            found=shown(lateness_us),
        )
    return AssignWatermark(plan, column, resolved, lateness_us, tuple(key))


def allow_lateness(plan: Plan, lateness_us: int) -> Plan:
    """The plan with so much lateness for each of its event times that allows none by itself."""
    if lateness_us == 0:
        return plan
    inputs = tuple(allow_lateness(p, lateness_us) for p in plan.inputs)
    if inputs != plan.inputs:
        plan = plan.with_inputs(inputs)
    if isinstance(plan, AssignWatermark) and plan.lateness_us == 0:
        return replace(plan, lateness_us=lateness_us)
    return plan


def window(plan: Plan, column: str, spec: WindowSpec, *, where: Span | None = None) -> Plan:
    """Give each row its windows; needs a time column."""
    _check_window(plan, column, where)
    return Window(clocked(plan, column), column, spec)


def session(plan: Plan, column: str, spec: SessionSpec, *, where: Span | None = None) -> Plan:
    """Give each row its session; needs a time column."""
    _check_window(plan, column, where)
    for name in spec.partition:
        plan.schema.type_of(name, where=where)
    return SessionWindow(clocked(plan, column), column, spec)


def _check_window(plan: Plan, column: str, where: Span | None) -> None:
    """Refuse windows on what is no time, and a second window over columns of the first."""
    held = plan.schema.type_of(column, where=where)
    if not isinstance(held, Timestamp):
        raise TypeMismatch(
            f'a window needs a time column, and "{column}" has the type {held}',
            code="plan-window-type",
            where=where,
            expected="TIMESTAMP or TIMESTAMP_LTZ",
            choices=[f.name for f in plan.schema if isinstance(f.type, Timestamp)],
        )
    taken = [n for n in (WINDOW_START, WINDOW_END, WINDOW_TIME) if n in plan.schema]
    if taken:
        raise PlanError(
            f'the input of the window has a column "{taken[0]}" already',
            code="plan-window-twice",
            where=where,
            hint="select the other columns, or rename it, before the next window",
        )


def group_by(plan: Plan, keys: Sequence[Named], outputs: Sequence[Named]) -> Plan:
    """Group rows, and compute outputs from keys and aggregates.

    Args:
        plan: the input.
        keys: what to group by; an empty sequence makes one group of all rows.
        outputs: expressions over keys (by their own text) and aggregates.

    Raises:
        PlanError: `plan-not-grouped` for a column that is neither a key nor inside an aggregate.
    """
    _unique([o.name for o in outputs], [o.expr.span for o in outputs])
    if asks_clock([*(k.expr for k in keys), *(e for o in outputs for e in aggregates_of(o.expr))]):
        plan, both = with_proctime(plan, [*keys, *outputs])
        keys, outputs = both[: len(keys)], both[len(keys) :]
    resolved_keys = [Named(k.name, resolve(k.expr, plan.schema)[0]) for k in keys]
    grouped, key_names = _with_key_columns(plan, resolved_keys)
    by_text = {k.expr: name for k, name in zip(resolved_keys, key_names, strict=True)}
    found: dict[Aggregate, str] = {}
    lifted = [_lift(o, plan, by_text, found) for o in outputs]
    aggregates = tuple(Named(name, a) for a, name in found.items())
    below = GroupBy(grouped, tuple(key_names), aggregates)
    items = tuple(Named(o.name, e) for o, e in zip(outputs, lifted, strict=True))
    for item in items:
        _check_grouped(item, below)
    if [(i.name, str(i.expr)) for i in items] == [(n, n) for n in below.schema.names]:
        return below
    if all(isinstance(i.expr, Column) for i in items):
        return _renamed(below, items)
    return project(below, items)


def _with_key_columns(plan: Plan, keys: Sequence[Named]) -> tuple[Plan, list[str]]:
    """The input with a column for every key; a key that is a column keeps its own name."""
    names: list[str] = []
    added: list[Named] = []
    for key in keys:
        if isinstance(key.expr, Column):
            names.append(key.expr.name)
            continue
        name = key.name
        while name in plan.schema or name in {a.name for a in added}:
            name = SYSTEM_PREFIX + name
        names.append(name)
        added.append(Named(name, key.expr))
    if added:
        plan = project(plan, [*(Named(n, Column(n)) for n in plan.schema.names), *added])
    return plan, names


def _lift(item: Named, plan: Plan, keys: dict[Expr, str], found: dict[Aggregate, str]) -> Expr:
    """The output with keys and aggregates replaced by the columns that the group step makes."""
    return _lifted(item.expr, item, plan, keys, found)


def _lifted(e: Expr, item: Named, plan: Plan, keys: dict[Expr, str], found: dict[Aggregate, str]) -> Expr:
    """A part of the output; `found` are the aggregates that have columns, and gets those that are new."""
    if not any(isinstance(x, Aggregate) for x in walk(e)):
        try:
            key = keys.get(resolve(e, plan.schema)[0])
        except (PlanError, TypeMismatch):
            key = None
        if key is not None:
            return Column(key, span=e.span)
    if isinstance(e, Aggregate):
        _check_lifted(e)
        resolved, _ = resolve(e, plan.schema)
        assert isinstance(resolved, Aggregate), "an aggregate resolves to an aggregate"
        name = found.get(resolved)
        if name is None:
            is_whole = e == item.expr or str(e) == str(item.expr)
            name = item.name if is_whole else f"{SYSTEM_PREFIX}agg{len(found)}"
            if name in found.values() or name in keys.values():
                name = f"{SYSTEM_PREFIX}agg{len(found)}"
            found[resolved] = name
        return Column(name, span=e.span, written=str(e))
    return (
        e.with_children(tuple(_lifted(c, item, plan, keys, found) for c in e.children)) if e.children else e
    )


def _check_lifted(e: Aggregate) -> None:
    if any(isinstance(x, Aggregate) for c in e.children for x in walk(c)):
        raise PlanError(
            "an aggregate cannot be inside another aggregate",
            code="plan-nested-aggregate",
            where=e.span,
            hint="aggregate twice: the inner one in a sub-query",
        )
    if lookup(e.function, e.span).only_over:
        raise PlanError(
            f"{e.function.upper()} looks at the rows around a row, and not at groups",
            code="plan-needs-over",
            where=e.span,
            hint=f"{e.function.upper()}(…) OVER (PARTITION BY … ORDER BY …), or Dataset.over(…)",
        )


def _check_grouped(item: Named, below: Plan) -> None:
    for e in walk(item.expr):
        if isinstance(e, Column) and e.name not in below.schema:
            visible = [n for n in below.schema.names if not n.startswith(SYSTEM_PREFIX)]
            raise PlanError(
                f'column "{e.name}" is neither grouped by nor inside an aggregate',
                code="plan-not-grouped",
                where=e.span,
                choices=visible,
                hint=f'add "{e.name}" to GROUP BY, or take e.g. MAX({e.name})',
            )


def _renamed(below: GroupBy, items: tuple[Named, ...]) -> Plan:
    return Project(below, items)


def union_all(parts: Sequence[Plan], *, where: Span | None = None) -> Plan:
    """All rows of several inputs; columns are matched by place, types widened."""
    first = parts[0].schema
    for part in parts[1:]:
        if len(part.schema) != len(first):
            raise PlanError(
                f"the parts of a union have {len(first)} and {len(part.schema)} columns",
                code="plan-union-shape",
                where=where,
                expected=str(first),
                found=str(part.schema),
            )
    types = []
    for i, field in enumerate(first):
        held = [p.schema.fields[i].type for p in parts]
        common = common_type(held)
        if common is None:
            raise TypeMismatch(
                f'column "{field.name}" of the union has no common type',
                code="plan-union-type",
                where=where,
                found=", ".join(map(str, held)),
            )
        types.append(common)
    aligned = []
    for part in parts:
        items = tuple(
            Named(first.names[i], coerce(Column(f.name), f.type, types[i])) for i, f in enumerate(part.schema)
        )
        same = all(isinstance(i.expr, Column) and i.name == i.expr.name for i in items)
        aligned.append(part if same else Project(part, items))
    return Union(tuple(aligned))


def rank(
    plan: Plan,
    partition: Sequence[str],
    order: Sequence[SortKey],
    *,
    kind: str,
    output: str,
    where: Span | None = None,
) -> Plan:
    """Number rows inside partitions; `kind` is `row_number`, `rank` or `dense_rank`.

    Where event time comes last and downwards, of rows with equal times those come first that arrived last:
    the first row of that order is the last one that there is.
    """
    for name in (*partition, *(k.column for k in order)):
        plan.schema.type_of(name, where=where)
    if output in plan.schema:
        raise PlanError(f'there is a column "{output}" already', code="plan-name-taken", where=where)
    assert kind in ("row_number", "rank", "dense_rank"), "the kinds of numbering"
    if not order:
        raise PlanError("numbers of rows need an order", code="plan-over-order", where=where)
    *others, last = without_repeats(order)
    if last.descending and last.column in properties(plan).times:
        last = replace(last, latest_first=True)
    return Rank(plan, tuple(dict.fromkeys(partition)), (*others, last), kind, output)  # type: ignore[arg-type]


def limit(plan: Plan, count: int, offset: int = 0) -> Plan:
    """The first rows by position."""
    if count < 0 or offset < 0:
        raise PlanError("LIMIT and OFFSET cannot be negative", code="plan-negative-limit")
    return Limit(plan, count, offset)


def explode(plan: Plan, column: str, *, where: Span | None = None) -> Plan:
    """One row per item of a list column."""
    held = plan.schema.type_of(column, where=where)
    if not isinstance(held, List):
        raise TypeMismatch(
            f'only a list can be taken apart, and "{column}" has the type {held}',
            code="plan-explode-type",
            where=where,
            choices=[f.name for f in plan.schema if isinstance(f.type, List)],
        )
    return Explode(plan, column)


def select_names(plan: Plan, names: Iterable[str]) -> Plan:
    """Some columns, by name."""
    return project(plan, [Named(n, Column(n)) for n in names])


def aggregates_of(expr: Expr) -> list[Expr]:
    """The aggregates in an expression, those inside others too."""
    return [e for e in walk(expr) if isinstance(e, Aggregate)]


def contains_aggregate(expr: Expr) -> bool:
    """Whether an aggregate occurs in the expression."""
    return any(isinstance(e, Aggregate) for e in walk(expr))


def _no_aggregates(expr: Expr, clause: str) -> None:
    for e in walk(expr):
        if isinstance(e, Aggregate):
            raise PlanError(
                f"an aggregate cannot stand in {clause}",
                code="plan-misplaced-aggregate",
                where=e.span or expr.span,
                found=str(e),
                hint="HAVING filters groups; a sub-query can aggregate first",
            )


def _unique(names: Sequence[str], spans: Sequence[Span | None]) -> None:
    seen: set[str] = set()
    for name, span in zip(names, spans, strict=True):
        if name in seen:
            raise PlanError(
                f'two columns are called "{name}"',
                code="plan-duplicate-column",
                where=span,
                hint="give one of them another name with AS",
            )
        seen.add(name)


__all__ = [
    *("assign_watermark", "contains_aggregate", "explode", "filter_rows", "group_by", "limit"),
    *("project", "rank", "select_names", "session", "union_all", "window", "with_columns"),
]
