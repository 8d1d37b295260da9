"""Compose groupings by different windows of one stream, which may be put together from common panes.

Not here: plans of any shape (plans.py), windows under other names and behind each other (window_plans.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from tests.property.columns import columns_of_kind, condition, random_keys
from tests.property.plans import Case, random_windows, scan
from tests.property.worlds import random_world
from thalweg.base.types import Decimal, Float, Integer
from thalweg.expr.nodes import Aggregate, Call, Column, Named
from thalweg.plan import build
from thalweg.plan.join import apart, equal, join
from thalweg.plan.nodes import WINDOW_END, WINDOW_START, WINDOW_TIME, Late, Plan, Window

_BOUNDS = (WINDOW_START, WINDOW_END)


def pane_case(r: Random, *, is_punctual: bool | None = None) -> Case:
    """Two or three groupings by windows of one stream and the same keys, and some of their late rows."""
    world = random_world(r, is_punctual=r.random() < 0.2 if is_punctual is None else is_punctual)
    below = scan(world)
    if r.random() < 0.4:
        made = condition(r, below)
        below = below if made is None else build.filter_rows(below, made)
    keys = random_keys(r, below)
    windows = [_windowed(r, below, keys) for _ in range(r.choice([2, 2, 3]))]
    if r.random() < 0.2:
        windows[1] = windows[0]
    groups = [_grouped(r, number, keys, window) for number, window in enumerate(windows)]
    lates = [Late(w) for w in dict.fromkeys(windows) if r.random() < 0.5]
    others = (below,) if r.random() < 0.1 else ()
    return Case((world,), (*_together(r, groups, keys), *lates, *others))


def _windowed(r: Random, plan: Plan, keys: Sequence[str]) -> Window:
    """The rows, sometimes with other columns, or fewer, with their windows."""
    named = [Named(n, Column(n)) for n in plan.schema.names]
    if r.random() < 0.4:
        wanted = {*keys, "t", "id"}
        named = [n for n in named if n.name in wanted or r.random() < 0.5]
        numbers = columns_of_kind(plan, Integer)
        if numbers and r.random() < 0.5:
            column = Column(r.choice(numbers))
            named.append(Named("more", Call("<", (column, Column("id")))))
        plan = build.project(plan, named)
    if r.random() < 0.15:
        made = condition(r, plan)
        plan = plan if made is None else build.filter_rows(plan, made)
    window = build.window(plan, "t", random_windows(r))
    assert isinstance(window, Window), "a step that gives rows their windows"
    return window


def _grouped(r: Random, number: int, keys: Sequence[str], window: Plan) -> Plan:
    plan = window
    bounds = [*_BOUNDS, *([WINDOW_TIME] if r.random() < 0.3 else [])]
    if r.random() < 0.3:
        plan = build.project(plan, [Named(n, Column(n)) for n in plan.schema.names])
    outputs = [Named(k, Column(k)) for k in (*keys, *bounds)]
    for at in range(r.randint(0, 3)):
        call = _call(r, plan)
        held = plan.schema.type_of(str(call.args[0])) if call.args else None
        is_inexact = call.function in ("avg", "sum") and isinstance(held, Float)
        outputs.append(Named(f"{'inexact' if is_inexact else 'a'}{number}_{at}", call))
    return build.group_by(plan, [Named(k, Column(k)) for k in (*keys, *bounds)], outputs)


def _call(r: Random, plan: Plan) -> Aggregate:
    """An aggregate, mostly of those that can be put together from parts."""
    numbers = columns_of_kind(plan, Integer, Float, Decimal)
    call = Aggregate("count")
    if numbers and r.random() < 0.8:
        call = Aggregate(r.choice(["count", "sum", "avg", "min", "max"]), (Column(r.choice(numbers)),))
        if r.random() < 0.1:
            call = replace(call, distinct=True)
    if r.random() < 0.2:
        call = replace(call, filter=condition(r, plan))
    return call


def _together(r: Random, groups: Sequence[Plan], keys: Sequence[str]) -> Sequence[Plan]:
    """Each for itself, or two of them one above the other, or side by side."""
    how = r.choice(["apart", "apart", "united", "joined"])
    if how == "united":
        names = [*keys, *_BOUNDS]
        return [build.union_all([build.project(g, [Named(n, Column(n)) for n in names]) for g in groups])]
    if how == "joined":
        one, other, *rest = groups
        other, _ = apart(one, other, lambda name: f"{name}_b")
        ends = [(Column(WINDOW_END), Column(f"{WINDOW_END}_b"))]
        pairs = [(Column(k), Column(f"{k}_b")) for k in keys]
        return [join(one, other, "inner", equal(ends + pairs)), *rest]
    return groups
