"""Check very many random plans: a stream, a batch and DuckDB, or a reference in Python, give the same.

    python -m tests.suites.fuzz_sql [--plans 20000] [--first 0] [--processes n]

What was done is kept in `benchmarks/suites/fuzz-sql.json` with its seeds; a run that was stopped goes on. A
failure names its seed: `check_plan(seed)` repeats it.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from random import Random

from tests.property.harness import batch, random_way, stream
from tests.property.laws import check, expected
from tests.property.oracle import Unspeakable, ask
from tests.property.pane_plans import pane_case
from tests.property.plans import random_case
from tests.property.queries import random_query_case
from tests.property.recording import same
from tests.property.small_plans import small_case
from tests.suites.ledger import RESULTS, Ledger, Outcome, work_off
from thalweg.plan.late import Behind
from thalweg.plan.nodes import Late

SEEDS_PER_CASE = 25
CASES = (*[random_case] * 7, pane_case, small_case)
"""Plans of any shape, windows that share panes, joins with small inputs; every tenth seed is SQL."""


def check_plan(seed: int) -> Counter[str]:
    """Run the plans of one seed in both modes, ask DuckDB and the reference; what was compared with what."""
    r = Random(seed)
    if seed % 10 == 9:
        return _check_query(seed, r)
    case = CASES[seed % 10](r, is_punctual=True)
    way = random_way(r, case.rows)
    wanted = expected(case)
    found = batch(case)
    check(case, found, wanted, f"seed {seed}, batch")
    check(case, stream(case, way).tables(), wanted, f"seed {seed}, stream, {way}")
    met: Counter[str] = Counter(plans=1)
    for root, table in zip(case.roots, found, strict=True):
        try:
            if not isinstance(root, (Behind, Late)):
                same(table, ask(root), f"seed {seed}, DuckDB\n{case!r}\n")
                met["compared with DuckDB"] += 1
        except Unspeakable:
            met["compared with the reference only"] += 1
    return met


def _check_query(seed: int, r: Random) -> Counter[str]:
    """The same for SQL with queries inside queries, which DuckDB takes as it is."""
    asked = random_query_case(r)
    way, wanted = random_way(r, asked.case.rows), [asked.answer()]
    check(
        asked.case, batch(asked.case, is_optimized=way.is_optimized), wanted, f"seed {seed}, batch, {asked!r}"
    )
    check(asked.case, stream(asked.case, way).tables(), wanted, f"seed {seed}, stream, {way}, {asked!r}")
    return Counter({"plans": 1, "compared with DuckDB": 1})


def run(case: str) -> Outcome:
    """Check the plans of the seeds from one number to another; which failed and why."""
    first, last = map(int, case.split("-"))
    met: Counter[str] = Counter()
    failed: dict[int, str] = {}
    for seed in range(first, last + 1):
        try:
            met += check_plan(seed)
        except Exception as error:  # noqa: BLE001 - a crash is a failure like a wrong answer
            failed[seed] = f"seed {seed}: {type(error).__name__}: {error}"[:2000]
    return {**met, "error": "\n\n".join(failed.values()), "seeds": [*failed]} if failed else dict(met)


def cases(first: int, plans: int) -> list[str]:
    """The seeds in portions, as names."""
    end = first + plans
    starts = range(first, end, SEEDS_PER_CASE)
    return [f"{at:06}-{min(at + SEEDS_PER_CASE, end) - 1:06}" for at in starts]


def main() -> int:
    """Check plans until all are done; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int)
    asked = parser.parse_args()
    about = {"question": "stream = batch = DuckDB for random plans", "seeds_per_case": SEEDS_PER_CASE}
    ledger = Ledger.opened(RESULTS / "fuzz-sql.json", about)
    chosen = cases(asked.first, asked.plans)
    return min(1, work_off(ledger, chosen, run, processes=asked.processes))


if __name__ == "__main__":
    sys.exit(main())
