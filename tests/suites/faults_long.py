"""Let the system under a job fail in all ways that can be made to happen here: no row is lost or repeated.

    python -m tests.suites.faults_long [--processes n] [--only kill|move|object|zombie|image|disk|strace]

* `kill`: a job is killed at each named place, with files, SQLite and a keyed function, with state in memory,
  in files and in RocksDB; the next run ends. `move`: the function goes on with its state elsewhere. `object`:
  with its input, checkpoints and files as objects of a real server.
* `zombie`: a process is stopped, at a named place or at a random moment; another one takes the job over; the
  first is woken. It must end by itself as one that was overtaken, and change nothing that counts.
* `image`: the power is cut at random moments, by copying the image of the disk; the job goes on from there.
* `disk`: each call that a job makes to its disk for one checkpoint fails once, or from then on: the disk is
  full, or cannot sync. The job runs on or stops with an error that says what is safe; the next run ends well;
  no checkpoint is complete for which a sync has failed.
* `strace`: the same for each write and sync of SQLite, and each sync of a job with files, from outside.

What was done is kept in `benchmarks/suites/faults-long.json`; a run that was stopped goes on. What cannot be
done on this machine is said, with the reason, and left out.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

from tests.chaos import images, job, test_kills, test_object_kills, traced
from tests.chaos.full_disk import CALLS_MAX, Faults, tried
from tests.chaos.test_kills import Killed
from tests.chaos.zombies import Zombie
from tests.objects.server import running
from tests.suites.ledger import RESULTS, Ledger, Outcome, work_off
from thalweg.checkpoint.failpoints import POINTS

ZOMBIES, IMAGES, IMAGES_PER_CASE = 50, 100, 5
SINKS = ("files", "sqlite")
_SPAN = 0.7
"""Seconds after the first row within which most jobs have ended."""
_TRIES_MAX = 50
_LATER = ("restore.manifest", "restore.state", "retain.unlink", "states.joined")
"""Places that a first run of the job does not reach, or only by chance."""
_OF_FILES = {"sink.staged", "sink.renamed", "sink.progress"}


def run(case: str) -> Outcome:
    """Do one case."""
    kind, sinks, *rest = case.split("-")
    with tempfile.TemporaryDirectory(prefix="thalweg-faults-") as folder:
        place = Path(folder)
        # jobs of one name run side by side
        os.environ["XDG_RUNTIME_DIR"] = folder
        if kind == "zombie":
            return _zombie(case, sinks, int(rest[0]), place)
        if kind == "image":
            return _image(case, sinks, place)
        if kind in ("kill", "object"):
            return _kill(kind, sinks, rest, place)
        job.write_input(place / "input")
        if kind == "move":
            return _verdict(test_kills.move(place / "input", place, rest[2], rest[0], rest[1]))
        if kind == "disk":
            return _disk(sinks, rest[0] == "stays", int(rest[1]), place)
        return _strace(f"{sinks}-{rest[0]}", int(rest[1]), place)


def _zombie(case: str, sinks: str, number: int, folder: Path) -> Outcome:
    random = Random(case)
    places = [p for p in sorted(POINTS) if p not in _LATER and (sinks == "files" or p not in _OF_FILES)]
    place = places[number] if number < len(places) else None
    wakes = random.choice([None, random.uniform(0, _SPAN)])
    for attempt in range(_TRIES_MAX):
        inner = folder / str(attempt)
        inner.mkdir()
        job.write_input(inner / "input")
        zombie = Zombie(inner, sinks)
        if place is None:
            process = zombie.stopped(seconds=random.uniform(0, _SPAN))
        else:
            is_once = place.startswith(("final", "restore"))
            process = zombie.stopped(f"{place}:stop:{1 if is_once else random.randint(1, 3)}")
        if process is not None:
            zombie.overtake(process, wakes=wakes)
            when = "after the other has ended" if wakes is None else "while the other runs"
            what = {"stopped": place or "at random", "woken": when, "locked": zombie.is_locked}
            return {**what, **_counted(zombie.wrong, "stale")}
    return {"error": f"no process was stopped in {_TRIES_MAX} tries"}


def _kill(kind: str, sinks: str, rest: list[str], folder: Path) -> Outcome:
    if kind == "object":
        with running() as server:
            made: Killed = test_object_kills.Case(server, folder, sinks)
            return _killed(made, rest[0])
    state, point = rest
    job.write_input(folder / "input")
    return _killed(test_kills.Case(folder / "input", folder, sinks, state), point)


def _killed(made: Killed, point: str) -> Outcome:
    """Kill a job at a named place, and let it end."""
    test_kills.kill(made, point)
    return _verdict(made)


def _verdict(made: Killed) -> Outcome:
    return {} if made.is_right() else {"error": "rows are lost or repeated, or something is left"}


def _image(case: str, sinks: str, folder: Path) -> Outcome:
    found, wrong = images.cut(folder, sinks, IMAGES_PER_CASE, Random(case))
    return {"images": dict(found), **_counted(wrong)}


def _disk(sinks: str, stays: bool, nth: int, folder: Path) -> Outcome:
    with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
        outcome = tried(folder / "input", folder, sinks, Faults(nth, stays))
    faults = outcome.faults
    what = {"failed": faults.fired[:1], "stopped": len(outcome.said)}
    if not faults.fired and nth <= faults.count:
        return {**what, "error": "the call has not failed"}
    if faults.violations or outcome.left:
        return {**what, "error": f"{faults.violations}; left: {outcome.left}"}
    return {**what, **_counted(Counter(outcome.wrong))}


def _strace(name: str, nth: int, folder: Path) -> Outcome:
    call = traced.CALLS[name]
    first = traced.failed(call, nth, folder / "input", folder)
    if first.returncode and "  hint:" not in first.stderr:
        return {"error": f"no clear error: {first.stderr[-2000:]}"}
    second = traced.untraced(call, folder / "input", folder)
    if second.returncode:
        return {"error": f"the next run fails: {second.stderr[-2000:]}"}
    return {"stopped": int(first.returncode != 0), **_counted(job.wrong_rows(call.sinks, folder / "out"))}


def _counted(wrong: Counter[str], *more: str) -> Outcome:
    counts = {name: wrong[name] for name in ("lost", "repeated", *more)}
    return {**counts, **({"error": f"what must not be: {counts}"} if any(counts.values()) else {})}


def cases(only: str | None = None) -> list[str]:
    """The names of all cases that can be done here."""
    found = {
        "kill": [
            f"kill-{s}-{state}-{p}"
            for p, s in test_kills.CASES
            for state in job.STATES
            if s == "functions" or state != "processes"
        ],
        "move": [f"move-functions-{before}-{after}-{p}" for p, before, after in test_kills.MOVES],
        "object": [f"object-{s}-{p}" for p, s in test_object_kills.CASES],
        "zombie": [f"zombie-{s}-{n:02}" for s in SINKS for n in range(ZOMBIES // 2)],
        "image": [f"image-{s}-{n:02}" for s in SINKS for n in range(IMAGES // IMAGES_PER_CASE // 2)],
        "disk": [
            f"disk-{s}-{how}-{n:02}"
            for s, most in CALLS_MAX.items()
            for how in ("once", "stays")
            for n in range(1, most + 1)
        ],
        "strace": [],
    }
    for kind, why_not in (("image", images.why_not()), ("strace", traced.why_not())):
        if why_not is not None:
            print(f"left out: {kind}: {why_not}")
            found[kind] = []
        elif kind == "strace" and only in (None, "strace"):
            found[kind] = list(_strace_cases())
    order = ("kill", "move", "object", "zombie", "image", "strace", "disk")
    return [case for kind in order if only in (None, kind) for case in found[kind]]


def _strace_cases() -> list[str]:
    found = []
    for name, call in traced.CALLS.items():
        with tempfile.TemporaryDirectory(prefix="thalweg-faults-") as folder:
            job.write_input(Path(folder) / "input")
            most = traced.count(call, Path(folder) / "input", Path(folder))
        found += [f"strace-{name}-{n:03}" for n in range(1, most + 1)]
    return found


def main() -> int:
    """Do all cases; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int)
    parser.add_argument("--only", choices=["kill", "move", "object", "zombie", "image", "disk", "strace"])
    asked = parser.parse_args()
    about = {"question": "rows lost, repeated or stale after faults of the system", "images": IMAGES_PER_CASE}
    ledger = Ledger.opened(RESULTS / "faults-long.json", about)
    return min(1, work_off(ledger, cases(asked.only), run, processes=asked.processes))


if __name__ == "__main__":
    sys.exit(main())
