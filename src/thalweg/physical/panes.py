"""Recognise groupings of windows that panes can stand for.

The rows between the window and the grouping then carry a pane instead of being repeated for every window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from thalweg.expr.nodes import Column, columns_of
from thalweg.plan.nodes import (
    WINDOW_END,
    WINDOW_START,
    WINDOW_TIME,
    Filter,
    GroupBy,
    Plan,
    Project,
    SessionWindow,
    Window,
)
from thalweg.plan.properties import closing_window
from thalweg.plan.window_columns import WindowColumns

ADDED = WindowColumns.named(WINDOW_START, WINDOW_END, WINDOW_TIME)
"""The columns of a window where rows get it."""


@dataclass(frozen=True)
class Panes:
    """A window whose rows reach a grouping through steps that do not look at the window.

    Attributes:
        window: gives rows their windows.
        between: the steps from there to the grouping, as they are in the plan.
        steps: the same steps without the columns of the window.
        columns: those columns where the grouping reads them.
    """

    window: Window | SessionWindow
    between: Sequence[Project | Filter]
    steps: Sequence[Project | Filter]
    columns: WindowColumns

    def keys(self, plan: GroupBy) -> tuple[str, ...]:
        """What the grouping groups by besides the window."""
        return tuple(k for k in plan.keys if k not in self.columns.bounds)


def pane_window(plan: GroupBy) -> Panes | None:
    """The window below a grouping by its bounds, if no step looks at it in between."""
    between: list[Project | Filter] = []
    below: Plan = plan.input
    while isinstance(below, (Project, Filter)):
        between.insert(0, below)
        below = below.input
    if not isinstance(below, (Window, SessionWindow)):
        return None
    columns = ADDED
    steps: list[Project | Filter] = []
    for step in between:
        if isinstance(step, Filter):
            if columns_of(step.condition) & columns.bounds.keys():
                return None
            steps.append(step)
            continue
        items = [i for i in step.items if not columns_of(i.expr) & columns.bounds.keys()]
        if any(i not in items and not isinstance(i.expr, Column) for i in step.items):
            return None
        steps.append(replace(step, items=tuple(items)))
        columns = columns.projected(step.items)
    if any(columns_of(a.expr) & columns.bounds.keys() for a in plan.aggregates):
        return None
    columns = columns.among(plan.keys)
    # rows may also lie in a window of before, which is complete sooner: what follows goes by that one then
    if not columns.is_whole or closing_window(plan) not in (None, columns):
        return None
    return Panes(below, between, steps, columns)
