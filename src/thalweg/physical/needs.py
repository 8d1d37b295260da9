"""Find out what steps need from far below them: positions, watermarks per row, shared readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from thalweg.columnar.batch import OFFSET, OTHER_OFFSET, OTHER_SPLIT, SPLIT
from thalweg.expr import aggregates
from thalweg.expr.nodes import Aggregate
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.asynchronous import MapAsync
from thalweg.plan.broadcast import passing
from thalweg.plan.late import Behind
from thalweg.plan.lookup import LookupJoin
from thalweg.plan.nodes import (
    WINDOW_END,
    WINDOW_START,
    AssignWatermark,
    BadRows,
    Explode,
    GroupBy,
    Join,
    Late,
    Limit,
    MapBatches,
    Plan,
    Rank,
    Scan,
    SessionWindow,
    Values,
    Window,
)
from thalweg.plan.over import Over
from thalweg.plan.pairs import pairs_below
from thalweg.plan.process import Failed, MissedRows, Process, SideOutput
from thalweg.plan.properties import as_of_slacks, join_bounds, properties, recomputes
from thalweg.plan.sort import Sort


@dataclass
class Needs:
    """What is needed where.

    Attributes:
        positions: scans whose rows must carry their position.
        pairs: joins whose pairs must carry the positions of both rows.
        verdicts: watermarks that some step judges lateness by.
        used_times: watermarks whose event time anything depends on.
        tolerant: functions whose failures somebody reads: the row is kept apart, and the job goes on.
    """

    positions: set[Plan] = field(default_factory=set)
    pairs: set[Plan] = field(default_factory=set)
    verdicts: set[Plan] = field(default_factory=set)
    reads: Counter[Plan] = field(default_factory=Counter)
    tolerant: set[Plan] = field(default_factory=set)

    def readers(self, plan: Plan) -> int:
        """How many steps read the plan's rows."""
        return self.reads[plan]


_ASIDE = (Late, BadRows, SideOutput)


def find(roots: Sequence[Plan]) -> Needs:
    """Walk all plans once."""
    needs = Needs()
    seen: set[Plan] = set()
    for root in roots:
        _visit(root, needs, seen)
    return needs


def _visit(plan: Plan, needs: Needs, seen: set[Plan]) -> None:
    if plan in seen:
        return
    seen.add(plan)
    for below in rows_below(plan):
        # late and bad rows leave their step through a port of its own
        if not isinstance(plan, _ASIDE):
            needs.reads[below] += 1
        _visit(below, needs, seen)
    if isinstance(plan, Late):
        _mark_positions(plan.input, needs)
    if isinstance(plan, Sort) and not properties(plan.input).is_bounded:
        _mark_verdicts(plan.input, needs)
    if isinstance(plan, (Behind, Limit, Over)) or (isinstance(plan, Rank) and plan.kind == "row_number"):
        _mark_positions(plan.inputs[0], needs)
        pairs = pairs_below(plan.inputs[0]) if isinstance(plan, Rank) else None
        if pairs is not None:
            needs.pairs.add(pairs)
            for below in pairs.inputs:
                _mark_positions(below, needs)
    if isinstance(plan, GroupBy) and reads_positions(plan):
        _mark_positions(plan.input, needs)
    recomputed = isinstance(plan, Over) and recomputes(plan)
    if isinstance(plan, (Behind, Window, SessionWindow, Over)) and not recomputed:
        _mark_verdicts(plan.input, needs)
    if isinstance(plan, Process) and plan.order == "time":
        for below in plan.parts:
            _mark_positions(below, needs)
            _mark_verdicts(below, needs)
    if isinstance(plan, Failed):
        needs.tolerant.add(plan.input)
    if isinstance(plan, (Failed, MissedRows)):
        for below in plan.input.parts:
            _mark_positions(below, needs)
    if isinstance(plan, AsOfJoin):
        _mark_positions(plan.right, needs)
        if as_of_slacks(plan) is not None:
            for below in plan.inputs:
                _mark_verdicts(below, needs)
    if isinstance(plan, Join):
        for below, bound in zip(plan.inputs, join_bounds(plan), strict=True):
            if bound.late is not None:
                _mark_verdicts(below, needs)


def looks_up(plan: Plan) -> bool:
    """Whether the rows of the left input go through, each with what a table has for it."""
    return isinstance(plan, LookupJoin) and not properties(plan.left).is_updating


