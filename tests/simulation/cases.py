"""Simulate seeds: the workload and the conditions of a number, and what came of them.

    python -m tests.simulation.cases FIRST LAST [PART OF PARTS]

prints one line of JSON: how often each fault has struck, the trace of each seed, and what went wrong. A
failure names its seed: `python -m tests.simulation.cases SEED SEED` repeats it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import polars as pl

from tests.simulation.plans import FIRST, PlanCase, SimulatedPlans, is_plan_seed, random_plans
from tests.simulation.workloads import SimulatedWorkload, Workload, random_workload
from thalweg.testing.simulation.conditions import Conditions, random_conditions, with_lineages
from thalweg.testing.simulation.simulation import Report, Simulation

FAILURES = (Exception, pl.exceptions.PanicException)
"""A crash is a failure like a wrong answer, also one of Polars, which is no `Exception`."""
LINEAGES = 2
"""Of four seeds from `FIRST` on, the one in which users begin anew."""


def simulate(seed: int) -> Report:
    """Simulate the workload of a seed under its conditions.

    Raises:
        Exception: something does not hold.
    """
    if is_plan_seed(seed):
        return simulate_plans(random_plans(seed), random_conditions(seed))
    return simulate_case(*scenario_of(seed))


def scenario_of(seed: int) -> tuple[Workload, Conditions]:
    """The workload and the conditions of a seed that has no random plans."""
    workload, conditions = random_workload(seed), random_conditions(seed)
    if has_lineages(seed):
        workload, conditions = replace(workload, has_lineages=True), with_lineages(conditions)
    return workload, conditions


def is_failing(simulated: Callable[[], object]) -> bool:
    """Whether something does not hold.

    Raises:
        Exception: what was patched from outside does not fit the code any more; nothing was simulated.
    """
    try:
        simulated()
    except (TypeError, AttributeError, NameError):
        raise
    except FAILURES:
        return True
    return False


def has_lineages(seed: int) -> bool:
    """Whether users begin anew now and then, in the simulation of a seed."""
    return seed >= FIRST and seed % 4 == LINEAGES


def simulate_case(workload: Workload, conditions: Conditions) -> Report:
    """Simulate a workload under some conditions."""
    return Simulation(SimulatedWorkload(workload), conditions).run()


def simulate_plans(plans: PlanCase, conditions: Conditions) -> Report:
    """Simulate random plans under some conditions."""
    subject = SimulatedPlans(plans)
    return Simulation(subject, conditions, adapt=subject.adapted).run()


def outcome(seeds: Iterable[int]) -> dict[str, Any]:
    """What came of some seeds, as plain JSON."""
    fired: Counter[str] = Counter()
    reached: Counter[str] = Counter()
    traces: dict[str, str] = {}
    failed: dict[str, str] = {}
    processes = points = 0
    for seed in seeds:
        try:
            report = simulate(seed)
        except FAILURES as error:
            notes = "\n".join(getattr(error, "__notes__", ()))
            failed[str(seed)] = f"seed {seed}: {type(error).__name__}: {error}\n{notes}"[:6000]
            continue
        fired.update(report.fired)
        reached.update(report.reached)
        traces[str(seed)] = report.trace
        processes, points = processes + report.processes, points + report.points
    return {
        "fired": dict(sorted(fired.items())),
        "reached": dict(sorted(reached.items())),
        "processes": processes,
        "points": points,
        "traces": traces,
        "failed": failed,
    }


def main() -> int:
    """Simulate the seeds of the command line; 1 if one failed."""
    first, last = map(int, sys.argv[1:3])
    found = outcome(range(first, last + 1))
    print(json.dumps(found))
    for text in found["failed"].values():
        print(text, file=sys.stderr)
    return min(1, len(found["failed"]))


if __name__ == "__main__":
    sys.exit(main())
