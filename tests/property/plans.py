"""Compose random plans: any step that is possible after any other, several results that share steps.

Every step is made through `thalweg.plan.build` (or the node, where there is no builder), so that a plan
is one that a user can write. What the result of a plan must be is the business of reference.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

import polars as pl

from tests.property.as_of_plans import latest_rows
from tests.property.columns import (
    BOUNDS,
    argument_of,
    columns_of_kind,
    condition,
    every_node,
    fresh_name,
    is_placed,
    minus,
    random_keys,
)
from tests.property.ranking_plans import by_key_in_time, first_rows, over_rows, running_rank, window_rank
from tests.property.worlds import SCHEMA, SECOND, PacedSource, World, random_world
from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.base.types import INT64, STRING, Decimal, Float, Integer, List, Timestamp
from thalweg.expr.nodes import (
    Aggregate,
    Call,
    Column,
    Expr,
    Named,
    PythonCall,
    PythonFunction,
)
from thalweg.plan import build
from thalweg.plan.join import apart, equal, join
from thalweg.plan.nodes import (
    WINDOW_END,
    WINDOW_START,
    WINDOW_TIME,
    FrameFunction,
    GroupBy,
    Join,
    JoinKind,
    Late,
    MapBatches,
    Plan,
    Scan,
    SessionWindow,
    Values,
    Window,
    rows,
)
from thalweg.plan.properties import late_of_join, properties
from thalweg.progress.sessions import SessionSpec
from thalweg.progress.windows import WindowSpec


@dataclass(frozen=True)
class Case:
    """Plans over worlds.

    Attributes:
        worlds: the rows of each source, in the order of the scans.
        roots: the plans whose results are wanted.
    """

    worlds: tuple[World, ...]
    roots: tuple[Plan, ...]

    @property
    def is_punctual(self) -> bool:
        """Whether no row of any source is late."""
        return all(w.is_punctual for w in self.worlds)

    @property
    def rows(self) -> int:
        """How many rows the sources have."""
        return sum(f.height for w in self.worlds for f in w.frames)

    def __repr__(self) -> str:
        sizes = [[f.height for f in w.frames] for w in self.worlds]
        bounds = [w.bound.seconds for w in self.worlds]
        ordered = [w.is_ordered for w in self.worlds]
        lines = [
            f"splits of {sizes} rows, bounds {bounds} s, punctual: {self.is_punctual}, ordered: {ordered}"
        ]
        for root in self.roots:
            lines += ["root", *_lines(root, 1)]
        return "\n".join(lines)


def _lines(plan: Plan, depth: int) -> list[str]:
    below = [line for p in plan.inputs for line in _lines(p, depth + 1)]
    return ["  " * depth + plan.describe(), *below]


def random_case(r: Random, *, is_punctual: bool | None = None) -> Case:
    """A plan of a few steps over one or two sources, sometimes with more results beside."""
    worlds = [random_world(r, is_punctual=is_punctual)]
    base = scan(worlds[0], "one")
    kind = r.choice(["one", "one", "one", "one", "two", "values"])
    if kind == "two":
        worlds.append(random_world(r, is_punctual=is_punctual, sizes=[r.choice([0, 3, 40])]))
        base = build.union_all([base, scan(worlds[1], "two")])
    elif kind == "values":
        timed = worlds[0].frames[0].filter(pl.col("t").is_not_null())
        frame = timed.head(3).with_columns(pl.col("id") + 9000)
        base = build.union_all([base, rows(frame)])
    steps = [base]
    before = [r.choice([_filter, _project, _explode, _union, _map]) for _ in range(r.choice([0, 0, 1, 2]))]
    after = [random_step for _ in range(r.choice([0, 0, 1, 2]))]
    for step in (*before, *r.choice(SHAPES), *after):
        steps.append(step(r, steps[-1]) or steps[-1])
    return Case(tuple(worlds), _roots(r, steps))


def scan(world: World, name: str = "world") -> Plan:
    """The rows of a world with their watermark."""
    mark = Column("t") if not world.bound else minus(Column("t"), world.bound)
    source = PacedSource(world.frames, name, is_ordered=world.is_ordered)
    lateness_us = world.lateness // timedelta(microseconds=1)
    return build.assign_watermark(Scan(source, is_tolerant=world.is_tolerant), "t", mark, lateness_us)


def _is_shown(plan: Plan) -> bool:
    """Whether a step could be a result: it is no source, and has no column of the engine's own."""
    return not isinstance(plan, (Scan, Values)) and not any(
        n.startswith(SYSTEM_PREFIX) for n in plan.schema.names
    )


