"""Say whether the simulation notices that a safeguard is switched off.

    python -m tests.simulation.noticing SHARE SHARES

prints for every so many of the ablations the first seed that notices it, as JSON. Seeds that are known are
tried first (`noticed.json`; `--keep` writes what was found there).
"""

from __future__ import annotations

import json
import sys
from itertools import chain
from pathlib import Path

from tests.simulation.ablations import ABLATIONS, OF_LINEAGES
from tests.simulation.cases import LINEAGES, simulate
from tests.simulation.plans import FIRST

SEEDS = 1000
KNOWN = Path(__file__).parent / "noticed.json"


def notices(name: str, seed: int) -> bool:
    """Whether a seed fails without a safeguard."""
    with ABLATIONS[name]():
        # in here: what cannot be switched off is not noticed
        try:
            simulate(seed)
        except Exception:  # noqa: BLE001 - whatever is raised is noticed
            return True
    return False


def seeds_for(name: str) -> range:
    """The seeds that are tried without a safeguard."""
    if name in OF_LINEAGES:
        return range(FIRST + LINEAGES, FIRST + LINEAGES + 4 * SEEDS, 4)
    return range(SEEDS)


def first_to_notice(name: str, known: int | None = None) -> int | None:
    """The first seed that fails without a safeguard; it does not fail with it."""
    seeds = chain(() if known is None else (known,), seeds_for(name))
    found = next((seed for seed in seeds if notices(name, seed)), None)
    if found is not None:
        simulate(found)
    return found


def main() -> None:
    """Look for a seed for each ablation of a share."""
    share, shares = map(int, sys.argv[1:3])
    known = json.loads(KNOWN.read_text()) if KNOWN.exists() else {}
    found = {}
    for name in sorted(ABLATIONS)[share::shares]:
        found[name] = first_to_notice(name, known.get(name))
        if "--keep" in sys.argv:
            kept = {**known, **{n: seed for n, seed in found.items() if seed is not None}}
            KNOWN.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
