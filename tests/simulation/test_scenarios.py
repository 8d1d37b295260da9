"""What the simulation has once found is replayed, and would be found again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation.ablations import RARE
from tests.simulation.cases import simulate_case
from tests.simulation.shrinking import Scenario, fails, shrunk
from tests.simulation.workloads import SimulatedWorkload, Workload, random_workload
from thalweg.checkpoint.history import History
from thalweg.testing.simulation.conditions import Conditions
from thalweg.testing.simulation.process import DIRECTORY, JOB
from thalweg.testing.simulation.simulation import Simulation, WrongError
from thalweg.testing.simulation.world import Fault

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.json"))


def _read(path: Path) -> tuple[Scenario, str]:
    held = json.loads(path.read_text())
    return (Workload.from_data(held["workload"]), Conditions.from_data(held["conditions"])), held["without"]


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=[p.stem for p in FILES])
def test_a_scenario_holds(path: Path) -> None:
    scenario, _ = _read(path)
    simulate_case(*scenario)


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=[p.stem for p in FILES])
def test_a_scenario_still_shows_what_was_wrong(path: Path) -> None:
    scenario, ablation = _read(path)
    assert ablation, "a scenario says what its bug left out"
    assert fails(scenario, ablation)


def test_what_seeds_notice_seldom_has_a_scenario() -> None:
    assert RARE.keys() <= {_read(path)[1] for path in FILES}


@pytest.mark.slow
def test_what_fails_is_made_small() -> None:
    workload = replace(random_workload(3), query="rows", to_files=False)
    noise = tuple(Fault(1, "step", n, "skew", 5) for n in (3, 9, 20))
    conditions = Conditions(3, (*noise, Fault(1, "checkpoint.published", 1, "kill")), parallelism=(3, 2))
    scenario = workload, conditions
    assert fails(scenario, "commit at the beginning")
    small, simple = shrunk(scenario, lambda s: fails(s, "commit at the beginning"))
    assert [f.kind for f in simple.faults] == ["kill"]
    assert len(simple.parallelism) == 1
    assert sum(map(len, small.splits)) < sum(map(len, workload.splits))


class Rotten(SimulatedWorkload):
    """A workload whose state changes on the disk, once a checkpoint is committed."""

    def committed(self, history: History) -> None:
        super().committed(history)
        _, place = history.newest()
        assert place is not None, "it was committed"
        for name in history.manifest(place).files:
            held = self._world.medium.file(f"{DIRECTORY}/{JOB}/data/{name}").seen
            held[:] = bytes(len(held))


def test_a_checkpoint_whose_state_has_changed_is_noticed() -> None:
    workload = replace(random_workload(3), query="totals", to_files=False)
    conditions = Conditions(3, interval=0.1)
    simulate_case(workload, conditions)
    with pytest.raises(WrongError, match=r"S3: lineage-0001/checkpoint-.*damaged"):
        Simulation(Rotten(workload), conditions).run()


def test_a_process_that_reads_nothing_of_it_is_not_to_notice_damage() -> None:
    workload = replace(random_workload(3), query="totals", to_files=False, has_lineages=True)
    faults = Fault(1, "step", 40, "stop"), Fault(0, "begin", 2, "rot", 5)
    anew = Conditions(3, faults, starts=("newest", "fresh"))
    assert simulate_case(workload, anew).fired["lineage"] == 1
    assert simulate_case(workload, replace(anew, starts=())).fired["rot"] == 1