def _roots(r: Random, steps: Sequence[Plan]) -> tuple[Plan, ...]:
    roots = [steps[-1]]
    if r.random() < 0.3:
        # a scan alone has no watermark, and so is no step that others can share
        roots.append(r.choice([n for n in every_node(steps[-1]) if _is_shown(n)]))
    if r.random() < 0.15:
        roots.append(random_step(r, r.choice(steps)))
    for step in every_node(steps[-1]):
        if isinstance(step, Join):
            roots += [rows for port in (0, 1) if (rows := late_of_join(step, port)) is not None]
    windows = [p for p in every_node(steps[-1]) if isinstance(p, (Window, SessionWindow))]
    if windows and r.random() < 0.6:
        roots += [Late(w) for w in dict.fromkeys(r.choices(windows, k=2))]
    return tuple(roots)


# Steps -------------------------------------------------------------------------------------------------

Step = Callable[[Random, Plan], Plan | None]


def random_step(r: Random, plan: Plan) -> Plan:
    """One step more; one that is not possible here leaves the plan as it is."""
    steps: list[Step] = [
        _filter,
        _window_group,
        _window_group,
        _group,
        _window,
        window_rank,
        _project,
        _union,
    ]
    steps += [_explode, _limit, _map, _window_group, _group, window_rank, _session, _session_group]
    steps += [running_rank, over_rows, latest_rows]
    return r.choice(steps)(r, plan) or plan


def _filter(r: Random, plan: Plan) -> Plan | None:
    made = condition(r, plan)
    if made is None:
        return None
    if r.random() < 0.3:
        made = Call("or", (made, Call("is_null", (Column(r.choice(plan.schema.names)),))))
    return build.filter_rows(plan, made)


def _project(r: Random, plan: Plan) -> Plan | None:
    """Some columns, a sum of two of them, and now and then a shifted time."""
    kept = [n for n in plan.schema.names if n in ("t", *BOUNDS) or r.random() < 0.8]
    items = [Named(n, Column(n)) for n in kept]
    numbers = columns_of_kind(plan, Integer)
    if numbers:
        total = Call("+", (Column(r.choice(numbers)), Column(r.choice(numbers))))
        items.append(Named(fresh_name(plan, "sum"), ADDITIONS[len(kept) % 3](total)))
    times = [n for n in plan.schema.names if n in ("t", "u")]
    if times and r.random() < 0.4:
        shift = timedelta(seconds=r.choice([-4, 3, 11]))
        items.append(Named(fresh_name(plan, "time"), minus(Column(r.choice(times)), shift)))
    return build.project(plan, items) if items else None


def _add(a: int | None, b: int | None) -> int | None:
    """Add two numbers as SQL does."""
    return None if a is None or b is None else a + b


def _add_columns(a: pl.Series, b: pl.Series) -> pl.Series:
    """Add the numbers of two columns."""
    return a + b


ADDITIONS: tuple[Callable[[Call], Expr], ...] = (
    lambda total: total,
    lambda total: PythonCall(PythonFunction("add", _add, INT64), total.args),
    lambda total: PythonCall(PythonFunction("add", _add_columns, INT64, "column"), total.args),
)
"""A sum made by the engine, and by a user's function of one row or of columns."""


def _explode(r: Random, plan: Plan) -> Plan | None:
    names = columns_of_kind(plan, List)
    return build.explode(plan, r.choice(names)) if names else None


def _union(r: Random, plan: Plan) -> Plan | None:
    """Two parts of the same rows, which may overlap; one of them may have come through a user's function."""
    first, second = (r.choice([_filter, _filter, _map])(r, plan) or plan for _ in range(2))
    return build.union_all([first, second])


