"""Make what fails small: a scenario, that is a workload and conditions as plain data.

    python -m tests.simulation.shrinking SEED [ABLATION]

shrinks a seed that fails (without a safeguard, if one is named) and prints the scenario. Tried in this order,
each as long as it still fails: fewer kinds of faults, fewer faults, fewer rows, fewer splits, one task, tasks
in order, and plain edges.

Not here: which scenarios are kept (scenarios/), and that they are replayed (test_scenarios.py).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace

from tests.simulation.ablations import ABLATIONS, OF_SCENARIOS
from tests.simulation.cases import simulate_case
from tests.simulation.workloads import Workload, random_workload
from thalweg.testing.simulation.conditions import Conditions, random_conditions

RUNS_MAX = 500
Scenario = tuple[Workload, Conditions]


def fails(scenario: Scenario, ablation: str = "") -> bool:
    """Whether something does not hold."""
    with (ABLATIONS | OF_SCENARIOS)[ablation]() if ablation else nullcontext():
        try:
            simulate_case(*scenario)
        except Exception:  # noqa: BLE001 - a crash is a failure like a wrong answer
            return True
    return False


def shrunk(scenario: Scenario, is_failing: Callable[[Scenario], bool], runs: int = RUNS_MAX) -> Scenario:
    """The smallest scenario that was found to fail, after so many runs."""
    left = runs
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for candidate in _smaller(*scenario):
            if left <= 0:
                return scenario
            left -= 1
            if is_failing(candidate):
                scenario, is_smaller = candidate, True
                break
    return scenario


def _smaller(workload: Workload, conditions: Conditions) -> Iterator[Scenario]:
    """Scenarios that are a little smaller, the greatest steps first."""
    faults = conditions.faults
    for kind in sorted({f.kind for f in faults}):
        yield workload, replace(conditions, faults=tuple(f for f in faults if f.kind != kind))
    for at in range(len(faults)):
        yield workload, replace(conditions, faults=(*faults[:at], *faults[at + 1 :]))
    splits = workload.splits
    for at, rows in enumerate(splits):
        for kept in (len(rows) // 2, len(rows) - 1):
            if 0 <= kept < len(rows):
                yield replace(workload, splits=(*splits[:at], rows[:kept], *splits[at + 1 :])), conditions
    for at, rows in enumerate(splits):
        if not rows and len(splits) > 1:
            yield replace(workload, splits=(*splits[:at], *splits[at + 1 :])), conditions
    for simple in (
        {"parallelism": conditions.parallelism[:1]},
        {"parallelism": (1,)},
        {"haste": 0.0},
        {"is_slow": False},
    ):
        changed = replace(conditions, **simple)  # type: ignore[arg-type]
        if changed != conditions:
            yield workload, changed


def main() -> None:
    """Shrink the seed of the command line."""
    seed, ablation = int(sys.argv[1]), " ".join(sys.argv[2:])
    scenario = random_workload(seed), random_conditions(seed)
    assert fails(scenario, ablation), "only what fails can be made smaller"
    workload, conditions = shrunk(scenario, lambda s: fails(s, ablation))
    data = {
        "found": "say what was wrong",
        "without": ablation,
        "workload": workload.to_data(),
        "conditions": conditions.to_data(),
    }
    print(json.dumps(data, indent=1))


if __name__ == "__main__":
    main()
