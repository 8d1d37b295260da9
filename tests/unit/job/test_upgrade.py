"""A job takes over all of its own, whatever the planner calls the steps, and nothing of another one."""

from __future__ import annotations

import json

import pytest

from thalweg.cli import nexmark
from thalweg.cli.nexmark_texts import QUERIES
from thalweg.connectors.sinks import ChecksumSink
from thalweg.job.shape import JobShape, program_of, shape_of
from thalweg.job.upgrade import Upgrade, upgrade
from thalweg.optimizer.optimize import optimize
from thalweg.optimizer.standard import RULES
from thalweg.physical.planner import plan_job

NAMES = sorted(QUERIES)


def shape(*names: str) -> JobShape:
    """The shape of a job of some queries, each with a sink."""
    session = nexmark.nexmark_session(nexmark.events(1000), parallelism=2)
    for name in names:
        session.write_sink(nexmark.query(session, name), ChecksumSink())
    plans, _ = optimize(session.sinks, RULES)
    return program_of(plan_job(plans, name="job", parallelism=2)).shape


def states(found: JobShape) -> list[str]:
    return [step.id for stage in found.stages for step in stage.steps if step.states]


def carried(found: Upgrade) -> dict[str, str]:
    return {before.id: after.id for before, after in found.carried if before.kind == "state"}


@pytest.mark.parametrize("name", NAMES)
def test_a_job_takes_over_all_of_its_own(name: str) -> None:
    found = shape(name)
    assert shape_of(json.loads(json.dumps(found.plain()))) == found
    assert carried(upgrade(found, found)) == {id: id for id in states(found)}
    own = upgrade(found, found)
    assert (own.dropped, own.begun, own.ambiguous) == ((), (), ())


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("q5", "q17")])
def test_names_that_the_planner_gives_decide_nothing(name: str) -> None:
    """Two other queries come before it, so that its steps have other numbers."""
    alone, among = shape(name), shape("q5", "q17", name)
    found = upgrade(alone, among)
    assert set(carried(found)) == set(states(alone))
    back = upgrade(among, alone)
    assert {after: before for before, after in carried(back).items()} == carried(found)


@pytest.mark.parametrize(("before", "after"), [("q5", "q12"), ("q17", "q15"), ("q18", "q19"), ("q8", "q20")])
def test_another_query_takes_over_nothing(before: str, after: str) -> None:
    found = upgrade(shape(before), shape(after))
    assert carried(found) == {}
    assert {p.id for p in found.dropped if p.kind == "state"} == set(states(shape(before)))
