"""A job over a queue that gives each row once, whatever becomes of whoever took it.

Started as a process, and killed:

    python -m tests.chaos.journal_job QUEUE OUTPUT CHECKPOINTS files|sqlite kept|forgotten
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import polars as pl

import thalweg as tw
from thalweg.base.schema import Schema
from thalweg.protocols.source import Chunk, Fields, Position, Reader, Replay, Split
from thalweg.runtime.options import RunOptions

ROWS, BATCH, _EVERY = 3_000, 50, 6
JOB = "queue"
_SCHEMA = Schema.from_polars({"n": pl.Int64(), "user_id": pl.Int64()})


@dataclass(frozen=True)
class Queue:
    """The numbers from 0 up; a file says how many have been taken."""

    path: str
    schema: Schema = _SCHEMA
    is_bounded: bool = False
    replay: Replay = "none"
    is_ordered: bool = False
    is_live: bool = True

    def describe(self) -> str:
        return "queue"

    def splits(self) -> Sequence[Split]:
        return [Split("0")]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        return _Taking(self.path, _SCHEMA.names if fields is None else [name for name, _ in fields])


class _Taking:
    def __init__(self, path: str, names: Sequence[str]) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT)
        self._names = names
        self._first = taken(path)

    @property
    def position(self) -> Position:
        return {"n": self._first}

    def read(self, rows_max: int) -> Chunk:
        first, end = self._first, min(self._first + rows_max, ROWS)
        if first == end:
            return Chunk(None, offset=first, ended=True)
        os.pwrite(self._file, str(end).encode(), 0)
        self._first = end
        numbers = pl.int_range(first, end, eager=True)
        rows = pl.DataFrame({"n": numbers, "user_id": numbers % 17})
        return Chunk(rows.select(self._names), offset=first)

    def close(self) -> None:
        os.close(self._file) if self._file >= 0 else None
        self._file = -1


def taken(path: str | Path) -> int:
    """How many numbers have been taken."""
    return int(Path(path).read_text() or 0) if Path(path).exists() else 0


def found(sinks: str, output: Path) -> Counter[int]:
    """The numbers that the job has published."""
    if sinks == "sqlite":
        with closing(sqlite3.connect(output / "out.db")) as database:
            return Counter(n for (n,) in database.execute("SELECT n FROM passed"))
    files = sorted((output / "passed").glob("*.jsonl"))
    lines = (line for f in files for line in f.read_text().splitlines())
    return Counter(json.loads(line)["n"] for line in lines)


def counted(output: Path) -> int:
    """How many rows the groups of the job have counted."""
    with closing(sqlite3.connect(output / "users.db")) as database:
        (rows,) = database.execute("SELECT SUM(rows_seen) FROM users").fetchone()
    return int(rows)


def main() -> None:
    """Run the job to its end."""
    queue, output, checkpoints, sinks, journal = sys.argv[1:]
    session = tw.Session(parallelism=2, checkpoint_dir=checkpoints)
    rows = session.from_source(Queue(queue), journal=journal == "kept")
    Path(output).mkdir(exist_ok=True)
    passed = rows.select("n")
    if sinks == "sqlite":
        passed.write_sqlite(f"{output}/out.db", "passed")
    else:
        passed.write_json(f"{output}/passed")
    users = rows.group_by("user_id").agg(rows_seen=tw.count())
    users.write_sqlite(f"{output}/users.db", "users")
    how = RunOptions(rows_max=BATCH, checkpoint_batches=_EVERY)
    guarantee = "exactly_once" if journal == "kept" else "any"
    session.run(JOB, mode="stream", options=how, guarantee=guarantee)


if __name__ == "__main__":
    main()
