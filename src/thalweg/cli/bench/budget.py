"""Benchmarks of a budget of memory: how much slower a query is whose state does not fit, and what it holds.

Each run has a process of its own, so that its peak is its own. Runs with and without the budget take turns.

Not here: the queries (stateful.py), the right answers (answers.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from thalweg.cli.bench.model import Benchmark, Measured, Options

_BUDGET = "512MiB"
_BUDGET_MIB = 512
_SPARE = 1.5
"""So much of the budget may be held beyond what the same job holds without input."""
_FEW = 1000


def _once(name: str, events: int, rate: int, budget: str) -> dict[str, Any]:
    """What one run says of itself, in a process of its own."""
    asked = [name, str(events), str(rate), budget]
    done = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-m", "thalweg.cli.bench.budget", *asked],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name} with {budget or 'no budget'} failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Run one query over the files of the benchmarks, and say how long it took and what it held at most."""
    name, events, rate, budget = sys.argv[1:]
    from thalweg.cli import nexmark
    from thalweg.cli.bench.answers import differences, reference
    from thalweg.cli.bench.workload import event_files
    from thalweg.connectors.files.source import file_source
    from thalweg.connectors.sinks import ChecksumSink

    session = nexmark.nexmark_session(
        file_source(event_files(int(events), int(rate), "parquet")), parallelism=2
    )
    if budget:
        session.settings.set("taskmanager.memory.managed.size", budget)
    plan, sink = nexmark.query(session, name), ChecksumSink()
    session.write_sink(plan, sink)
    begun = time.perf_counter()
    session.run(name, mode="stream")
    seconds, peak = time.perf_counter() - begun, _peak_mib()
    right = reference(name, event_files(int(events), int(rate)), plan.schema)
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "problems": differences(sink.seen, right)}))


def _peak_mib() -> float:
    """The most memory that the process ever had, pages of files included."""
    for text in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if text.startswith("VmHWM:"):
            return int(text.split()[1]) / 1024
    return 0.0


def _within(name: str) -> Callable[[Options], Measured]:
    def run(options: Options) -> Measured:
        from thalweg.cli import nexmark

        rate = options.rate or nexmark.RATE
        # the first compiles what is not compiled yet
        _once(name, _FEW, rate, _BUDGET)
        empty = _once(name, _FEW, rate, _BUDGET)["peak_mib"]
        measured = Measured("times", [])
        found: dict[str, list[dict[str, Any]]] = {"": [], _BUDGET: []}
        for _ in range(options.runs):
            for budget, runs in found.items():
                runs.append(_once(name, options.events, rate, budget))
            measured.values.append(found[_BUDGET][-1]["seconds"] / found[""][-1]["seconds"])
        peaks = [r["peak_mib"] for r in found[_BUDGET]]
        measured.problems = [p for runs in found.values() for r in runs for p in r["problems"]]
        if max(peaks) > empty + _SPARE * _BUDGET_MIB:
            measured.problems.append(f"{max(peaks):.0f} MiB were held, {empty:.0f} of them without input")
        measured.details = {
            "budget": _BUDGET,
            "mib_without_input": round(empty),
            "peak_mib": [round(p) for p in peaks],
            "peak_mib_without_budget": [round(r["peak_mib"]) for r in found[""]],
            "events_per_second": [round(options.events / r["seconds"]) for r in found[_BUDGET]],
        }
        return measured

    return run


BUDGETS = [
    Benchmark(
        f"{name}-memory",
        "state",
        f"What does {name} cost when its state does not fit into 512 MiB?",
        expected,
        _within(name),
        target=2.0,
    )
    for name, expected in {
        "q18": "a kept row of 200 bytes per bid is written once and hardly read again: as fast as in memory",
        "q20": "bids that wait for their auction are written once, and read by few: as fast as in memory",
    }.items()
]

if __name__ == "__main__":
    main()
