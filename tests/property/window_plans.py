"""Compose plans whose windows have columns of any name, and meet in joins, unions and further windows.

Not here: plans of any shape (plans.py).
"""

from __future__ import annotations

from random import Random

from tests.property.columns import columns_of_kind, condition, every_node, random_keys
from tests.property.plans import Case, group, random_windows, scan
from tests.property.ranking_plans import window_rank
from tests.property.worlds import SECOND, World, random_world
from thalweg.base.types import Integer
from thalweg.expr.nodes import Call, Column, Named
from thalweg.plan import build
from thalweg.plan.join import apart, equal, join
from thalweg.plan.nodes import WINDOW_END, WINDOW_START, WINDOW_TIME, Join, Plan
from thalweg.plan.properties import properties
from thalweg.progress.sessions import SessionSpec


def window_case(r: Random, world: World | None = None) -> Case:
    """Groupings by windows under other names, one behind the other or joined by their windows."""
    world = world or random_world(r)
    windowed = _windowed(r, scan(world))
    below = r.choice([_filtered, _united, _same])(r, _renamed(r, windowed))
    made = by_window(r, below)
    for step in r.choice(_SHAPES):
        made = step(r, made, below)
    others = (made.inputs[0],) if r.random() < 0.15 else ()
    return Case((world,), (made, *others))


def _windowed(r: Random, plan: Plan) -> Plan:
    if r.random() < 0.25:
        keys = tuple(random_keys(r, plan))
        return build.session(plan, "t", SessionSpec(r.choice([1, 3]) * SECOND, keys))
    return build.window(plan, "t", random_windows(r))


def _renamed(r: Random, plan: Plan) -> Plan:
    """The rows with other names for some bounds, now and then twice."""
    number = len(every_node(plan))
    called = {WINDOW_START: f"since{number}", WINDOW_END: f"till{number}", WINDOW_TIME: f"last{number}"}
    items = [Named(called.get(n, n) if r.random() < 0.7 else n, Column(n)) for n in plan.schema.names]
    if WINDOW_END in plan.schema and r.random() < 0.3:
        items.append(Named(f"end{number}", Column(WINDOW_END)))
    return build.project(plan, items)


def by_window(r: Random, plan: Plan) -> Plan:
    """A grouping by one of the windows that rows are in; a join of windows that change knows of none."""
    if not properties(plan).windows:
        return plan
    window = r.choice(properties(plan).windows)
    bounds = [r.choice(sorted(window.starts)), r.choice(sorted(window.ends))]
    if r.random() < 0.3:
        bounds = sorted(window.bounds)
    keys = [k for k in random_keys(r, plan) if k not in bounds]
    return group(r, plan, [*keys, *bounds])


def _same(r: Random, plan: Plan) -> Plan:
    del r
    return plan


def _filtered(r: Random, plan: Plan) -> Plan:
    made = condition(r, plan)
    return plan if made is None else build.filter_rows(plan, made)


def _united(r: Random, plan: Plan) -> Plan:
    """Rows of the same windows twice."""
    return build.union_all([plan, _filtered(r, plan)])


def _regrouped(r: Random, plan: Plan, below: Plan) -> Plan:
    del below
    return by_window(r, _renamed(r, plan))


def _ranked(r: Random, plan: Plan, below: Plan) -> Plan:
    del below
    made = window_rank(r, _renamed(r, plan)) or plan
    return by_window(r, made) if r.random() < 0.5 else made


def _best(r: Random, plan: Plan, below: Plan) -> Plan:
    """Rows of a window, given when it is complete: all other times than its own are behind by then."""
    return window_rank(r, below) or plan


def _rewindowed(r: Random, plan: Plan, below: Plan) -> Plan:
    """Windows of windows; the rows keep those that they had."""
    del below
    taken = {n: f"{n}0" for n in (WINDOW_START, WINDOW_END, WINDOW_TIME)}
    plan = build.project(plan, [Named(taken.get(n, n), Column(n)) for n in plan.schema.names])
    times = sorted(properties(plan).times)
    if not times:
        return plan
    windowed = build.window(plan, r.choice(times), random_windows(r))
    return by_window(r, _renamed(r, windowed))


def _joined(r: Random, plan: Plan, below: Plan) -> Plan:
    """Two groupings, or a grouping and what it was made of, by the windows of both."""
    other = r.choice([by_window, _same])(r, below)
    other = _renamed(r, other)
    depth = sum(isinstance(n, Join) for n in every_node(plan))
    other, _ = apart(plan, other, lambda name: f"{name}_{depth}")
    if not properties(plan).windows:
        return plan
    mine, others = r.choice(properties(plan).windows), r.choice(properties(other).windows)
    pairs = [(r.choice(sorted(mine.ends)), r.choice(sorted(others.ends)))]
    if r.random() < 0.8:
        pairs.append((r.choice(sorted(mine.starts)), r.choice(sorted(others.starts))))
    on = equal([(Column(a), Column(b)) for a, b in pairs])
    numbers = [n for n in columns_of_kind(plan, Integer) if n.startswith("a")]
    if numbers and "id" in other.schema and r.random() < 0.3:
        on = Call("and", (on, Call("<=", (Column(numbers[0]), Column("id")))))
    made = join(plan, other, "inner", on)
    return by_window(r, made) if r.random() < 0.6 else made


_SHAPES = (
    *((), (_regrouped,), (_ranked,), (_joined,), (_joined,), (_rewindowed,)),
    *((_ranked, _regrouped), (_joined, _regrouped), (_joined, _joined), (_rewindowed, _joined)),
    *((_best, _rewindowed), (_best, _rewindowed), (_best, _joined)),
)
