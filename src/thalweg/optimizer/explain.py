"""Print plans as trees, and what each rule did to them.

One line per step, what it reads below it and further in. A part that several steps read is printed once and
numbered; elsewhere its number stands for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from thalweg.optimizer.optimize import Applied
from thalweg.plan.changes import changes_of
from thalweg.plan.nodes import Plan, Scan, Write
from thalweg.protocols.source import HasStatus

_SAME = "same as above"


def explain_plan(plan: Plan) -> str:
    """One plan as an indented tree."""
    return explain_plans([plan])


def explain_plans(plans: Sequence[Plan]) -> str:
    """Several plans, one after the other."""
    return "\n".join(_Printer(plans).trees())


def explain_changes(plans: Sequence[Plan]) -> str:
    """Several plans, with the kinds of changes that each step has as a stream."""
    return "\n".join(_Printer(plans, _changelog_mode).trees())


def _changelog_mode(plan: Plan) -> str:
    # a sink has no output, as in Flink
    kinds = ("NONE",) if isinstance(plan, Write) else changes_of(plan)
    return f"  changelogMode=[{','.join(kinds)}]"


def explain_steps(plans: Sequence[Plan], steps: Sequence[Applied]) -> str:
    """The plans as they were written, and after each rule that changed something."""
    parts = [f"== plan ==\n{explain_plans(plans)}"]
    before: Sequence[Plan] = tuple(plans)
    for step in steps:
        parts.append(f"== {step.rule} ==\n{_changes(before, step.plans)}")
        before = step.plans
    if not steps:
        parts.append(f"== optimized ==\n{_SAME}")
    return "\n\n".join(parts)


def _changes(before: Sequence[Plan], after: Sequence[Plan]) -> str:
    printer = _Printer([new for old, new in zip(before, after, strict=True) if old != new])
    trees = iter(printer.trees())
    return "\n".join(_SAME if a == b else next(trees) for a, b in zip(before, after, strict=True))


class _Printer:
    """Trees of plans, in which a shared part is printed once."""

    def __init__(self, plans: Sequence[Plan], note: Callable[[Plan], str] = lambda plan: "") -> None:
        self._plans, self._note = plans, note
        self._reads: Counter[Plan] = Counter()
        self._numbers: dict[Plan, int] = {}
        for plan in plans:
            self._count(plan)

    def _count(self, plan: Plan) -> None:
        self._reads[plan] += 1
        if self._reads[plan] == 1:
            for below in plan.inputs:
                self._count(below)

    def trees(self) -> list[str]:
        """One text per plan."""
        return ["\n".join(self._lines(p, 0)) for p in self._plans]

    def _lines(self, plan: Plan, depth: int) -> Iterator[str]:
        indent = "  " * depth
        if plan in self._numbers:
            yield f"{indent}same as [{self._numbers[plan]}]"
            return
        label = ""
        if self._reads[plan] > 1 and plan.inputs:
            self._numbers[plan] = len(self._numbers) + 1
            label = f"[{self._numbers[plan]}] "
        name = "" if plan.name is None else f'  "{plan.name}"'
        yield f"{indent}{label}{plan.describe()}{_status(plan)}{name}{self._note(plan)}"
        for below in plan.inputs:
            yield from self._lines(below, depth + 1)


def _status(plan: Plan) -> str:
    return f" ({plan.source.status})" if isinstance(plan, Scan) and isinstance(plan.source, HasStatus) else ""
