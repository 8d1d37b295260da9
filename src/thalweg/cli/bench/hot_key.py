"""Benchmarks of the memory of keyed functions: a key with most rows, ten times the load, a sink that stops.

Each run has a process of its own, so that its peak is its own, and a budget. Nine of ten rows are of one key.

Reads:    rows in a Parquet file, so that they take no memory of their own.
Not here: how fast keyed functions are (functions.py), queries within a budget (budget.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

import thalweg as tw
from thalweg.api.columns import plan_of
from thalweg.cli.bench.budget import peak_mib
from thalweg.cli.bench.model import Benchmark, Measured, Options
from thalweg.cli.bench.stalls import Stall, StallingSink

_BUDGET, _BUDGET_MIB = "256MiB", 256
_SPARE = 1.5
"""So much of the budget may be held beyond what the same job holds with few rows."""
_FEW, _KEYS, _KEPT = 2_000, 10_000, 20
_GIVEN = "k BIGINT, n BIGINT, v BIGINT"
_STALL_SECONDS = 5.0
_ONE_SECOND_MAX = 1_000_000
"""The columns of one second are in memory together, while its rows are taken in parts."""
Case = Literal["time", "one second", "arrival", "stalled sink", "lists"]
_CASES: tuple[Case, ...] = ("time", "one second", "arrival", "stalled sink", "lists")
_IN_TIME = ("time", "one second")
_MIXED = pl.col("n") * (pl.col("v") % 1000)


class Numbered(tw.ProcessFunction):
    """Numbers the rows of each key."""

    count: int = 0

    def on_event(self, row: Any) -> Iterator[tuple[int, ...]]:
        """One more."""
        self.count += 1
        yield row.k, self.count, row.v


class Lasts(tw.ProcessFunction):
    """Keeps the last rows of each key in a list."""

    count: int = 0
    lasts: list[tuple[int, str]]

    def on_event(self, row: Any) -> Iterator[tuple[int, ...]]:
        """One more; the first ones go."""
        self.count += 1
        self.lasts.append((row.v, f"what is kept of row {row.v}"))
        del self.lasts[:-_KEPT]
        yield row.k, self.count, row.v


def _write(path: Path, rows: int, case: Case) -> None:
    """The rows in the order of time: ten thousand in each second, or all in one."""
    numbers = pl.int_range(rows, eager=True)
    hot = pl.Series(np.where(numbers.to_numpy() % 10 > 0, 0, numbers.to_numpy() // 10 % _KEYS))
    keys = hot if case != "lists" else numbers * 7919 % (10 * _KEYS)
    step = 100 if case != "one second" else 0
    times = (numbers * step).cast(pl.Datetime("us"))
    pl.DataFrame({"k": keys, "v": numbers, "ts": times}).write_parquet(path, row_group_size=100_000)


def _wanted(path: Path, case: Case) -> dict[str, int]:
    """The sums that are right; which row of a key is which, only the order of time says."""
    numbered = pl.scan_parquet(path).select("v", n=pl.int_range(1, pl.len() + 1).over("k"))
    found = numbered.select(pl.col("n").sum(), mixed=_MIXED.sum()).collect()
    sums: dict[str, int] = found.row(0, named=True)
    return sums if case in _IN_TIME else {"n": sums["n"]}


def main() -> None:
    """Run one case over a file, and say what it held at most and what came out."""
    case, path = sys.argv[1:]
    session = tw.Session(parallelism=2, memory=_BUDGET)
    if case == "lists":
        session.settings.set("state.backend.type", "rocksdb")
    rows = session.read_parquet(path).assign_watermark("ts", "1 s")
    function = Lasts() if case == "lists" else Numbered()
    made = rows.key_by("k").process(function, _GIVEN, order="time" if case in _IN_TIME else "arrival")
    sums = made.select(tw.col("n"), mixed=tw.col("n") * (tw.col("v") % 1000))
    sink = StallingSink(Stall(_STALL_SECONDS if case == "stalled sink" else 0.0))
    session.write_sink(plan_of(sums), sink)
    begun = time.perf_counter()
    session.run("hot-key", mode="stream")
    seen = {"rows": sink.inner.seen.rows, "sums": dict(sink.inner.seen.sums)}
    print(json.dumps({"peak_mib": peak_mib(), "seconds": time.perf_counter() - begun, **seen}))


def _once(case: Case, path: Path) -> dict[str, Any]:
    """What one run says of itself, in a process of its own."""
    done = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-m", "thalweg.cli.bench.hot_key", case, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{case} failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measured(case: Case, rows: int, measured: Measured) -> None:
    """One case with few rows, with a tenth of all, and with all."""
    held: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="thalweg-bench-") as folder:
        for name, count in (("few", _FEW), ("a tenth", rows // 10), ("all", rows)):
            path = Path(folder) / f"{name}.parquet"
            _write(path, count, case)
            found = _once(case, path)
            wanted = _wanted(path, case)
            if found["rows"] != count or any(found["sums"][n] != wanted[n] for n in wanted):
                measured.problems.append(f"{case}: {found['rows']} of {count} rows, or other sums")
            held[name] = found["peak_mib"]
            held["rows_per_second"] = round(count / found["seconds"])
    growth = held["all"] - held["few"]
    measured.values.append(growth)
    measured.details[case] = {n: round(v) for n, v in held.items()}
    if growth > _SPARE * _BUDGET_MIB:
        measured.problems.append(f"{case}: {growth:.0f} MiB were held beyond those with few rows")


def _run(options: Options) -> Measured:
    measured = Measured("MiB", [], details={"budget": _BUDGET})
    for case in _CASES:
        most = _ONE_SECOND_MAX if case == "one second" else options.events
        _measured(case, min(most, options.events), measured)
    return measured


HOT_KEYS = [
    Benchmark(
        "functions-hot-key",
        "state",
        "Does a keyed function keep to 256 MiB with a hot key, ten times the load, and a sink that stops?",
        "rows that wait are files, calls take 65 536 rows at a time, full edges stop the source: the budget",
        _run,
        target=_SPARE * _BUDGET_MIB,
    )
]

if __name__ == "__main__":
    main()
