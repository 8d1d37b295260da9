"""Kill jobs at random moments, very often: no row may be lost or repeated.

    python -m tests.suites.chaos_long [--kills 500] [--processes n]

Each case starts one job again and again, kills each process at a random moment after its sources were opened,
lets the last one end, and compares what is there with what must be there. A kill counts if the process had
begun and not ended. What was done is kept in `benchmarks/suites/chaos-long.json`, with what was going on
when the kills came; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.chaos import job
from tests.suites.ledger import RESULTS, Ledger, Outcome, work_off

KILLS_PER_CASE = 10
PAIRS = [(sinks, state) for sinks in ("files", "sqlite") for state in ("memory", "filesystem")]
PAIRS += [("functions", state) for state in job.STATES]
"""Kinds of sinks, and where state lies."""
_SPAN = 0.7
"""Seconds after the first row within which most jobs have ended: kills come until then."""
_STARTS_MAX = 200


def run(case: str) -> Outcome:
    """Kill one job as often as a case says; how often each phase was met, and what was wrong in the end."""
    sinks, state, _ = case.split("-")
    random = Random(f"chaos {case}")
    with tempfile.TemporaryDirectory(prefix="thalweg-chaos-") as folder:
        return _killed(sinks, state, random, Path(folder))


def _killed(sinks: str, state: str, random: Random, folder: Path) -> Outcome:
    job.write_input(folder / "input")
    phases: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    starts = missed = 0
    while phases.total() < KILLS_PER_CASE and starts < _STARTS_MAX:
        starts += 1
        phase = _kill_once(sinks, state, folder, random.uniform(0, _SPAN))
        if phase is None:
            missed += 1
            wrong += job.wrong_rows(sinks, folder / "out")
            _begin_anew(folder)
        else:
            phases[phase] += 1
    done = _process(sinks, state, folder)
    _, said = done.communicate()
    assert done.returncode == 0, said.decode()
    wrong += job.wrong_rows(sinks, folder / "out")
    counts = {"lost": wrong["lost"], "repeated": wrong["repeated"]}
    error = {"error": f"rows that are lost or repeated: {counts}"} if wrong else {}
    return {"kills": phases.total(), "phases": dict(phases), "ended_first": missed, **counts, **error}


def _process(sinks: str, state: str, folder: Path) -> subprocess.Popen[bytes]:
    places = [str(folder / n) for n in ("input", "out", "kept")]
    # jobs of one name run side by side: each is reached in a place of its own
    own = {job.STATE: state, "XDG_RUNTIME_DIR": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.job", *places, sinks],
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _kill_once(sinks: str, state: str, folder: Path, seconds: float) -> str | None:
    """What was going on when the kill came; None: the job ended before."""
    with _process(sinks, state, folder) as process:
        assert process.stdout is not None, "it was asked for"
        # a job whose last checkpoint was complete says nothing, and commits it
        if process.stdout.readline():
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
    if process.returncode == 0:
        return None
    assert process.returncode == -signal.SIGKILL, said.decode()
    return _phase(folder)


def _phase(folder: Path) -> str:
    """What a process was about when it was killed, from what it has left."""
    if list(folder.rglob(".*.tmp")):
        return "a file was being written"
    if list((folder / "out").rglob(".*.writing")):
        return "files were staged"
    return "between checkpoints" if list(folder.rglob("manifest")) else "before the first checkpoint"


def _begin_anew(folder: Path) -> None:
    """A job that has ended does nothing any more: the next one begins in empty directories."""
    (folder / "out").rename(folder / f"out-{time.monotonic_ns()}")
    (folder / "kept").rename(folder / f"kept-{time.monotonic_ns()}")


def cases(kills: int) -> list[str]:
    """The names of cases, so many kills for each kind of sink and of state."""
    return [f"{s}-{state}-{at:04}" for at in range(0, kills, KILLS_PER_CASE) for s, state in PAIRS]


def main() -> int:
    """Kill until all cases are done; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="for each kind of sink and of state")
    parser.add_argument("--processes", type=int)
    asked = parser.parse_args()
    about = {"question": "rows lost or repeated after kill -9", "kills_per_case": KILLS_PER_CASE}
    ledger = Ledger.opened(RESULTS / "chaos-long.json", about)
    return min(1, work_off(ledger, cases(asked.kills), run, processes=asked.processes))


if __name__ == "__main__":
    sys.exit(main())
