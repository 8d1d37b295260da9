"""A job that asks a slow service for each row, and counts the answers in windows over the time of the rows.

Started as a process, and killed:

    python -m tests.chaos.async_job OUTPUT CHECKPOINTS ordered|unordered
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

import thalweg as tw
from thalweg.runtime.options import RunOptions

ROWS, BATCH, _EVERY, _AT_ONCE = 1_500, 20, 5, 40
BEGIN = datetime(2026, 1, 1)
WINDOW = timedelta(seconds=50)
_delays = Random()


def events() -> pl.DataFrame:
    """A row for each second."""
    numbers = pl.int_range(0, ROWS, eager=True)
    return pl.DataFrame({"n": numbers, "ts": [BEGIN + timedelta(seconds=n) for n in range(ROWS)]})


async def service(row: Any) -> Any:
    """Mostly quick, now and then slow."""
    await asyncio.sleep(0.3 if _delays.random() < 0.02 else _delays.random() * 0.01)
    return (row.n, row.n % 7)


def files(output: Path) -> list[list[int]]:
    """The numbers whose answers were published, file by file."""
    found = sorted((output / "answers").glob("*.jsonl"))
    return [[json.loads(line)["n"] for line in f.read_text().splitlines()] for f in found]


def counted(output: Path) -> dict[str, int]:
    """The rows of each window."""
    with closing(sqlite3.connect(output / "windows.db")) as database:
        return dict(database.execute("SELECT begins, n FROM windows").fetchall())


def main() -> None:
    """Run the job to its end."""
    output, checkpoints, order = sys.argv[1:]
    session = tw.Session(parallelism=1, checkpoint_dir=checkpoints)
    rows = session.from_polars(events()).assign_watermark("ts")
    answers = rows.map_async(
        service, "n BIGINT, rest BIGINT", carry="ts", ordered=order == "ordered", at_once=_AT_ONCE
    )
    Path(output).mkdir(exist_ok=True)
    answers.select("n").write_json(f"{output}/answers")
    windows = answers.window(tw.tumbling(WINDOW), "ts").group_by().agg(n=tw.count())
    begins = tw.col("window_start").cast("STRING")
    windows.select("n", begins=begins).write_sqlite(f"{output}/windows.db", "windows")
    how = RunOptions(rows_max=BATCH, checkpoint_batches=_EVERY)
    session.run("asking", mode="stream", options=how, guarantee="exactly_once")


if __name__ == "__main__":
    main()
