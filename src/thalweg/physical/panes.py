"""Recognise groupings of windows that panes can stand for.

The rows between the window and the grouping then carry a pane instead of being repeated for every window.
"""

from __future__ import annotations

from collections.abc import Sequence

from thalweg.expr.nodes import Column, Named, columns_of
from thalweg.plan.nodes import (
    WINDOW_END,
    WINDOW_START,
    WINDOW_TIME,
    Filter,
    GroupBy,
    Plan,
    Project,
    Window,
)

BOUNDS = (WINDOW_START, WINDOW_END, WINDOW_TIME)


class Panes:
    """A window whose rows reach a grouping through steps that do not look at the window."""

    def __init__(self, window: Window, steps: Sequence[Project | Filter]) -> None:
        self.window, self.steps = window, steps


def pane_window(plan: GroupBy) -> Panes | None:
    """The window below a grouping, if panes can stand for windows."""
    keys = set(plan.keys)
    if not {WINDOW_START, WINDOW_END} <= keys:
        return None
    if any(columns_of(a.expr) & set(BOUNDS) for a in plan.aggregates):
        return None
    steps: list[Project | Filter] = []
    below: Plan = plan.input
    while not isinstance(below, Window):
        if not isinstance(below, (Project, Filter)) or not _passes_window(below):
            return None
        steps.append(below)
        below = below.input
    return Panes(below, list(reversed(steps)))


def _passes_window(step: Project | Filter) -> bool:
    """Whether a step does the same to a row in all of its windows."""
    if isinstance(step, Filter):
        return not columns_of(step.condition) & set(BOUNDS)
    return all(_is_plain(i) for i in step.items)


def _is_plain(item: Named) -> bool:
    """Whether a column has nothing to do with the window, or is a bound of it under its own name."""
    used = columns_of(item.expr) & set(BOUNDS)
    return not used or (isinstance(item.expr, Column) and item.expr.name == item.name)