def _map(r: Random, plan: Plan) -> Plan | None:
    if properties(plan).is_updating or any(f.name.startswith("inexact") for f in plan.schema):
        return None
    return MapBatches(plan, FrameFunction("drop_some", drop_some), plan.schema)


def drop_some(frame: pl.DataFrame) -> pl.DataFrame:
    """A user's function that looks at rows one by one: it drops those whose first number divides by 3."""
    numbers = [n for n, t in frame.schema.items() if t == pl.Int64]
    if not numbers:
        return frame
    return frame.filter((pl.col(numbers[0]) % 3 != 0) | pl.col(numbers[0]).is_null())


def _limit(r: Random, plan: Plan) -> Plan | None:
    """The first rows; only source rows have a place, and neither items nor windows of a row have one."""
    if properties(plan).is_updating or not is_placed(plan):
        return None
    return build.limit(plan, r.randint(0, 12), r.choice([0, 0, 3]))


def _window(r: Random, plan: Plan) -> Plan | None:
    """Windows on an event time, on a time of a window that was, or on any other time."""
    plan = _without_bounds(plan)
    known = sorted(properties(plan).times)
    # the extremes of a group may be NULL, and a row without a time is a bad row
    other = [n for n in columns_of_kind(plan, Timestamp) if n not in known and not n.startswith("a")]
    names = [*known, *known, *known, *other]
    if not names:
        return None
    made = build.window(plan, r.choice(names), random_windows(r))
    return window_rank(r, made) or made if r.random() < 0.15 else made


def _session(r: Random, plan: Plan) -> Plan | None:
    """Sessions of some key, or of all rows, of rows that stay as they are."""
    plan = _without_bounds(plan)
    times = sorted(properties(plan).times)
    if not times or properties(plan).is_updating:
        return None
    spec = SessionSpec(r.choice([1, 2, 5]) * SECOND, tuple(random_keys(r, plan)))
    return build.session(plan, r.choice(times), spec)


def _session_group(r: Random, plan: Plan) -> Plan | None:
    """A grouping by the key of the sessions and their bounds, now and then by something else too."""
    made = _session(r, plan)
    if not isinstance(made, SessionWindow):
        return None
    keys, below = list(made.window.partition), made
    if r.random() < 0.3:
        below = r.choice([_filter, _project])(r, made) or made
        keys = [k for k in keys if k in below.schema]
    if r.random() < 0.2:
        keys = sorted({*keys, *random_keys(r, below)})
    grouped = group(r, below, [*keys, WINDOW_START, WINDOW_END])
    return window_rank(r, grouped) or grouped if r.random() < 0.3 else grouped


def _without_bounds(plan: Plan) -> Plan:
    """The plan with the columns of its last window under other names, so that another can follow."""
    if WINDOW_START not in plan.schema and WINDOW_END not in plan.schema and WINDOW_TIME not in plan.schema:
        return plan
    number = sum(isinstance(n, (Window, SessionWindow)) for n in every_node(plan))
    names = {n: f"{n}{number}" if n in BOUNDS else n for n in plan.schema.names}
    return build.project(plan, [Named(new, Column(old)) for old, new in names.items()])


def random_windows(r: Random) -> WindowSpec:
    """Windows of a few seconds; hopping ones whose panes are shorter than the slide included."""
    offset = r.choice([0, 0, 2, -3]) * SECOND
    kind = r.choice(["tumbling", "hopping", "cumulating"])
    slide = r.choice([2, 4, 5]) * SECOND
    if kind == "tumbling":
        return WindowSpec.tumbling(2 * slide, offset)
    if kind == "hopping":
        return WindowSpec.hopping(r.choice([slide + SECOND, 2 * slide, 3 * slide]), slide, offset)
    return WindowSpec.cumulating(r.choice([1, 2, 4]) * slide, slide, offset)


def _window_group(r: Random, plan: Plan) -> Plan | None:
    """A grouping by window; the window too, where there is none."""
    if not {WINDOW_START, WINDOW_END} <= set(plan.schema.names):
        windowed = _window(r, plan)
        if windowed is None:
            return None
        plan = windowed
        if r.random() < 0.3:
            plan = r.choice([_filter, _project, _union])(r, plan) or plan
    bounds = [WINDOW_START, WINDOW_END]
    if WINDOW_TIME in plan.schema and r.random() < 0.6:
        bounds.append(WINDOW_TIME)
    made = group(r, plan, [*random_keys(r, plan), *bounds])
    return window_rank(r, made) or made if r.random() < 0.3 else made


