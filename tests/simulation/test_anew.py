"""A user may begin a job anew while it comes to its end: then it has not ended before that has."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import pytest

from tests.simulation.workloads import SimulatedWorkload, random_workload
from thalweg.testing.simulation.conditions import Conditions
from thalweg.testing.simulation.simulation import Simulation, WrongError
from thalweg.testing.simulation.world import Fault

STOPPED = Fault(1, "checkpoint.complete", 1, "kill")
LATE = Fault(2, "list other", 1, "pause", 5000)
"""The user's process stands still before it has begun, until the one after it has ended the job."""


def _simulation(start: str, *faults: Fault) -> Simulation:
    workload = replace(random_workload(3), query="totals", to_files=False, has_lineages=True)
    conditions = Conditions(3, (STOPPED, LATE, *faults), interval=0.1, retained=9, starts=("newest", start))
    return Simulation(SimulatedWorkload(workload), conditions)


def _begun(simulation: Simulation) -> list[str]:
    events = (event.partition(" ")[2] for event in simulation.world.events)
    return [e for e in events if e.endswith("job begins") or "goes on from" in e or "is resumed" in e]


@pytest.mark.parametrize("start", ["fresh", "older"])
@pytest.mark.parametrize("kind", ["kill", "power", "stop"])
def test_a_run_that_was_begun_anew_and_broken_off_goes_on(start: str, kind: str) -> None:
    simulation = _simulation(start, Fault(2, "step", 12, kind))
    simulation.run()
    begun = _begun(simulation)
    assert begun[:2] == ["1 job begins", "1 goes on from 0"]
    third = begun.index("3 job begins")
    late = begun.index("2 is resumed")
    assert third < late < begun.index("4 job begins"), "a fourth one takes up what the second had begun"
    assert [e for e in begun if e.startswith("4 goes on from")]
    assert begun[-1] == "5 job begins", "which has ended when it is started once more"


@pytest.mark.parametrize("start", ["fresh", "older"])
def test_a_run_that_was_begun_anew_brings_the_job_to_its_end(start: str) -> None:
    simulation = _simulation(start)
    simulation.run()
    begun = _begun(simulation)
    assert begun.index("3 job begins") < begun.index("2 is resumed")
    assert begun[-2].startswith("2 goes on from")
    assert begun[-1] == "4 job begins"


def test_a_run_that_is_left_broken_off_is_noticed() -> None:
    simulation = _simulation("fresh", Fault(2, "step", 12, "kill"))
    with (
        mock.patch.object(Simulation, "_has_begun_anew", return_value=False),
        pytest.raises(WrongError, match="S7: a job that has ended began again"),
    ):
        simulation.run()
