"""Rows keep what they were answered, while the table that they are looked up in changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.kit.broken_lookups import KeyTwin, KeyTwinReader
from tests.unit.runtime.live import Clock, LiveSource, Watched, watched
from thalweg.connectors.files.source import file_source
from thalweg.connectors.memory_table import MemoryTable
from thalweg.errors import ThalwegError
from thalweg.plan.nodes import Plan
from thalweg.protocols.lookup import LookupOptions, LookupTable
from thalweg.runtime.lookups import Answers, WholeTable
from thalweg.runtime.options import RunOptions
from thalweg.session.session import Session

ROWS = "SELECT EXTRACT(EPOCH FROM t) AS n, PROCTIME() AS p FROM live"
NAMED = f"""SELECT r.n, s.name FROM ({ROWS}) AS r
  LEFT JOIN names FOR SYSTEM_TIME AS OF r.p AS s ON MOD(r.n, 3) = s.k"""
GROUPED = "SELECT k, COUNT(*) AS c FROM (SELECT MOD(EXTRACT(EPOCH FROM t), 3) AS k FROM live) GROUP BY k"
COUNTED = f"""SELECT r.k, r.c, s.name FROM ({GROUPED}) AS r
  JOIN names FOR SYSTEM_TIME AS OF PROCTIME() AS s ON r.k = s.k"""


def names(*texts: str) -> pl.DataFrame:
    return pl.DataFrame({"k": range(len(texts)), "name": texts})


def plan(clock: Clock, query: str, table: Any, script: Sequence[tuple[float, list[int]]]) -> Plan:
    """A query over `live`, whose rows come as the script says, and the table `names`."""
    session = Session(parallelism=1)
    session.create_view("live", session.from_source(LiveSource({"a": script}, clock)))
    session.create_view("names", session.from_source(table))
    return session.sql(query).plan


def shown(job: Watched) -> list[tuple[Any, ...]]:
    return sorted(job.sinks[0].table().rows(), key=str)


@pytest.mark.parametrize("parallelism", [1, 3])
def test_a_table_that_is_changed_is_seen_by_later_rows_only(parallelism: int) -> None:
    clock, table = Clock(), MemoryTable(names("zero", "one"))
    script = [(1.0, [3, 4]), (3.0, [6, 7, 8]), (5.0, [9])]
    job = watched([plan(clock, NAMED, table, script)], clock, RunOptions(), parallelism)
    job.until(2.0)
    assert shown(job) == [(3, "zero"), (4, "one")]
    table.replace(names("nought", "one", "two"))
    job.until(4.0)
    table.update(names("null"), key="k")
    job.until(6.0)
    assert shown(job) == [(3, "zero"), (4, "one"), (6, "nought"), (7, "one"), (8, "two"), (9, "null")]


def test_a_row_that_is_taken_back_takes_back_what_it_was_answered() -> None:
    clock, table = Clock(), MemoryTable(names("zero", "one"))
    script = [(1.0, [0, 1, 2]), (3.0, [3]), (5.0, [4])]
    job = watched([plan(clock, COUNTED, table, script)], clock, RunOptions(), 2)
    job.until(2.0)
    assert shown(job) == [(0, 1, "zero"), (1, 1, "one")]
    table.replace(names("nought"))
    job.until(4.0)
    # the row of 0 has come anew, and asked anew; that of 1 has not changed
    assert shown(job) == [(0, 2, "nought"), (1, 1, "one")]
    job.until(6.0)
    assert shown(job) == [(0, 2, "nought")]
    changes = job.sinks[0].changes().rows()
    assert sorted(c for c in changes if c[-1] < 0) == [(0, 1, "zero", -1), (1, 1, "one", -1)]


@pytest.mark.parametrize("parallelism", [1, 3])
def test_what_was_answered_is_restored(parallelism: int) -> None:
    """The law of recorded decisions: what went on behind a checkpoint goes on from its answers."""
    clock, table = Clock(), MemoryTable(names("zero", "one", "two"))
    script = [(1.0, [0, 1, 1, 2]), (3.0, [3, 5])]
    job = watched([plan(clock, COUNTED, table, script)], clock, RunOptions(), 2)
    job.until(2.0)
    job.run.request_checkpoint()
    job.until(2.5)
    before = shown(job)
    assert before == [(0, 1, "zero"), (1, 2, "one"), (2, 1, "two")]
    snapshot = job.run.last_snapshot
    table.replace(names("a", "b", "c"))
    later = watched([plan(clock, COUNTED, table, script)], clock, RunOptions(), parallelism, snapshot)
    later.until(4.0)
    changes = later.sinks[0].changes().rows()
    # the rows of 0 and 2 have changed: what was emitted before the checkpoint is taken back to the letter
    assert sorted(changes, key=str) == [(0, 1, "zero", -1), (0, 2, "a", 1), (2, 1, "two", -1), (2, 2, "c", 1)]


def test_files_are_read_anew_when_they_have_changed(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    names("zero", "one", "two").write_csv(path)
    clock = Clock()
    job = watched(
        [plan(clock, NAMED, file_source(str(path)), [(0.5, [0]), (2.5, [1]), (4.0, [2])])],
        clock,
        RunOptions(),
        1,
    )
    job.until(1.5)
    names("a", "b", "c").write_csv(path)
    job.until(3.0)
    names("aa", "bb", "cc").write_csv(path)
    job.until(5.0)
    assert shown(job) == [(0, "zero"), (1, "b"), (2, "cc")]


def test_files_are_read_anew_at_an_interval(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    names("zero", "one").write_csv(path)
    session = Session(parallelism=1)
    session.execute_sql(f"""CREATE TABLE names (k BIGINT, name STRING) WITH ('connector' = 'filesystem',
      'path' = '{path}', 'lookup.full-cache.periodic-reload.interval' = '10s')""")
    clock = Clock()
    script = [(0.5, [0]), (5.0, [3]), (11.0, [6])]
    session.create_view("live", session.from_source(LiveSource({"a": script}, clock)))
    job = watched([session.sql(NAMED).plan], clock, RunOptions(), 1)
    job.until(1.0)
    names("a", "b").write_csv(path)
    job.until(12.0)
    assert shown(job) == [(0, "zero"), (3, "zero"), (6, "a")]


def test_rows_of_files_that_cannot_be_read_stop_the_job_or_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text("k,name\n0,zero\nx,one\n")
    for tolerance in ("none", "quarantine"):
        session = Session(parallelism=1)
        session.execute_sql(f"""CREATE TABLE names (k BIGINT, name STRING) WITH ('connector' = 'filesystem',
          'path' = '{path}', 'errors.tolerance' = '{tolerance}')""")
        session.create_view("live", session.from_source(LiveSource({"a": [(0.5, [3, 4])]}, clock := Clock())))
        job = watched([session.sql(NAMED).plan], clock, RunOptions(), 1)
        if tolerance == "none":
            with pytest.raises(ThalwegError, match='"x"'):
                job.until(1.0)
        else:
            job.until(1.0)
            assert shown(job) == [(3, "zero"), (4, None)]


# Caches of answers -----------------------------------------------------------------------------------


class Counting(KeyTwin):
    """Counts the questions for each key."""

    def __init__(self) -> None:
        super().__init__()
        self.questions: list[list[int]] = []

    @property
    def reader(self) -> Any:
        return _CountingReader


class _CountingReader(KeyTwinReader):
    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        self.source.questions.append(sorted(keys["k"].to_list()))
        return super().ask(keys)


def answers(source: Counting, clock: Clock, **options: Any) -> Any:
    """Asks for keys, and gives how many rows each has."""
    given = LookupOptions(cache=options.pop("cache", "PARTIAL"), **options)
    columns = dict(source.schema.polars)
    lookup = Answers(LookupTable(source, None, None, columns, ("k",), ("k",), given), clock)

    def ask(*keys: int) -> list[int]:
        table, slots = lookup.ask(pl.DataFrame({"k": keys}, schema={"k": pl.Int64}))
        found = [0] * len(keys)
        for places, _ in table.pairs(slots, 2):
            for place in places:
                found[place] += 1
        return found

    return ask


def test_answers_are_kept_and_each_key_is_asked_for_once() -> None:
    source, clock = Counting(), Clock()
    ask = answers(source, clock)
    assert ask(2, 1, 2, 9) == [2, 1, 2, 0]
    assert ask(1, 9, 4) == [1, 0, 1]
    assert source.questions == [[1, 2, 9], [4]]


def test_answers_expire() -> None:
    source, clock = Counting(), Clock()
    ask = answers(source, clock, expire_after_write=5.0)
    ask(1, 2)
    clock.now = 3.0
    ask(1, 4)
    clock.now = 5.0
    assert ask(1, 2, 4) == [1, 2, 1]
    assert source.questions == [[1, 2], [4], [1, 2]]


def test_answers_that_are_used_do_not_expire() -> None:
    source, clock = Counting(), Clock()
    ask = answers(source, clock, expire_after_access=5.0)
    ask(1, 2)
    clock.now = 4.0
    ask(1)
    clock.now = 8.0
    ask(1, 2)
    assert source.questions == [[1, 2], [2]]


def test_the_least_lately_used_answers_go_first() -> None:
    source, clock = Counting(), Clock()
    ask = answers(source, clock, rows_max=2)
    for keys in ([1], [2], [1], [4], [1, 4], [2]):
        clock.now += 1.0
        ask(*keys)
    assert source.questions == [[1], [2], [4], [2]]


def test_keys_without_rows_may_be_asked_for_again() -> None:
    source, clock = Counting(), Clock()
    ask = answers(source, clock, caches_missing=False)
    ask(1, 9)
    ask(1, 9)
    assert source.questions == [[1, 9], [9]]


def test_nothing_is_kept_without_a_cache() -> None:
    source, clock = Counting(), Clock()
    ask = answers(source, clock, cache="NONE", batch_keys=2)
    assert ask(1, 2, 4, 1) == [1, 2, 1, 1]
    source.replace(source.frame.clear())
    assert ask(1, 2) == [0, 0]
    assert source.questions == [[1, 2], [4], [1, 2]]


def test_a_table_is_not_read_anew_before_its_interval() -> None:
    table, clock = MemoryTable(names("zero")), Clock()
    whole = LookupTable(
        table, None, None, dict(table.schema.polars), ("k",), options=LookupOptions(reload_interval=1e9)
    )
    lookup = WholeTable(whole, clock)
    key = pl.DataFrame({"k": [0]})
    first = lookup.ask(key)[0]
    table.replace(names("a"))
    clock.now = 100.0
    assert lookup.ask(key)[0] is first
