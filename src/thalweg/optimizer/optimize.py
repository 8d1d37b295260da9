"""Apply rules to a plan until nothing changes.

A rule is a function from a plan node to a plan node (the same object where it has nothing to say),
kept in a file of its own name under rules/. The rules are one ordered tuple. Each is held to law 6:
the plan before and after gives the same result and schema.

Not here: what a rule does (rules/), choosing operators (physical/).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from thalweg.errors import InternalError
from thalweg.plan.nodes import Plan

Rule = Callable[[Plan], Plan]
_ROUNDS_MAX = 50


@dataclass(frozen=True)
class Applied:
    """One rule that changed a plan, and the plan after it."""

    rule: str
    plan: Plan


def optimize(roots: Sequence[Plan], rules: Sequence[Rule]) -> tuple[list[Plan], list[Applied]]:
    """The plans after all rules, and what each rule did, in order.

    Raises:
        InternalError: a rule changed the schema, or the rules never come to rest.
    """
    steps: list[Applied] = []
    done = []
    for root in roots:
        done.append(_to_rest(root, rules, steps))
    return done, steps


def _to_rest(plan: Plan, rules: Sequence[Rule], steps: list[Applied]) -> Plan:
    for _ in range(_ROUNDS_MAX):
        before = plan
        for rule in rules:
            changed = everywhere(plan, rule)
            if changed is not plan and changed != plan:
                _check(rule, plan, changed)
                steps.append(Applied(rule.__name__, changed))
                plan = changed
        if plan == before:
            return plan
    raise InternalError("the optimizer's rules do not come to rest", code="internal-optimizer-loop")


def everywhere(plan: Plan, rule: Rule) -> Plan:
    """The plan with the rule applied to every node, inputs first; shared nodes stay shared."""
    seen: dict[int, Plan] = {}

    def visit(node: Plan) -> Plan:
        known = seen.get(id(node))
        if known is not None:
            return known
        inputs = tuple(visit(i) for i in node.inputs)
        same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
        made = rule(node if same else node.with_inputs(inputs))
        seen[id(node)] = made
        return made

    return visit(plan)


def _check(rule: Rule, before: Plan, after: Plan) -> None:
    if before.schema != after.schema:
        raise InternalError(
            f'the rule "{rule.__name__}" changed the columns of the result',
            code="internal-rule-schema",
            expected=str(before.schema),
            found=str(after.schema),
        )
