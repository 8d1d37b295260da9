"""Filter before the work, not after it.

    Filter (k = 3)
      GroupBy k: count(*) AS n
    becomes
    GroupBy k: count(*) AS n
      Filter (k = 3)

Each part of a condition goes as deep as it can by itself. It must be sure (no error, no user's code), since
below it sees rows that never came up: those of empty lists, of closed windows, of other groups.

- Through a projection if what it reads is picked or cheap; not through one that only picks members of rows,
  which are dear to filter (project_before_filter.py), unless a filter waits below.
- Below a window if it does not read the window, below a grouping or numbering if it reads the keys alone.
  Keys with floats stay: 0.0 and -0.0 are one key and two values. Bounds of windows stay above the grouping,
  which else could not share panes.
- Below a filter that is costly or can fail, and into each part of a union.
- Into the input of a join that it speaks of, unless rows of that input are padded with NULL; of a join in
  time into the left one only.
- Never below AssignWatermark. Lateness would not change, since the watermark is found on the rows of the
  source (and a missing event time is an error there, whatever is filtered). But nothing would be gained
  either, and the scans of two queries that filter differently would no longer be one.
- Never below a limit, a user's frame function, or late rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from thalweg.base.types import BOOLEAN
from thalweg.expr.nodes import Expr, columns_of, conjunction, conjuncts, substitute
from thalweg.optimizer.expressions import (
    has_floats,
    is_cheap,
    is_member,
    is_movable,
    is_plain,
    is_sure,
    keeps_type,
)
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.lookup import LookupJoin
from thalweg.plan.nodes import (
    WINDOW_END,
    WINDOW_START,
    WINDOW_TIME,
    Explode,
    Filter,
    GroupBy,
    Join,
    Plan,
    Project,
    Rank,
    SessionWindow,
    Union,
    Window,
)
from thalweg.plan.over import Over
from thalweg.plan.properties import properties
from thalweg.plan.sort import Sort

_BOUNDS = frozenset([WINDOW_START, WINDOW_END, WINDOW_TIME])


def push_filter_down(plan: Plan) -> Plan:
    """The filter's parts as far below as they can go."""
    if not isinstance(plan, Filter):
        return plan
    kept: list[Expr] = []
    below = plan.input
    for part in conjuncts(plan.condition):
        sunk = _sunk(below, part, plan)
        if sunk is None:
            kept.append(part)
        else:
            below = sunk
    if below is plan.input:
        return plan
    return replace(plan, input=below, condition=conjunction(kept)) if kept else below


def _sunk(plan: Plan, part: Expr, like: Filter) -> Plan | None:
    """The step with the condition somewhere below it; None if it must stay above."""
    step = _STEPS.get(type(plan))
    if step is None or not is_sure(part, plan.schema):
        return None
    found: Plan | None = step(plan, part, like)
    return found


def _settled(plan: Plan, part: Expr, like: Filter) -> Plan:
    """The step's rows that fulfil the condition, filtered as far below as possible."""
    return _sunk(plan, part, like) or replace(like, input=plan, condition=part)


def _over(plan: Plan, part: Expr, like: Filter) -> Plan:
    return plan.with_inputs((_settled(plan.inputs[0], part, like),))


def _project(plan: Project, part: Expr, like: Filter) -> Plan | None:
    below = plan.input
    if any(is_member(i.expr) for i in plan.items) and all(is_plain(i.expr) for i in plan.items):
        if not isinstance(below, Filter) or not is_cheap(part, plan.schema):
            return None
    made = {i.name: i.expr for i in plan.items}
    used = [made[n] for n in columns_of(part)]
    if not all(is_plain(e) or is_movable(e, below.schema) for e in used):
        return None
    moved = substitute(part, made)
    if not keeps_type(moved, below.schema, BOOLEAN) or not is_sure(moved, below.schema):
        return None
    return _over(plan, moved, like)


def _filter(plan: Filter, part: Expr, like: Filter) -> Plan | None:
    if not is_cheap(part, plan.schema) or is_movable(plan.condition, plan.schema):
        return None
    return _over(plan, part, like)


def _explode(plan: Explode, part: Expr, like: Filter) -> Plan | None:
    return None if plan.column in columns_of(part) else _over(plan, part, like)


def _window(plan: Window, part: Expr, like: Filter) -> Plan | None:
    return None if _BOUNDS & columns_of(part) else _over(plan, part, like)


def _session(plan: SessionWindow, part: Expr, like: Filter) -> Plan | None:
    # the rows that a filter drops may be what holds a session together
    return _over(plan, part, like) if _reads_keys(plan, part, plan.window.partition) else None


def _group_by(plan: GroupBy, part: Expr, like: Filter) -> Plan | None:
    if any(w.bounds.keys() & columns_of(part) for w in properties(plan.input).windows):
        return None
    return _over(plan, part, like) if _reads_keys(plan, part, plan.keys) else None


def _sort(plan: Sort, part: Expr, like: Filter) -> Plan:
    return _over(plan, part, like)


def _rank(plan: Rank | Over, part: Expr, like: Filter) -> Plan | None:
    return _over(plan, part, like) if _reads_keys(plan, part, plan.partition) else None


def _reads_keys(plan: Plan, part: Expr, keys: tuple[str, ...]) -> bool:
    """Whether a condition keeps or drops whole groups."""
    used = columns_of(part)
    if not used or not used <= set(keys) or not is_cheap(part, plan.schema):
        return False
    return not any(has_floats(plan.schema.type_of(n)) for n in used)


def _union(plan: Union, part: Expr, like: Filter) -> Plan | None:
    if any(p.schema.names != plan.schema.names for p in plan.parts):
        return None
    return plan.with_inputs(tuple(_settled(p, part, like) for p in plan.parts))


_KEEPS = {"inner": (True, True), "left": (True, False), "right": (False, True), "full": (False, False)}
"""Of which inputs a join may lose rows that no pair would get past the condition."""


def _join(plan: Join, part: Expr, like: Filter) -> Plan | None:
    used = columns_of(part)
    left, right = _KEEPS.get(plan.kind, (True, False))
    if left and used and used <= set(plan.left.schema.names):
        return replace(plan, left=_settled(plan.left, part, like))
    if right and used and used <= set(plan.right.schema.names):
        return replace(plan, right=_settled(plan.right, part, like))
    return None


def _as_of_join(plan: AsOfJoin, part: Expr, like: Filter) -> Plan | None:
    # a row of the right input that is left out would give its place to an earlier one
    used = columns_of(part)
    if not used or not used <= set(plan.left.schema.names):
        return None
    return replace(plan, left=_settled(plan.left, part, like))


_STEPS: dict[type[Plan], Callable[[Any, Expr, Filter], Plan | None]] = {
    Project: _project,
    Filter: _filter,
    Explode: _explode,
    Window: _window,
    SessionWindow: _session,
    GroupBy: _group_by,
    Join: _join,
    AsOfJoin: _as_of_join,
    LookupJoin: _join,
    Rank: _rank,
    Over: _rank,
    Sort: _sort,
    Union: _union,
}
