"""Checkpoints that are damaged on the disk are noticed by whoever reads them, and stop nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from unittest import mock

import pytest

from tests.simulation.ablations import ABLATIONS
from tests.simulation.workloads import SimulatedWorkload, Workload, random_workload
from thalweg.checkpoint.history import History
from thalweg.testing.simulation.conditions import Conditions
from thalweg.testing.simulation.process import DIRECTORY, JOB
from thalweg.testing.simulation.simulation import Simulation, WrongError
from thalweg.testing.simulation.world import Fault

WORKLOAD = replace(random_workload(3), query="totals", to_files=False, is_swapped=True, takes=False)
STOPPED = Fault(1, "checkpoint.complete", 2, "kill")
FILES = range(4)
"""What a checkpoint of it consists of: the manifest, and files of state and of rows for the database."""


def _rot(file: int, process: int = 2) -> Fault:
    return Fault(0, "begin", process, "rot", file)


def _conditions(*faults: Fault, starts: tuple[str, ...] = ()) -> Conditions:
    return Conditions(3, faults, haste=0.1, interval=0.1, starts=starts)


def _simulation(conditions: Conditions, workload: Workload = WORKLOAD) -> Simulation:
    workload = replace(workload, has_lineages=bool(conditions.starts))
    return Simulation(SimulatedWorkload(workload), conditions)


def _events(simulation: Simulation, *words: str) -> Iterator[str]:
    """What has happened, without the time."""
    events = (event.partition(" ")[2] for event in simulation.world.events)
    return (event for event in events if any(word in event for word in words))


@pytest.mark.parametrize("file", FILES)
def test_the_process_that_goes_on_from_it_notices(file: int) -> None:
    simulation = _simulation(_conditions(STOPPED, _rot(file)))
    report = simulation.run()
    assert report.fired["rot"] == 1
    struck, mended, resumed = _events(simulation, "rot strikes", "is mended", "3 goes on from")
    assert struck.removeprefix("rot strikes ") == mended.removesuffix(" is mended")
    assert resumed > "3 goes on from 0"


@pytest.mark.parametrize("file", FILES)
def test_somebody_who_begins_anew_is_not_stopped_by_it(file: int) -> None:
    simulation = _simulation(_conditions(STOPPED, _rot(file), starts=("newest", "fresh")))
    assert simulation.run().fired["rot"] == 1
    told = list(_events(simulation, "rot strikes", "2 is to begin at", "2 goes on from", "is mended"))
    assert [event.split(" ")[-1] for event in told[1:3]] == ["fresh", "0"]
    assert told[0].startswith("rot strikes")
    assert told[3].endswith("is mended")
    assert not list(_events(simulation, "3 goes on from")), "the second process brought the job to its end"


@pytest.mark.parametrize("file", [0, 1])
def test_another_process_may_notice_first(file: int) -> None:
    """The one that it was damaged before stands still, before it has read it."""
    paused = Fault(2, "list other", 1, "pause", 400)
    simulation = _simulation(_conditions(STOPPED, _rot(file), paused))
    assert simulation.run().fired["rot"] == 1
    assert list(_events(simulation, "is mended"))
    assert not list(_events(simulation, "3 goes on from")), "it has noticed"
    assert list(_events(simulation, "4 goes on from")), "the next one goes on from what is mended"


class AlsoDamaged(SimulatedWorkload):
    """A checkpoint that is kept changes, though no fault says so, once a user has begun anew."""

    def committed(self, history: History) -> None:
        super().committed(history)
        if history.lineages() == [1, 2]:
            older, _ = history.places(1)
            self._world.medium.file(f"{DIRECTORY}/{JOB}/{older.name}").seen[-1:] = b""


def test_what_no_fault_has_struck_must_be_right_all_the_same() -> None:
    workload = replace(WORKLOAD, has_lineages=True)
    conditions = _conditions(STOPPED, _rot(0), starts=("newest", "fresh"))
    with pytest.raises(WrongError, match=r"S3: lineage-0001/checkpoint-\d+-001/manifest: .*damaged"):
        Simulation(AlsoDamaged(workload), conditions).run()


@pytest.mark.parametrize(("file", "ablation"), [(0, "hash of manifests"), (1, "hash of data files")])
def test_a_process_that_does_not_notice_is_noticed(file: int, ablation: str) -> None:
    """By the look at all checkpoints, and without it at what the process goes on from."""
    conditions = _conditions(STOPPED, _rot(file))
    with ABLATIONS[ablation]():
        with pytest.raises(WrongError, match=r"S6: lineage-0001/.* can be read"):
            _simulation(conditions).run()
        with (
            mock.patch.object(Simulation, "_check_checkpoints", return_value=None),
            pytest.raises(WrongError, match="S6: 2 has not noticed that"),
        ):
            _simulation(conditions).run()
