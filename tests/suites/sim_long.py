"""Simulate very many seeds, and count how often each safeguard that is switched off is noticed.

    python -m tests.suites.sim_long [--seeds 20000] [--first 0] [--processes n]

Every seed is a job on a simulated machine that crashes, pauses, fills and forgets: no row may be lost or
repeated. Each ablation is tried until it was noticed three times, with a thousand seeds at most: one must
notice it. And the lines of production code are counted that a thousand seeds run. What was done is kept in
`benchmarks/suites/sim-long.json`; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from tests.suites.ledger import RESULTS, Ledger, Outcome, work_off

SEEDS_PER_CASE = 50
NOTICED = 3
LINES, LINE_SEEDS = "lines of production code", 1000


def run(case: str) -> Outcome:
    """Simulate the seeds from one number to another, or try one ablation."""
    # imported here: what a worker's Polars may use is decided before it is loaded
    from tests.simulation.cases import outcome

    if case.startswith("without "):
        return _ablated(case.removeprefix("without "))
    if case == LINES:
        return _lines()
    first, last = map(int, case.split("-"))
    found = outcome(range(first, last + 1))
    failed = found.pop("failed")
    traces = found.pop("traces")
    error = {"error": "\n\n".join(failed.values())[:4000], "failed_seeds": [*failed]} if failed else {}
    return {"seeds": len(traces) + len(failed), **found, **error}


def _lines() -> Outcome:
    """Which part of the lines that a simulated job can run are run by a thousand seeds."""
    from tests.simulation.coverage import (
        PACKAGES,
        WANTED,
        covered,
        figures,
        mixed_seeds,
        reached_share,
        share,
    )

    found = figures(covered(mixed_seeds(LINE_SEEDS)))
    reached = reached_share(found)
    parts = {p: share(pair for name, pair in found.items() if name.startswith(f"{p}/")) for p in PACKAGES}
    shares = {"all": share(found.values()), "reachable": reached, **parts}
    error: dict[str, Any] = {} if reached >= WANTED else {"error": f"only {reached:.1%} of the lines are run"}
    return {"seeds": LINE_SEEDS, "shares": {name: round(s, 4) for name, s in shares.items()}, **error}


def _ablated(name: str) -> Outcome:
    """How many seeds it takes to notice three times that a safeguard is switched off; a thousand at most."""
    from tests.simulation.noticing import notices, seeds_for

    noticed: list[int] = []
    tried = 0
    for seed in seeds_for(name):
        tried += 1
        if notices(name, seed):
            noticed.append(seed)
        if len(noticed) == NOTICED:
            break
    error: dict[str, Any] = {} if noticed else {"error": f"nobody notices: {name}"}
    return {"seeds": tried, "noticed": noticed, **error}


def cases(first: int, seeds: int) -> list[str]:
    """The seeds in portions, and the ablations, as names."""
    from tests.simulation.ablations import ABLATIONS

    end = first + seeds
    portions = (f"{at:06}-{min(at + SEEDS_PER_CASE, end) - 1:06}" for at in range(first, end, SEEDS_PER_CASE))
    return [LINES, *(f"without {name}" for name in ABLATIONS), *portions]


def main() -> int:
    """Simulate until all cases are done; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int)
    asked = parser.parse_args()
    os.environ["POLARS_MAX_THREADS"] = "1"
    about = {
        "question": "rows lost or repeated by simulated jobs; safeguards whose absence is noticed",
        "seeds_per_case": SEEDS_PER_CASE,
    }
    ledger = Ledger.opened(RESULTS / "sim-long.json", about)
    chosen = cases(asked.first, asked.seeds)
    return min(1, work_off(ledger, chosen, run, processes=asked.processes))


if __name__ == "__main__":
    sys.exit(main())
