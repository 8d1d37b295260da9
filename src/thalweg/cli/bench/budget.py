"""Benchmarks of a budget of memory: how much slower a query is whose state does not fit, and what it holds.

Each run has a process of its own, so that its peak is its own. Runs with and without the budget take turns.
Streams answer into a check sum; a whole order is written to Parquet files and read again.

Not here: the queries (stateful.py), the right answers (answers.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from thalweg.cli.bench.model import Benchmark, Measured, Options

if TYPE_CHECKING:
    from thalweg.session.session import Session

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
    from thalweg.cli.bench.workload import event_files
    from thalweg.connectors.files.source import file_source

    session = nexmark.nexmark_session(
        file_source(event_files(int(events), int(rate), "parquet")), parallelism=2
    )
    if budget:
        session.settings.set("taskmanager.memory.managed.size", budget)
    run = _order if name == "order" else _stream
    print(json.dumps(run(session, name, event_files(int(events), int(rate)))))


def _stream(session: Session, name: str, files: list[str]) -> dict[str, Any]:
    from thalweg.cli import nexmark
    from thalweg.cli.bench.answers import differences, reference
    from thalweg.connectors.sinks import ChecksumSink

    plan, sink = nexmark.query(session, name), ChecksumSink()
    session.write_sink(plan, sink)
    seconds, peak = _timed(session, name, "stream")
    problems = differences(sink.seen, reference(name, files, plan.schema))
    return {"seconds": seconds, "peak_mib": peak, "problems": problems}


def _order(session: Session, name: str, files: list[str]) -> dict[str, Any]:
    """All bids in the order of a text, as files."""
    import polars as pl

    from thalweg.cli.bench.answers import q0

    ordered = session.sql("SELECT auction, price, extra FROM bid ORDER BY extra, auction, price")
    with tempfile.TemporaryDirectory(prefix="thalweg-bench-") as folder:
        ordered.write_parquet(folder)
        seconds, peak = _timed(session, name, "batch")
        # parts are numbered in the order of their rows
        got = pl.concat([pl.read_parquet(part) for part in sorted(Path(folder).glob("*.parquet"))])
    wanted = q0(pl.scan_ipc(files)).select(got.columns).sort("extra", "auction", "price").collect()
    differ = not got.equals(wanted)
    return {"seconds": seconds, "peak_mib": peak, "problems": ["the rows or their order differ"] * differ}


def _timed(session: Session, name: str, mode: Literal["batch", "stream"]) -> tuple[float, float]:
    begun = time.perf_counter()
    session.run(name, mode=mode)
    return time.perf_counter() - begun, peak_mib()


def peak_mib() -> float:
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
    Benchmark(f"{name}-memory", "state", question, expected, _within(name), target=2.0)
    for name, question, expected in [
        (
            "q18",
            "What does q18 cost when its state does not fit into 512 MiB?",
            "a kept row of 200 bytes per bid is written once and hardly read again: as fast as in memory",
        ),
        (
            "q20",
            "What does q20 cost when its state does not fit into 512 MiB?",
            "bids that wait for their auction are written once, and read by few: as fast as in memory",
        ),
        (
            "order",
            "What does the order of 9.2 million bids by a text cost within 512 MiB, in a batch?",
            "each row is written and read once more, in parts that fit: twice the time in memory",
        ),
    ]
]

if __name__ == "__main__":
    main()
