"""Count what the runs of the suite met: a law that never saw a retraction says nothing about retractions.

Reads:    the chains of finished runs.
Changes:  one counter for the process.
"""

from __future__ import annotations

from collections import Counter

from thalweg.expr.nodes import PythonCall, walk
from thalweg.operators.as_of_spec import AsOfSpec
from thalweg.operators.broadcast import BroadcastJoinSpec
from thalweg.operators.join_spec import JoinSpec
from thalweg.operators.rowwise import (
    ExplodeStep,
    FilterStep,
    MapStep,
    ProjectStep,
    RowStep,
    RowwiseSpec,
    StripStep,
    UnplaceStep,
)
from thalweg.runtime.run import Run

_ROW_STEPS = {
    ProjectStep: "project",
    FilterStep: "filter",
    ExplodeStep: "explode",
    MapStep: "map_batches",
    StripStep: "strip system columns",
    UnplaceStep: "forget positions",
}


class Census:
    """How often each kind of operator ran, and what came its way."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, run: Run) -> None:
        """Add what a run did."""
        kinds = {o.id: kinds_of(o) for s in run.job.stages for o in s.operators}
        seen = set()
        for task in run.tasks:
            for name, counts in task.chain.counts.items():
                seen.add(name)
                self.counts["retractions"] += counts.retractions
                self.counts["late rows"] += counts.late
                self.counts["batches"] += counts.batches
        self.counts.update(kind for name in seen for kind in kinds[name])
        self.counts["spilled rows"] += sum(c.spilled_rows for c in run.parts.spilling)
        self.counts["quarantined rows"] += run.tally.bad_count
        self.counts["runs"] += 1


def kinds_of(operator: object) -> list[str]:
    """The kinds of step that an operator stands for: neighbouring row-wise steps are one operator."""
    if isinstance(operator, AsOfSpec):
        return [f"as-of {operator.kind} join"]
    if isinstance(operator, BroadcastJoinSpec):
        return [f"broadcast {operator.kind} join, {('left', 'right')[operator.first_port]} first"]
    if isinstance(operator, JoinSpec):
        changes = operator.left.is_updating or operator.right.is_updating
        kept = "rows kept for a while" if operator.left.bound.until or operator.right.bound.until else ""
        return [
            f"{operator.kind} join",
            *filter(None, [kept]),
            "join of changes" if changes else "join of rows that stay",
        ]
    if not isinstance(operator, RowwiseSpec):
        return [kind_of(operator)]
    return [kind for step in operator.steps for kind in _kinds_of_step(step)]


def _kinds_of_step(step: RowStep) -> list[str]:
    kind = _ROW_STEPS[type(step)]
    if not isinstance(step, ProjectStep):
        return [kind]
    calls = [e for i in step.items for e in walk(i.expr) if isinstance(e, PythonCall)]
    return [kind, *sorted({f"Python function by {c.function.by}" for c in calls})]


def kind_of(operator: object) -> str:
    """The kind of an operator, with what makes it take another path."""
    name = type(operator).__name__.removesuffix("Spec")
    window = getattr(operator, "window", None)
    if name == "Grouping":
        name = "running group" if window is None else "window group"
        if getattr(operator, "has_panes", False):
            name = f"pane group, {window.window.kind}"  # type: ignore[union-attr]  # panes have windows
        if getattr(operator, "is_updating", False):
            name += ", updating"
    if name == "Windows":
        name = f"windows, {window.kind}"  # type: ignore[union-attr]  # a window step has windows
    if name in ("RunningRank", "WindowRank"):
        way = name.removesuffix("Rank").lower()
        name = f"{way} {operator.kind}"  # type: ignore[attr-defined]  # a rank has a kind
    return name


CENSUS = Census()
