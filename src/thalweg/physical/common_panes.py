"""Find groupings by windows of different kinds whose rows can be added up once, in common panes.

They read the same rows through projections and the same conditions, group by the same keys beside the
window, and their windows lie on the same time column. What each of them computes on the way becomes part
of common projections.

Not here: placing the steps (sharing.py, lazy_sharing.py), which groupings work with panes (panes.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import gcd

from thalweg.base.schema import Schema
from thalweg.base.types import Field
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Column, Expr, Named, PythonCall, substitute, walk
from thalweg.physical.needs import Needs
from thalweg.physical.panes import Panes, pane_window
from thalweg.plan.nodes import Filter, GroupBy, Plan, Project, Window
from thalweg.plan.properties import properties
from thalweg.progress.windows import WindowSpec

FINER_MOST = 2
"""How many times finer than the finest windows' own panes common ones may be."""
Steps = Sequence[Project | Filter]


@dataclass(frozen=True)
class Member:
    """One grouping that may share its panes.

    Attributes:
        plan: the grouping.
        panes: its window, and the projections between both.
        window: that window.
        below: the steps below the window, from the rows that all members read on.
        keys: what it groups by beside the window.
    """

    plan: GroupBy
    panes: Panes
    window: Window
    below: Steps
    keys: tuple[str, ...]

    @property
    def above(self) -> Sequence[Project]:
        """The projections between the window and the grouping."""
        return [s for s in self.panes.steps if isinstance(s, Project)]


@dataclass(frozen=True)
class CommonPanes:
    """Groupings that share panes.

    Attributes:
        base: the step whose rows all of them read.
        members: the groupings, in the order of the plans.
        grid: the panes, as windows back to back.
    """

    base: Plan
    members: tuple[Member, ...]
    grid: WindowSpec


def find_common_panes(
    roots: Iterable[Plan], needs: Needs, fits: Callable[[GroupBy], bool]
) -> dict[GroupBy, CommonPanes]:
    """The groupings that share panes with others, and with which; tells `needs` that they read as one.

    Args:
        roots: all plans of a job.
        needs: who reads what.
        fits: whether the aggregates of a grouping can be put together from panes.
    """
    alike: dict[object, list[Member]] = {}
    for plan in _groupings(roots):
        member = _member(plan)
        if member is not None and fits(plan):
            alike.setdefault(_what(member), []).append(member)
    found: dict[GroupBy, CommonPanes] = {}
    for members in alike.values():
        for some in _worthwhile(_readers_only(members, needs)):
            made = _common(some)
            _read_once(made, needs)
            found |= dict.fromkeys((m.plan for m in some), made)
    return found


def _groupings(roots: Iterable[Plan]) -> Iterator[GroupBy]:
    seen: set[Plan] = set()
    for root in roots:
        yield from _groupings_below(root, seen)


def _groupings_below(plan: Plan, seen: set[Plan]) -> Iterator[GroupBy]:
    if plan in seen:
        return
    seen.add(plan)
    for below in plan.inputs:
        yield from _groupings_below(below, seen)
    if isinstance(plan, GroupBy):
        yield plan


def _member(plan: GroupBy) -> Member | None:
    panes = pane_window(plan)
    if panes is None or not isinstance(panes.window, Window) or properties(panes.window.input).is_updating:
        return None
    if any(isinstance(s, Filter) for s in panes.steps):
        return None
    below: list[Project | Filter] = []
    base = panes.window.input
    while isinstance(base, (Project, Filter)):
        below.insert(0, base)
        base = base.input
    made = [e for step in (*below, *panes.steps) for e in _expressions(step)]
    if not all(map(_is_pure, (*made, *(a.expr for a in plan.aggregates)))):
        return None
    keys = panes.keys(plan)
    member = Member(plan, panes, panes.window, below, keys)
    found = {_through(member.below, _through(member.above, Column(k))) for k in keys}
    return member if len(found) == len(keys) else None


def _expressions(step: Project | Filter) -> list[Expr]:
    return [step.condition] if isinstance(step, Filter) else [i.expr for i in step.items]


