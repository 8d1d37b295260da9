"""Count what the runs of the suite met: a law that never saw a retraction says nothing about retractions.

Reads:    the chains of finished runs.
Changes:  one counter for the process.
"""

from __future__ import annotations

from collections import Counter

from thalweg.runtime.run import Run


class Census:
    """How often each kind of operator ran, and what came its way."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, run: Run) -> None:
        """Add what a run did."""
        kinds = {o.id: kind_of(o) for s in run.job.stages for o in s.operators}
        seen = set()
        for task in run.tasks:
            for name, counts in task.chain.counts.items():
                seen.add(name)
                self.counts["retractions"] += counts.retractions
                self.counts["late rows"] += counts.late
                self.counts["batches"] += counts.batches
        self.counts.update(kinds[name] for name in seen)
        self.counts["runs"] += 1

    def report(self) -> str:
        """One line per counter."""
        return "\n".join(f"{count:9,}  {name}" for name, count in sorted(self.counts.items()))


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
    if name == "WindowRank":
        name = f"window {operator.kind}"  # type: ignore[attr-defined]  # a rank has a kind
    return name


CENSUS = Census()