def _group(r: Random, plan: Plan) -> Plan | None:
    """A grouping for ever."""
    return group(r, plan, random_keys(r, plan))


def group(r: Random, plan: Plan, keys: Sequence[str]) -> Plan:
    """A grouping with a few aggregates; the names tell float averages apart."""
    depth = sum(isinstance(n, GroupBy) for n in every_node(plan))
    outputs = [Named(k, Column(k)) for k in keys]
    for number in range(r.randint(0 if keys else 1, 3)):
        call = random_call(r, plan)
        is_inexact = call.function == "avg" and isinstance(plan.schema.type_of(argument_of(call)), Float)
        outputs.append(Named(f"{'inexact' if is_inexact else 'a'}{depth}_{number}", call))
    return build.group_by(plan, [Named(k, Column(k)) for k in keys], outputs)


def _counts_and_extremes(r: Random, plan: Plan) -> Plan | None:
    """The least and greatest of counts, which are taken back with every row that is counted."""
    keys = [n for n in ("k", "s") if n in plan.schema]
    if len(keys) < 2:
        return None
    names = [Named(k, Column(k)) for k in keys]
    counts = build.group_by(plan, names, [*names, Named("a0", Aggregate("count"))])
    some = names[: r.choice([0, 1])]
    ends = [Named(f"a{f}", Aggregate(f, (Column("a0"),))) for f in ("min", "max")]
    return build.group_by(counts, some, [*some, *ends])


def random_call(r: Random, plan: Plan) -> Aggregate:
    """An aggregate over some column, every fourth over different values, every fourth with a condition."""
    numbers, ordered = columns_of_kind(plan, Integer, Float, Decimal), columns_of_kind(plan)
    ordered = [n for n in ordered if n not in columns_of_kind(plan, List)]
    calls = [Aggregate("count")]
    if ordered:
        made = [n for n in ordered if n.startswith("a")]
        name = Column(r.choice(made if made and r.random() < 0.5 else ordered))
        calls += [Aggregate(f, (name,)) for f in ("count", "min", "min", "max")]
    if numbers:
        number = Column(r.choice(numbers))
        calls += [Aggregate(f, (number,)) for f in ("sum", "avg")]
    call = _ordered(plan, r.choice(calls))
    if call.args and r.random() < 0.25:
        call = replace(call, distinct=True)
    if r.random() < 0.25:
        call = replace(call, filter=condition(r, plan))
    return call


def _ordered(plan: Plan, call: Aggregate) -> Aggregate:
    """Now and then a list, or the first or last value, in the place of the number of values."""
    # what is drawn here follows from the plan: it takes nothing from the numbers that make other plans
    r = Random(f"{plan.schema} {call} {len(every_node(plan))}")
    if call.function != "count" or not call.args or r.random() < 0.4:
        return call
    kinds = ["array_agg", "first_value", "last_value"] if is_placed(plan) else ["array_agg"]
    if plan.schema.type_of(argument_of(call)) == STRING:
        kinds.append("listagg")
    return replace(call, function=r.choice(kinds))


def _join(r: Random, plan: Plan) -> Plan | None:
    """A join with some of the same rows, or with groups of them: one side or both may change."""
    keys = [n for n in ("k", "s", "v", "d") if n in plan.schema]
    if not keys:
        return None
    other: Plan | None
    if r.random() < 0.6:
        by = sorted(set(r.choices(keys, k=r.choice([1, 1, 2]))))
        other, on = group(r, plan, by), by
        if r.random() < 0.3:
            plan = group(r, plan, by)
    elif "id" in plan.schema:
        other, on = _filter(r, plan), ["id", *r.choices(keys, k=r.choice([0, 1]))]
    else:
        other, on = _filter(r, plan), [r.choice(keys)]
    kind: JoinKind = r.choice(["inner", "left", "right", "full", "semi", "anti"])
    return None if other is None else join_of(r, plan, other, on, kind)


