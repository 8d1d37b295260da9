"""A job of three sinks: rows that pass, counts of windows, and marked partitions or counts that change.

Or of what a keyed function gives (functions.py). Started as a process, and killed:

    python -m tests.chaos.job INPUT OUTPUT CHECKPOINTS files|sqlite|functions [PARALLELISM]

Places may be addresses of objects.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import polars as pl

import thalweg as tw
from tests.chaos import functions
from thalweg.checkpoint.addresses import is_remote
from thalweg.runtime.options import MemoryOptions, RocksOptions, RunOptions

STATE = "CHAOS_STATE"
"""Variable: where state lies, one of `STATES`."""
STATES = ("memory", "filesystem", "rocksdb", "processes")
"""`processes`: in the memory of worker processes."""
# in the tests state is small: nearly all of it goes to files; and keys leave the rows in use again and again
_MEMORY = {
    "memory": None,
    "filesystem": MemoryOptions(smallest=1024),
    "rocksdb": MemoryOptions(rocksdb=RocksOptions(budget=1_500)),
}
ROWS, FILES, USERS = 6_000, 3, 17
_BATCH, _EVERY = 100, 6
MARK = "_SUCCESS"
_COUNT, _LAST = pl.len().alias("n"), pl.col("page").max().alias("last_page")
_TABLE = """
CREATE TABLE clicks (user_id INT, page STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'parquet')
"""
_COUNTS = """
SELECT user_id, window_start, COUNT(*) AS n, MAX(page) AS last_page
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY user_id, window_start, window_end
"""


_HOURS = "SELECT DATE_FORMAT(ts, 'yyyy-MM-dd HH') AS hr, page FROM clicks"


_USERS = "SELECT user_id, COUNT(*) AS n, MAX(page) AS last_page FROM clicks GROUP BY user_id"


def events() -> pl.DataFrame:
    """Every row has a page of its own, so that one that is lost or repeated is seen."""
    numbers = pl.int_range(0, ROWS, eager=True)
    return pl.DataFrame(
        {
            "user_id": (numbers * 7919 % USERS).cast(pl.Int32),
            "page": "page " + numbers.cast(pl.String).str.zfill(6),
            "ts": (numbers * 700 + numbers * 31 % 4_000).cast(pl.Datetime("ms")),
        }
    )


def write_input(directory: Path) -> None:
    """The events as some files."""
    directory.mkdir(parents=True)
    for number, part in enumerate(events().iter_slices(ROWS // FILES)):
        part.write_parquet(directory / f"part-{number}.parquet")


Rows = dict[str, list[tuple[object, ...]]]


def expected(sinks: str) -> Rows:
    """What is there in the end."""
    rows = events()
    if sinks == "functions":
        return functions.expected(rows)
    passed = rows.filter(pl.col("user_id") != 3)
    minute = pl.col("ts").dt.truncate("1m").alias("window_start")
    counts = rows.group_by("user_id", minute).agg(_COUNT, _LAST)
    if sinks == "sqlite":
        times = counts.with_columns(pl.col("window_start").dt.to_string("%Y-%m-%d %H:%M:%S"))
        users = rows.group_by("user_id").agg(_COUNT, _LAST)
        tables = {"passed": passed.select("user_id", "page"), "counts": times, "users": users}
    else:
        hours = rows.select("page", pl.col("ts").dt.strftime("%Y-%m-%d %H").alias("hr"))
        tables = {"passed": passed, "counts": counts, "hours": hours}
    return {name: sorted(table.rows(), key=repr) for name, table in tables.items()}


def found(sinks: str, output: Path) -> Rows:
    """What is there; every partition is marked."""
    if sinks == "sqlite":
        return _in_databases(output)
    if sinks == "functions":
        return {name: _in_files(output / name, hive=False) for name in ("visits", "fifths")}
    partitions = sorted((output / "hours").glob("hr=*"))
    assert all((p / MARK).exists() for p in partitions), "all partitions are complete"
    names = "passed", "counts", "hours"
    return {name: _in_files(output / name, hive=name == "hours") for name in names}


def _in_files(directory: Path, *, hive: bool) -> list[tuple[object, ...]]:
    files = sorted(directory.glob("**/*.parquet"))
    parts = [pl.read_parquet(f, hive_partitioning=hive, try_parse_hive_dates=False) for f in files]
    return sorted(pl.concat(parts).rows(), key=repr)


def _in_databases(output: Path) -> Rows:
    queries = {
        "passed": ("out.db", "SELECT user_id, page FROM passed"),
        "counts": ("out.db", "SELECT user_id, window_start, n, last_page FROM counts"),
        "users": ("users.db", "SELECT user_id, n, last_page FROM users"),
    }
    found = {}
    for name, (file, query) in queries.items():
        with closing(sqlite3.connect(output / file)) as database:
            found[name] = sorted(database.execute(query), key=repr)
    return found


def wrong_rows(sinks: str, output: Path) -> Counter[str]:
    """How many rows are lost, and how many are repeated or were never written."""
    there, wanted = found(sinks, output), expected(sinks)
    wrong: Counter[str] = Counter()
    for name, rows in wanted.items():
        wrong["lost"] += (Counter(rows) - Counter(there[name])).total()
        wrong["repeated"] += (Counter(there[name]) - Counter(rows)).total()
    return +wrong


def main() -> None:
    """Run the job to its end."""
    source, output, checkpoints, sinks, *tasks = sys.argv[1:]
    run(source, output, checkpoints, sinks, tasks=int(tasks[0]) if tasks else 2)


def run(source: str, output: str, checkpoints: str, sinks: str, *, tasks: int, **options: str) -> None:
    """Run the job to its end, with options of the session."""
    options = {"execution.checkpointing.num-retained": "1", **options}
    session = tw.Session(parallelism=tasks, checkpoint_dir=checkpoints, options=options)
    session.execute_sql(_TABLE.format(path=source))
    passed = session.table("clicks").filter(tw.col("user_id") != 3)
    if not is_remote(output):
        Path(output).mkdir(exist_ok=True)
    if sinks == "functions":
        for made, name in zip(functions.visits(session.table("clicks")), ("visits", "fifths"), strict=True):
            made.write_parquet(f"{output}/{name}")
    elif sinks == "sqlite":
        passed.select("user_id", "page").write_sqlite(f"{output}/out.db", "passed")
        session.sql(_COUNTS).write_sqlite(f"{output}/out.db", "counts")
        session.sql(_USERS).write_sqlite(f"{output}/users.db", "users")
    else:
        passed.write_parquet(f"{output}/passed")
        session.sql(_COUNTS).write_parquet(f"{output}/counts")
        session.sql(_HOURS).write_parquet(
            f"{output}/hours", partition_by="hr", success_file=MARK, partition_time="$hr:00:00"
        )
    session.on_start = lambda run: print("begun", flush=True)
    state = os.environ.get(STATE, "memory")
    runtime = "processes" if state == "processes" else "threads"
    memory = _MEMORY.get(state)
    options = RunOptions(runtime, rows_max=_BATCH, checkpoint_batches=_EVERY, memory=memory)
    session.run("clicks", mode="stream", options=options)


if __name__ == "__main__":
    main()
