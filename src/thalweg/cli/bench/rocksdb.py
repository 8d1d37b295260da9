"""Benchmarks of state in RocksDB: updates by key where a small part of the state fits into the budget.

Keys are loaded first, in the order in which they are kept; what is measured begins with the first update.
Each run has a process of its own, so that its peak is its own, and its input is made by another one before.

Not here: queries with a budget (budget.py), what a state of functions costs in memory (stateful.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thalweg.cli.bench.budget import peak_mib
from thalweg.cli.bench.model import Benchmark, Measured, Options
from thalweg.cli.bench.workload import BATCH_ROWS

if TYPE_CHECKING:
    import polars as pl

_KEYS_PER_UPDATE = 5
_BYTES_PER_KEY = 2.68
"""256 MiB for 100 million keys."""
_BUDGET_MIN = 16 << 20
_SPARE = 1.5
_SHOWN = 1009
"""Of one key in so many the values are compared with those of a plain count."""
_PART = 1 << 18


def _child(*asked: str) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-m", "thalweg.cli.bench.rocksdb", *asked],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(asked)} failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """`make`: write the input; `run`: run the job over it, and say how long it took and what it held."""
    what, folder, *others = sys.argv[1:]
    print(json.dumps(_make(Path(folder), *others) if what == "make" else _run(Path(folder), *others)))


def _make(folder: Path, kind: str, keys: str, updates: str) -> dict[str, Any]:
    """Every key once, sorted as they are kept, and then updates at random."""
    import numpy as np
    import polars as pl

    from thalweg.protocols.state import ColumnsSpec
    from thalweg.state.row_bytes import KeyBytes

    count, changed = int(keys), int(updates)
    own = np.arange(count)
    places = KeyBytes(ColumnsSpec("made", {"k": pl.Int64()})).places(pl.DataFrame({"k": own}))
    own = own[np.argsort(places)]
    del places
    r = np.random.default_rng(7)
    chosen = r.integers(0, count, changed)
    if kind == "skewed":
        # those of one percent are found all over the order in which keys are kept
        few = r.integers(0, max(1, count // 100), changed)
        chosen = np.where(r.random(changed) < 0.9, few, chosen)
    for number, first in enumerate(range(0, count, _PART)):
        part = own[first : first + _PART]
        pl.DataFrame({"k": part, "v": np.zeros(len(part), np.int64)}).write_parquet(
            folder / f"a-{number:05}.parquet", row_group_size=BATCH_ROWS
        )
    for number, first in enumerate(range(0, changed, _PART)):
        part = chosen[first : first + _PART]
        pl.DataFrame({"k": part, "v": part % 7 + 1}).write_parquet(
            folder / f"b-{number:05}.parquet", row_group_size=BATCH_ROWS
        )
    return {"files": len(list(folder.glob("*.parquet")))}


def _batches(files: Sequence[Path]) -> Iterator[pl.DataFrame]:
    import polars as pl

    for file in files:
        yield from pl.read_parquet(file).iter_slices(BATCH_ROWS)


def _run(folder: Path, budget: str) -> dict[str, Any]:
    import polars as pl

    import thalweg as tw
    from thalweg.api.columns import plan_of
    from thalweg.connectors.memory import MemorySink

    begun: list[tuple[float, float]] = []

    class Totals(tw.ColumnFunction):
        n: int = 0
        total: int = 0

        def on_events(self, rows: pl.DataFrame) -> pl.DataFrame:
            values: Any = rows["v"].to_numpy()
            if not begun and values[0]:
                begun.append((time.perf_counter(), time.process_time()))
            self.n, self.total = self.n + 1, self.total + values
            keys: Any = rows["k"].to_numpy()
            shown = (keys % _SHOWN == 0) & (values > 0)
            made: dict[str, Any] = {"k": keys, "n": self.n, "total": self.total}
            return pl.DataFrame({name: column[shown] for name, column in made.items()})

    session = tw.Session(parallelism=2)
    session.settings.set("state.backend.type", "rocksdb")
    session.settings.set("state.backend.rocksdb.wal", "true")
    session.settings.set("taskmanager.memory.managed.size", budget)
    session.settings.set("io.tmp.dirs", str(folder))
    # one file after the other: several splits would be read by turns, and updates would come before the keys
    files = sorted(folder.glob("*.parquet"))
    rows = session.from_iter(_batches(files), "k BIGINT, v BIGINT", name="rows")
    result = rows.key_by("k").process(Totals(), "k BIGINT, n BIGINT, total BIGINT", order="arrival")
    sink = MemorySink()
    session.write_sink(plan_of(result), sink)
    session.run("rocksdb", mode="stream")
    wall, busy = begun[0] if begun else (time.perf_counter(), time.process_time())
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - busy
    peak = peak_mib()
    updates = sorted(folder.glob("b-*.parquet"))
    problems: list[str] = []
    if updates:
        shown = pl.scan_parquet(updates).filter(pl.col("k") % _SHOWN == 0)
        wanted = shown.group_by("k").agg(n=pl.len().cast(pl.Int64) + 1, total=pl.col("v").sum())
        last = sink.table().group_by("k").agg(pl.col("n", "total").max())
        is_right = last.sort("k").equals(wanted.collect().select(last.columns).sort("k"))
        problems = [] if is_right else ["the values of keys differ from a plain count"]
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak, "problems": problems}


def _updates(kind: str) -> Callable[[Options], Measured]:
    def run(options: Options) -> Measured:
        keys = _KEYS_PER_UPDATE * options.events
        budget = max(_BUDGET_MIN, int(_BYTES_PER_KEY * keys))
        measured, peaks, busy = Measured("updates/s", []), list[float](), list[float]()
        with tempfile.TemporaryDirectory(prefix="thalweg-bench-") as made:
            few, all_ = Path(made, "few"), Path(made, "all")
            for folder, number in ((few, 0), (all_, 1)):
                folder.mkdir()
                _child("make", str(folder), kind, str(keys * number or 1), str(options.events * number))
            # the first compiles what is not compiled yet
            empty = [_child("run", str(few), str(budget))["peak_mib"] for _ in range(2)][-1]
            for _ in range(options.runs):
                found = _child("run", str(all_), str(budget))
                measured.values.append(options.events / found["seconds"])
                measured.problems += found["problems"]
                peaks.append(found["peak_mib"])
                busy.append(found["cpu_seconds"])
        if max(peaks) > empty + _SPARE * budget / (1 << 20):
            measured.problems.append(f"{max(peaks):.0f} MiB were held, {empty:.0f} of them without input")
        measured.details = {
            "keys": keys,
            "budget_mib": round(budget / (1 << 20)),
            "mib_without_input": round(empty),
            "peak_mib": [round(p) for p in peaks],
            "cpu_seconds_of_updates": [round(b, 1) for b in busy],
        }
        return measured

    return run


ROCKSDB = [
    Benchmark(
        "rocksdb-uniform",
        "state",
        "How many updates per second does state in RocksDB take, where one key in fifty is in memory?",
        "a block of 4 KiB is read for each, 5 microseconds, and rows are written sorted: 150 000 a second",
        _updates("uniform"),
        target=150_000,
    ),
    Benchmark(
        "rocksdb-skewed",
        "state",
        "How many, where 90 % of the updates are of 1 % of the keys?",
        "one in ten reads a block, the others find their row in memory: a million a second",
        _updates("skewed"),
        target=1_000_000,
    ),
]

if __name__ == "__main__":
    main()
