"""Run one query on every engine by turns, and say how long each took.

Each engine runs in a process of its own that stays for the whole query: start, a first run over few events,
a run over all of them whose result is checked and which warms the engine up, then rounds. In every round each
engine runs the query over few events and over all of them; what few events cost is what a job costs before
its first row.

Reads:    engines' answers (worker.py).
Changes:  nothing; starts and ends processes.
Not here: what is stored (store.py), the engines.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers import reference
from benchmarks.peers.peers import Kind
from benchmarks.peers.tree import watched

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 300.0
_FIXED_SHARE = 1.5
"""A run must take this much longer than one over few events before the difference says something."""


class PeerError(Exception):
    """An engine said no, broke down or took too long."""


@dataclass
class Task:
    """What every engine is given.

    Attributes:
        few, all: the files with few events and with all of them, per form (see workload.py).
        events: how many those are.
        limit: seconds after which one run is given up.
    """

    name: str
    few: dict[str, list[str]]
    all: dict[str, list[str]]
    events: tuple[int, int]
    rounds: int
    limit: float
    right: reference.Right


@dataclass
class Engine:
    """A running engine and what it gave so far."""

    kind: Kind
    query: dict[str, Any]
    process: subprocess.Popen[str]
    seconds: list[float] = field(default_factory=list)
    few_seconds: list[float] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)

    def ask(self, what: str, files: list[str], limit: float) -> dict[str, Any]:
        """Let it carry out a command."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({"do": what, "query": self.query, "files": files}) + "\n")
            self.process.stdin.flush()
        return self.told(limit)

    def told(self, limit: float) -> dict[str, Any]:
        """Its next answer."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(limit):
                raise PeerError(f"took more than {limit:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            raise PeerError(f"ended by itself, {self.process.wait()}; see {log_of(self.kind.name)}")
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            raise PeerError(found["error"])
        return found


def compare(task: Task, kinds: list[Kind]) -> dict[str, dict[str, Any]]:
    """What each engine gave."""
    reports: dict[str, dict[str, Any]] = {}
    with _started(task, kinds, reports) as engines:
        for engine in list(engines):
            _attempt(engine, engines, lambda e: _warm_up(e, task))
        for _ in range(task.rounds):
            for engine in list(engines):
                _attempt(engine, engines, lambda e: _round(e, task))
        for engine in engines if task.rounds else []:
            _conclude(engine, task)
    return reports


def _attempt(engine: Engine, engines: list[Engine], step: Any) -> None:
    """Do a step; an engine that fails takes no further part."""
    try:
        step(engine)
    except PeerError as error:
        engine.report["problem"] = str(error)
        engines.remove(engine)
        _end(engine.process)


@contextmanager
def _started(task: Task, kinds: list[Kind], reports: dict[str, dict[str, Any]]) -> Iterator[list[Engine]]:
    begun: list[Engine] = []
    engines: list[Engine] = []
    try:
        for kind in kinds:
            query = kind.query(task.name)
            if isinstance(query, str):
                reports[kind.name] = {"problem": query}
                continue
            query |= {"name": task.name, "columns": task.right.columns, "right": task.right.exact}
            since = time.perf_counter()
            engine = Engine(kind, query, _spawn(kind))
            reports[kind.name] = engine.report
            begun.append(engine)
            engines.append(engine)
            _attempt(engine, engines, lambda e, since=since: _first(e, task, since))
        yield engines
    finally:
        for engine in begun:
            _end(engine.process)


def _first(engine: Engine, task: Task, since: float) -> None:
    engine.report["version"] = engine.told(_START_SECONDS)["ready"]
    engine.report["start_seconds"] = round(time.perf_counter() - since, 3)
    engine.ask("run", task.few[engine.kind.form(task.name)], task.limit)
    engine.report["start_to_first_result_seconds"] = round(time.perf_counter() - since, 3)


def _warm_up(engine: Engine, task: Task) -> None:
    """Run once with the result looked at; a wrong result has no time."""
    found = engine.ask("check", task.all[engine.kind.form(task.name)], task.limit)
    problems = found.get("problems")
    if problems is None:
        problems = reference.differences(found, task.right.plain)
    engine.report["rows"] = found["rows"]
    if problems:
        raise PeerError(f"wrong: {'; '.join(problems)}")


def _round(engine: Engine, task: Task) -> None:
    form = engine.kind.form(task.name)
    engine.few_seconds.append(engine.ask("run", task.few[form], task.limit)["seconds"])
    with watched(engine.process.pid) as used:
        engine.seconds.append(engine.ask("run", task.all[form], task.limit)["seconds"])
    for name in ("peak_rss_mib", "peak_own_mib"):
        engine.report[name] = max(engine.report.get(name, 0.0), round(getattr(used, name), 1))
    engine.report.setdefault("cpu_seconds", []).append(round(used.cpu_seconds, 2))


def _conclude(engine: Engine, task: Task) -> None:
    few, events = task.events
    fixed, median = statistics.median(engine.few_seconds), statistics.median(engine.seconds)
    engine.report |= {
        "seconds": engine.seconds,
        "few_seconds": engine.few_seconds,
        "rate": events / median,
        "rate_min": events / max(engine.seconds),
        "rate_max": events / min(engine.seconds),
        "rate_running": (events - few) / (median - fixed) if median >= _FIXED_SHARE * fixed else None,
        "cpu_seconds": statistics.median(engine.report["cpu_seconds"]),
    }


def _spawn(kind: Kind) -> subprocess.Popen[str]:
    log_of(kind.name).parent.mkdir(parents=True, exist_ok=True)
    with log_of(kind.name).open("w") as log:
        return subprocess.Popen(
            [*kind.command()],
            cwd=ROOT,
            env=os.environ | kind.variables(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            # Java processes that an engine starts end with it
            start_new_session=True,
        )


def _end(process: subprocess.Popen[str]) -> None:
    """End an engine and what it started."""
    with suppress(BrokenPipeError):
        assert process.stdin is not None
        process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def log_of(name: str) -> Path:
    """Where an engine's own messages go."""
    from benchmarks.peers.environments import root

    return root() / "logs" / f"{name}.log"
