"""Do very many cases in parallel, and keep what is done in a file: whoever stops a run can go on with it.

A run belongs to the state of `src/` at one commit: at another one it begins anew. What is kept says on which
machine and at which commit it was found; `benchmarks/stale.py` says when `src/` has changed since.

Not here: what the cases are (nexmark_all.py, fuzz_sql.py).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from polars.exceptions import PanicException

from benchmarks.stale import commits_since
from thalweg.cli.bench.machine import facts

RESULTS = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "suites"
_SAVE_EVERY = 5.0
Outcome = dict[str, Any]


@dataclass
class Ledger:
    """The outcomes of the cases that were done, by name, and where they are kept.

    Attributes:
        path: the file.
        about: what holds for all cases, such as seeds.
        machine: on what, and at which commit, as it was when the run began.
        outcomes: of each case; one with an `error` is done again.
        left: how many cases of the last run were not done in it or before.
    """

    path: Path
    about: Mapping[str, Any]
    machine: Mapping[str, Any]
    outcomes: dict[str, Outcome]
    left: int = 0

    @staticmethod
    def opened(path: Path, about: Mapping[str, Any]) -> Ledger:
        """The file, if it is of the same sources and about the same cases; otherwise an empty one."""
        kept = json.loads(path.read_text()) if path.exists() else {}
        before = kept.get("machine", {}).get("commit")
        machine = facts()
        is_same = kept.get("about") == dict(about) and _are_same(machine["commit"], before)
        return Ledger(path, about, machine, kept["outcomes"] if is_same else {})

    def is_done(self, case: str) -> bool:
        """Whether the case went well before."""
        return case in self.outcomes and "error" not in self.outcomes[case]

    @property
    def failures(self) -> dict[str, str]:
        """What went wrong, by case."""
        return {case: o["error"] for case, o in sorted(self.outcomes.items()) if "error" in o}

    def save(self) -> None:
        """Write the file; whoever reads it sees a whole one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = {
            "machine": dict(self.machine),
            "about": dict(self.about),
            "failed": len(self.failures),
            "left": self.left,
            "outcomes": dict(sorted(self.outcomes.items())),
        }
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(text, indent=1) + "\n")
        os.replace(part, self.path)


def _are_same(now: object, before: object) -> bool:
    """Whether the sources are those of a commit; what was done with changed ones says nothing."""
    commits = (now, before)
    if not all(isinstance(c, str) and not c.endswith("+") for c in commits):
        return False
    return now == before or commits_since(str(before), "src") == 0


def work_off(
    ledger: Ledger, cases: Sequence[str], run: Callable[[str], Outcome], *, processes: int | None = None
) -> int:
    """Do all cases that are not done; how many of all have failed.

    Args:
        ledger: what is done, and where it is kept.
        cases: their names.
        run: does one case in another process; what it raises is the case's failure.
        processes: how many cases at the same time; None: as many as there are cores.
    """
    left = [c for c in cases if not ledger.is_done(c)]
    ledger.left = len(left)
    count = processes or len(os.sched_getaffinity(0))
    print(f"{len(cases) - len(left)} of {len(cases)} cases are done; {count} at a time")
    saved = time.monotonic()
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(_timed, run, case): case for case in left}
        try:
            for done, future in enumerate(as_completed(waiting), 1):
                case = waiting[future]
                ledger.outcomes[case] = future.result()
                if "error" in ledger.outcomes[case]:
                    print(f"\nFAILED {case}\n{ledger.outcomes[case]['error']}", flush=True)
                print(f"\r{done} of {len(left)}  {case:60.60}", end="", flush=True)
                if time.monotonic() - saved > _SAVE_EVERY:
                    ledger.save()
                    saved = time.monotonic()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            print("\nstopped; the same command goes on", file=sys.stderr)
        except BrokenExecutor:
            # no case can be told from the others that ran: those that are not done are done again
            print("\na process was ended from outside, as for lack of memory", file=sys.stderr)
            return max(1, len(ledger.failures))
        finally:
            ledger.left = sum(case not in ledger.outcomes for case in cases)
            ledger.save()
    failed = len(ledger.failures)
    print(f"\n{len(ledger.outcomes)} cases done, {failed} failed; kept in {ledger.path}")
    return failed


def _timed(run: Callable[[str], Outcome], case: str) -> Outcome:
    begun = time.monotonic()
    try:
        outcome = run(case)
    except (Exception, PanicException) as error:  # noqa: BLE001 - a crash is a failure like a wrong answer
        outcome = {"error": f"{type(error).__name__}: {error}"[:4000]}
    return {**outcome, "seconds": round(time.monotonic() - begun, 2)}
