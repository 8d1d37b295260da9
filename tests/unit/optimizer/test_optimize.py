"""Rules are applied to all plans of a job at once, until nothing changes."""

from __future__ import annotations

import pytest

from thalweg.errors import InternalError, PlanError
from thalweg.expr.nodes import Column, Named
from thalweg.optimizer.explain import explain_plan, explain_steps
from thalweg.optimizer.optimize import Roots, everywhere, optimize
from thalweg.optimizer.rules.drop_trivial_projection import drop_trivial_projection
from thalweg.optimizer.rules.prune_columns import prune_columns
from thalweg.plan.nodes import Limit, Plan, Project, Union, rows

TABLE = rows({"a": [1, 2], "b": [3, 4]})


def pick(plan: Plan, *names: str) -> Project:
    return Project(plan, tuple(Named(n, Column(n)) for n in names))


def halve(plan: Plan) -> Plan:
    """A rule for tests: limits go down by half, to one."""
    return Limit(plan.input, plan.count // 2) if isinstance(plan, Limit) and plan.count > 1 else plan


def test_a_rule_is_applied_until_it_has_nothing_to_say() -> None:
    (made,), steps = optimize([Limit(TABLE, 9)], [halve])
    assert made == Limit(TABLE, 1)
    assert [s.rule for s in steps] == ["halve"] * 3
    assert steps[0].plans == (Limit(TABLE, 4),)


def test_without_a_change_the_plan_is_the_same_object() -> None:
    plan = Limit(TABLE, 1)
    made, steps = optimize([plan], [halve])
    assert made[0] is plan
    assert steps == []


def test_inputs_come_first_and_shared_steps_stay_shared() -> None:
    shared = pick(TABLE, "a", "b")
    seen: list[str] = []

    def note(plan: Plan) -> Plan:
        seen.append(plan.describe())
        return drop_trivial_projection(plan)

    made = everywhere(Union((Limit(shared, 1), Limit(shared, 2))), note)
    assert seen == ["Values 2 rows", "Project a, b", "Limit 1", "Limit 2", "Union of 2"]
    assert made == Union((Limit(TABLE, 1), Limit(TABLE, 2)))


def test_a_rule_for_the_whole_sees_all_plans_once() -> None:
    seen: list[Plan] = []

    def note(plan: Plan) -> Plan:
        if isinstance(plan, Roots):
            seen.append(plan)
        return plan

    optimize([TABLE, Limit(TABLE, 1)], [note])
    assert seen == [Roots((TABLE, Limit(TABLE, 1)))]


def test_a_rule_that_changes_the_columns_is_found_out() -> None:
    def lose(plan: Plan) -> Plan:
        return pick(plan, "a") if plan == TABLE else plan

    with pytest.raises(InternalError) as caught:
        optimize([Limit(TABLE, 1)], [lose])
    assert caught.value.code == "internal-rule-schema"
    assert '"lose"' in str(caught.value)


@pytest.mark.parametrize("kind", [Project, Roots])
def test_a_rule_that_returns_no_plan_is_found_out(kind: type[Plan]) -> None:
    def forgetful(plan: Plan) -> Plan:
        return None if isinstance(plan, kind) else plan  # type: ignore[return-value]

    with pytest.raises(PlanError) as caught:
        optimize([pick(TABLE, "a")], [forgetful])
    error = caught.value
    assert error.code == "plan-rule-result"
    assert '"forgetful"' in error.message
    assert str(error.where).startswith(f"{__file__}:")


def test_rules_that_never_come_to_rest_are_stopped() -> None:
    def flip(plan: Plan) -> Plan:
        return Limit(plan.input, 3 - plan.count) if isinstance(plan, Limit) else plan

    with pytest.raises(InternalError) as caught:
        optimize([Limit(TABLE, 1)], [flip])
    assert caught.value.code == "internal-optimizer-loop"


def test_plans_are_printed_as_trees_in_which_shared_parts_stand_once() -> None:
    shared = Limit(TABLE, 2)
    text = explain_plan(Union((pick(shared, "a"), Project(shared, (Named("a", Column("b")),)))))
    assert text.splitlines() == [
        "Union of 2",
        "  Project a",
        "    [1] Limit 2",
        "      Values 2 rows",
        "  Project b AS a",
        "    same as [1]",
    ]


def test_every_stage_is_printed_and_what_stays_is_said_to() -> None:
    plans = [Limit(TABLE, 2), pick(TABLE, "a")]
    _, steps = optimize(plans, [halve])
    assert explain_steps(plans, steps).splitlines() == [
        "== plan ==",
        "Limit 2",
        "  Values 2 rows",
        "Project a",
        "  Values 2 rows",
        "",
        "== halve ==",
        "Limit 1",
        "  Values 2 rows",
        "same as above",
    ]


def test_nothing_changed_is_said_too() -> None:
    plans = [Limit(TABLE, 1)]
    _, steps = optimize(plans, [halve, prune_columns])
    assert explain_steps(plans, steps).endswith("== optimized ==\nsame as above")