def _is_pure(expr: Expr) -> bool:
    return not any(isinstance(e, PythonCall) and e.function.volatile for e in walk(expr))


def _through(steps: Steps, expr: Expr) -> Expr:
    """An expression over the rows behind some steps, over the rows before them."""
    for step in reversed(steps):
        if isinstance(step, Project):
            expr = substitute(expr, {i.name: i.expr for i in step.items})
    return expr


def _what(member: Member) -> object:
    """What must be the same for groupings to share panes."""
    below = member.below
    base = below[0].input if below else member.window.input
    conditions = tuple(
        _through(below[:n], step.condition) for n, step in enumerate(below) if isinstance(step, Filter)
    )
    time = _through(below, Column(member.window.column))
    keys = tuple(_through(below, _through(member.above, Column(k))) for k in member.keys)
    slack = properties(member.window.input).times.get(member.window.column)
    return base, conditions, time, keys, slack


def _readers_only(members: Sequence[Member], needs: Needs) -> list[Member]:
    """Those whose windows, and what is between window and grouping, have no reader beside members."""
    kept = list(members)
    while True:
        read = _reads(s for m in kept for s in (*m.panes.between, m.plan))
        left = [
            m for m in kept if all(len(read[p]) == needs.readers(p) for p in (m.window, *m.panes.between))
        ]
        if len(left) == len(kept):
            return left
        kept = left


def _reads(steps: Iterable[Plan]) -> dict[Plan, set[Plan]]:
    """Which of some steps read each plan."""
    found: dict[Plan, set[Plan]] = {}
    for step in steps:
        for below in step.inputs:
            found.setdefault(below, set()).add(step)
    return found


def _worthwhile(members: Sequence[Member]) -> Iterator[list[Member]]:
    """Sets of members whose common panes are not much finer than their own.

    A batch is added up to one partial result per key and pane, and each grouping takes all of them: panes
    finer than those of any member make more of these than any member alone, while the passes over the rows
    that sharing saves stay as many.
    """
    rest = sorted(members, key=lambda m: m.window.window.pane_us)
    while rest:
        some = rest[:1]
        for member in rest[1:]:
            if common_width([m.window.window for m in (*some, member)]) * FINER_MOST >= _finest(some):
                some.append(member)
        if len(some) > 1:
            yield sorted(some, key=members.index)
        rest = [m for m in rest if m not in some]


def _finest(members: Sequence[Member]) -> int:
    return members[0].window.window.pane_us


def common_width(windows: Sequence[WindowSpec]) -> int:
    """The length of the longest stretches that no start or end of any of the windows cuts.

    Example:
        >>> common_width([WindowSpec.tumbling(10), WindowSpec.hopping(20, 4, 1)])
        1
    """
    origin = windows[0].offset_us
    return reduce(gcd, (n for w in windows for n in (w.pane_us, w.offset_us - origin)))


def _common(members: Sequence[Member]) -> CommonPanes:
    """The members over the highest step that all of them read."""
    shared = [p for p in _ways(members[0]) if all(p in _ways(m) for m in members[1:])]
    base = shared[0]
    cut = []
    for m in members:
        below = m.below[len(m.below) - _ways(m).index(base) :] if base != m.window.input else ()
        cut.append(Member(m.plan, m.panes, m.window, below, m.keys))
    width = common_width([m.window.window for m in members])
    grid = WindowSpec.tumbling(width, members[0].window.window.offset_us % width)
    return CommonPanes(base, tuple(cut), grid)


def _ways(member: Member) -> list[Plan]:
    """What the window reads, and all that this is made of step by step, highest first."""
    bottom = member.below[0].input if member.below else member.window.input
    return [*reversed(member.below), bottom]


def _read_once(common: CommonPanes, needs: Needs) -> None:
    """The base is read by the common step instead of by the first step of each member."""
    steps = {s for m in common.members for s in (*m.below, m.window, *m.panes.between, m.plan)}
    read = _reads(steps)
    only = {s for s in steps if len(read.get(s, ())) == needs.readers(s) or isinstance(s, GroupBy)}
    while True:
        # a step that others read too stays, and reads on
        left = {s for s in only if isinstance(s, GroupBy) or read[s] <= only}
        if left == only:
            break
        only = left
    needs.reads[common.base] += 1 - len(read[common.base] & only)