def rows_below(plan: Plan) -> tuple[Plan, ...]:
    """The inputs whose rows come to a step; a table that is looked up does not come."""
    return (plan.left,) if isinstance(plan, LookupJoin) else plan.inputs


def reads_positions(plan: GroupBy) -> bool:
    """Whether some aggregate depends on where rows stood in their source, if they have a place there."""
    calls = [a.expr for a in plan.aggregates]
    return any(isinstance(c, Aggregate) and aggregates.lookup(c.function).is_ordered for c in calls)


def may_lose_places(plan: GroupBy) -> bool:
    """Whether rows of a group may be taken back, or several of them share the position of a source row."""
    if properties(plan.input).is_updating:
        return True
    below, scans = _repeating(plan.input)
    is_windowed = {WINDOW_START, WINDOW_END} <= set(plan.keys)
    return below - ({Window} if is_windowed else set()) != set() or len(set(scans)) < len(scans)


def _repeating(plan: Plan) -> tuple[set[type[Plan]], list[Plan]]:
    """The kinds of steps below that make several rows of one, and every scan as often as it is reached."""
    if isinstance(plan, (Scan, Values)):
        return set(), [plan]
    kinds: set[type[Plan]] = {type(plan)} if isinstance(plan, (Explode, Window)) else set()
    scans: list[Plan] = []
    for below in plan.inputs:
        more, reached = _repeating(below)
        kinds |= more
        scans += reached
    return kinds, scans


def _mark_positions(plan: Plan, needs: Needs) -> None:
    """Scans whose rows reach the step one by one."""
    if isinstance(plan, (Scan, Values)):
        needs.positions.add(plan)
    if isinstance(plan, (Behind, GroupBy, AsOfJoin, MapBatches, MapAsync)) or (
        isinstance(plan, Join) and not looks_up(plan)
    ):
        return
    for below in rows_below(plan):
        _mark_positions(below, needs)


def places(plan: Plan, needs: Needs) -> tuple[str, ...]:
    """The columns of the positions that tell rows of a plan apart which are to be numbered."""
    if has_positions(plan, needs):
        return SPLIT, OFFSET
    pairs = pairs_below(plan)
    return PLACES_OF_PAIRS if pairs is not None and pairs in needs.pairs else ()


PLACES_OF_PAIRS = (SPLIT, OFFSET, OTHER_SPLIT, OTHER_OFFSET)


_FIRST_STATEFUL = (
    Behind,
    GroupBy,
    AsOfJoin,
    Rank,
    Limit,
    Window,
    SessionWindow,
    Over,
    Process,
    SideOutput,
    Sort,
)


def _mark_verdicts(plan: Plan, needs: Needs) -> None:
    """The watermark is used up by the first stateful step."""
    if isinstance(plan, AssignWatermark):
        needs.verdicts.add(plan)
    if isinstance(plan, _FIRST_STATEFUL):
        return
    if isinstance(plan, Join) and not looks_up(plan):
        through = passing(plan)
        if through is not None:
            _mark_verdicts(through, needs)
        return
    for below in rows_below(plan):
        _mark_verdicts(below, needs)


def carries_verdicts(plan: Plan) -> bool:
    """Whether each row tells how far its split was before it, so that rows which come late say so."""
    if isinstance(plan, AssignWatermark):
        return True
    if isinstance(plan, _FIRST_STATEFUL):
        return False
    if isinstance(plan, Join) and not looks_up(plan):
        through = passing(plan)
        return through is not None and carries_verdicts(through)
    return bool(plan.inputs) and all(carries_verdicts(below) for below in rows_below(plan))


_PLACELESS = (Behind, GroupBy, AsOfJoin, MapBatches, MapAsync, Limit, Process, SideOutput, Sort)


def has_positions(plan: Plan, needs: Needs) -> bool:
    """Whether the plan's rows carry their position."""
    if isinstance(plan, (Scan, Values)):
        return plan in needs.positions
    if isinstance(plan, _PLACELESS) or (isinstance(plan, Join) and not looks_up(plan)):
        return False
    return bool(plan.inputs) and all(has_positions(p, needs) for p in rows_below(plan))


def reads_late(plan: Plan) -> bool:
    """Whether a plan reads a side output of a step."""
    return isinstance(plan, _ASIDE) or any(reads_late(p) for p in plan.inputs)