def _interval_join(r: Random, plan: Plan) -> Plan | None:
    """A join whose rows must be near each other in time, so that they are kept for a while only."""
    known = sorted(properties(plan).times)
    keys = [n for n in ("k", "s") if n in plan.schema]
    if properties(plan).is_updating or not known or not keys:
        return None
    depth = sum(isinstance(n, Join) for n in every_node(plan))
    other, called = apart(plan, _filter(r, plan) or plan, lambda name: f"{name}_{depth}")
    if "inexact" in "".join(plan.schema.names):
        return None
    mine, others = Column(r.choice(known)), Column(called[r.choice(known)])
    near = [Call(">=", (mine, minus(others, timedelta(seconds=r.choice([0, 2, 7])))))]
    if r.random() < 0.8:
        near.append(Call("<=", (mine, minus(others, timedelta(seconds=-r.choice([0, 1, 5]))))))
    key = r.choice(keys)
    condition = equal([(Column(key), Column(called[key]))])
    for part in near:
        condition = Call("and", (condition, part))
    kind: JoinKind = r.choice(["inner", "inner", "inner", "left", "right", "full", "semi", "anti"])
    made = join(plan, other, kind, condition)
    padded = {"left": (other,), "right": (plan,), "full": (plan, other)}.get(kind, ())
    gone = {f.name for p in padded for f in p.schema if isinstance(f.type, Timestamp)}
    return build.select_names(made, [n for n in made.schema.names if n not in gone])


def join_of(r: Random, left: Plan, right: Plan, on: Sequence[str], kind: JoinKind) -> Plan:
    """A join by columns of both, every third with another condition."""
    depth = sum(isinstance(n, Join) for n in every_node(left))
    left, right = _without_times(left, kind in ("right", "full")), _without_times(right, kind != "right")
    right, called = apart(left, right, lambda name: f"{name}_{depth}")
    on = [n for n in dict.fromkeys(on) if n in left.schema and n in called]
    condition = equal([(Column(n), Column(called[n])) for n in on])
    numbers = [columns_of_kind(p, Integer) for p in (left, right)]
    if r.random() < 0.35 and all(numbers):
        pair = tuple(Column(r.choice(names)) for names in numbers)
        condition = Call("and", (condition, Call(r.choice(["<", ">", "<>"]), pair)))
    return join(left, right, kind, condition)


def _without_times(plan: Plan, is_padded: bool) -> Plan:
    """The plan without times, where they may become NULL: a row without one falls into no window."""
    kept = [f.name for f in plan.schema if not (is_padded and isinstance(f.type, Timestamp))]
    return build.select_names(plan, kept)


SHAPES: tuple[tuple[Step, ...], ...] = (
    *((_group,), (_group, _group), (_group, _filter, _group), (_group, _window_group), (_limit,)),
    *(
        (_window_group,),
        (_window_group, _window_group),
        (_window_group, _group),
        (_window_group, window_rank),
    ),
    *(
        (_window, window_rank),
        (_window, _window_group),
        (_window_group, window_rank, _window_group),
        (_window, _window),
    ),
    *((_session_group,), (_session, window_rank), (_session_group, _window_group)),
    *((_counts_and_extremes,), (random_step, random_step, random_step)),
    *((first_rows,), (first_rows, _group), (running_rank, _group), (_group, running_rank)),
    *(
        (running_rank, running_rank),
        (_join, running_rank),
        (over_rows,),
        (over_rows, _window_group),
        (_window_group, over_rows),
        (over_rows, running_rank),
        (running_rank, over_rows),
        (_group, over_rows),
        (over_rows, _group),
    ),
    *((_join,), (_join, _group), (_group, _join), (_join, _join), (_window_group, _join), (_join, _filter)),
    *(
        (_interval_join,),
        (by_key_in_time,),
        (by_key_in_time, _group),
        (_filter, by_key_in_time),
        (_interval_join, _window_group),
        (latest_rows,),
        (latest_rows, _window_group),
        (_window_group, latest_rows),
        (_interval_join, _group),
        (_filter, _interval_join),
    ),
)
"""What the middle of a plan is like: shapes that take different ways through the engine."""

__all__ = ["BOUNDS", "SCHEMA", "Case", "every_node", "minus", "random_case", "random_step", "scan"]