# -- common projections ------------------------------------------------------------------------


class Merged:
    """One way for the rows of all members, whose projections make what any of them needs.

    Attributes:
        steps: what to do with the rows of the base, with the schema that each step reads.
        schema: the columns behind the last step.
        names: for each member, what its columns are called there.
    """

    def __init__(self, base: Schema, members: int) -> None:
        self.steps: list[tuple[tuple[Named, ...] | Expr, Schema]] = []
        self.schema = base
        self.names: list[dict[str, str]] = [{n: n for n in base.names}] * members

    def project(self, wanted: Sequence[Mapping[str, Expr]], *, narrows: bool = True) -> None:
        """Make columns: for each member by the names that it knows, over the columns that it knew.

        `narrows` tells whether columns that nobody wants are to go, if that is all there is to do.
        """
        made: dict[Expr, str] = {}
        exprs: list[dict[str, Expr]] = []
        for known, columns in zip(self.names, wanted, strict=True):
            over: dict[str, Expr] = {old: Column(new) for old, new in known.items()}
            exprs.append({name: substitute(e, over) for name, e in columns.items()})
        own = {e.name for some in exprs for e in some.values() if isinstance(e, Column)}
        for some in exprs:
            for name, expr in some.items():
                if expr not in made:
                    made[expr] = (
                        expr.name if isinstance(expr, Column) else _free(name, own | set(made.values()))
                    )
        self.names = [{name: made[e] for name, e in some.items()} for some in exprs]
        items = tuple(Named(name, expr) for expr, name in made.items())
        # a frame without columns would have no rows
        is_whole = not narrows or len(items) in (0, len(self.schema))
        if is_whole and all(i.expr == Column(i.name) for i in items):
            return
        self.steps.append((items, self.schema))
        self.schema = Schema(tuple(Field(i.name, type_of(i.expr, self.schema)) for i in items))

    def filter(self, condition: Expr) -> None:
        """Keep rows, by a condition as the first member states it."""
        known: dict[str, Expr] = {old: Column(new) for old, new in self.names[0].items()}
        self.steps.append((substitute(condition, known), self.schema))


def _free(name: str, taken: set[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name} {number}"
    return found


def merged_below(common: CommonPanes) -> Merged:
    """The way from the base to the windows."""
    merged = Merged(common.base.schema, len(common.members))
    ways = [list(m.below) for m in common.members]
    while any(ways):
        heads = [_until_filter(way) for way in ways]
        if any(heads):
            merged.project([_columns(head, known) for head, known in zip(heads, merged.names, strict=True)])
        if any(ways):
            conditions = [way.pop(0) for way in ways]
            assert isinstance(conditions[0], Filter), "the members have as many conditions"
            merged.filter(conditions[0].condition)
    return merged


def _until_filter(way: list[Project | Filter]) -> list[Project]:
    """The projections before the next condition, taken away."""
    found = []
    while way and isinstance(way[0], Project):
        step = way.pop(0)
        assert isinstance(step, Project), "it was looked at"
        found.append(step)
    return found


def _columns(steps: Sequence[Project], known: Mapping[str, str]) -> dict[str, Expr]:
    """The columns behind some projections, over the columns before them."""
    if not steps:
        return {name: Column(name) for name in known}
    return {i.name: _through(steps[:-1], i.expr) for i in steps[-1].items}


def merge_grouped(merged: Merged, members: Sequence[Member], arguments: Sequence[Sequence[Named]]) -> None:
    """Make of rows with their window what the members group by, and the arguments of their aggregates."""
    wanted = []
    for member, made in zip(members, arguments, strict=True):
        columns: list[Named] = [*(Named(k, Column(k)) for k in member.keys), *made]
        wanted.append({c.name: _through(member.above, c.expr) for c in columns})
    merged.project(wanted, narrows=False)
