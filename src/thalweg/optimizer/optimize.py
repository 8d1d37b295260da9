"""Apply rules to plans until nothing changes.

A rule is a function from a plan node to a plan node (the same object where it has nothing to say),
kept in a file of its own name under rules/. The rules are one ordered tuple. Each is held to law 6:
the plan before and after gives the same result and schema. A rule may take away the failure of a
value that the result does not need (SQL leaves the order of conditions open), but never add one.

All plans of a job are rewritten together, below one node `Roots`: what they share stays shared, and
a rule that must know every reader of a step (which columns does anybody need?) acts on that node.

Not here: what a rule does (rules/), choosing operators (physical/).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from thalweg.base.schema import Schema
from thalweg.errors import InternalError, PlanError
from thalweg.plan.nodes import Plan

Rule = Callable[[Plan], Plan]
_ROUNDS_MAX = 50


@dataclass(frozen=True)
class Roots(Plan):
    """All plans of one job; rules for the whole act on it, and no other step ever reads it."""

    plans: tuple[Plan, ...]

    @property
    def inputs(self) -> tuple[Plan, ...]:
        return self.plans

    def with_inputs(self, inputs: tuple[Plan, ...]) -> Plan:
        return replace(self, plans=inputs)

    @cached_property
    def schema(self) -> Schema:
        return Schema(())


@dataclass(frozen=True)
class Applied:
    """One rule that changed something, and all plans after it."""

    rule: str
    plans: tuple[Plan, ...]


def optimize(roots: Sequence[Plan], rules: Sequence[Rule]) -> tuple[list[Plan], list[Applied]]:
    """The plans after all rules, and what each rule did, in order.

    Raises:
        PlanError: a rule returned something else than a plan.
        InternalError: a rule changed the columns of a result, or the rules never come to rest.
    """
    steps: list[Applied] = []
    plans = tuple(roots)
    for _ in range(_ROUNDS_MAX):
        before = plans
        for rule in rules:
            changed = _applied(rule, plans)
            if changed != plans:
                _check(rule, plans, changed)
                steps.append(Applied(name_of(rule), changed))
                plans = changed
        if plans is before:
            return list(plans), steps
    raise InternalError("the optimizer's rules do not come to rest", code="internal-optimizer-loop")


def _applied(rule: Rule, plans: tuple[Plan, ...]) -> tuple[Plan, ...]:
    whole = everywhere(Roots(plans), lambda plan: _result(rule, plan))
    assert isinstance(whole, Roots), "what a rule makes of the roots was looked at"
    return whole.plans


def _result(rule: Rule, plan: Plan) -> Plan:
    """What a rule makes of a step; rules are written by users too, and may return anything."""
    made: object = rule(plan)
    if isinstance(made, Roots if isinstance(plan, Roots) else Plan):
        return made
    raise PlanError(
        f'the rule "{name_of(rule)}" returned something else than a plan',
        code="plan-rule-result",
        where=_place_of(rule),
        expected="all plans of the job together (Roots)" if isinstance(plan, Roots) else "a step of a plan",
        found=f"{type(made).__name__} for {plan.describe()}",
        hint="a rule returns the step that it was given where it has nothing to say",
    )


def _place_of(rule: Rule) -> str | None:
    code = getattr(rule, "__code__", None)
    return None if code is None else f"{code.co_filename}:{code.co_firstlineno}"


def everywhere(plan: Plan, rule: Rule) -> Plan:
    """The plan with the rule applied to every node, inputs first; shared nodes stay shared."""
    return _visited(plan, rule, {})


def _visited(node: Plan, rule: Rule, seen: dict[int, Plan]) -> Plan:
    # no function inside another one: it would hold itself, and with it all plans and their results
    known = seen.get(id(node))
    if known is None:
        known = seen[id(node)] = rule(over(node, [_visited(i, rule, seen) for i in node.inputs]))
    return known


def over(plan: Plan, inputs: Sequence[Plan]) -> Plan:
    """The step over other inputs; the same object if they are the ones that it has."""
    if all(a is b for a, b in zip(inputs, plan.inputs, strict=True)):
        return plan
    return plan.with_inputs(tuple(inputs))


def name_of(rule: Rule) -> str:
    """What a rule is called."""
    return str(getattr(rule, "__name__", type(rule).__name__))


def _check(rule: Rule, before: tuple[Plan, ...], after: tuple[Plan, ...]) -> None:
    for old, new in zip(before, after, strict=True):
        if old.schema != new.schema:
            raise InternalError(
                f'the rule "{name_of(rule)}" changed the columns of the result',
                code="internal-rule-schema",
                expected=str(old.schema),
                found=str(new.schema),
            )
