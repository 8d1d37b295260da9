"""Print plans, and what each rule did to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from thalweg.optimizer.optimize import Applied
from thalweg.plan.nodes import Plan


def explain_steps(roots: Sequence[Plan], steps: Sequence[Applied]) -> str:
    """The plans as written, and after each rule that changed one."""
    parts = ["== plan ==", *("\n".join(tree(r)) for r in roots)]
    for step in steps:
        parts += [f"== after {step.rule} ==", "\n".join(tree(step.plan))]
    return "\n".join(parts)


def tree(plan: Plan, depth: int = 0) -> Iterator[str]:
    """A plan as indented lines, the last step first."""
    yield "  " * depth + plan.describe()
    for below in plan.inputs:
        yield from tree(below, depth + 1)
