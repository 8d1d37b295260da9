"""Queries with windows give what their definitions say where rows are late, and where many times are equal.

Two inputs: one split in which the events of five seconds are shuffled, more than the four that the watermark
waits; and three splits that advance together, whose times are whole seconds, shuffled in longer stretches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.nexmark.reference import QUERIES, Event, judged
from tests.nexmark.running import Query, comparable, difference, generated, in_file
from thalweg.connectors.nexmark import NexmarkConfig, NexmarkGenerator

KINDS = ("person", "auction", "bid")
DISORDER = {"out_of_order_group_size": 1000}
COUNTS = {"disorder": (20_000, 200), "equal times": (15_000, 100)}
WAYS: list[Mapping[str, Any]] = [
    {"mode": "stream", "rows": "700", "parallelism": 3},
    {"mode": "stream", "rows": "65536", "parallelism": 1},
    {"mode": "batch", "lateness": "as_stream"},
]


@dataclass(frozen=True)
class Input:
    """Events, split by split, and the options of a table of them."""

    splits: tuple[pl.DataFrame, ...]
    options: str

    def events(self, *, judges: bool) -> list[Event]:
        """The events as the reference takes them."""
        return judged(map(_rows, self.splits), judges=judges)


def _rows(frame: pl.DataFrame) -> list[tuple[int, dict[str, Any]]]:
    return [(r["event_type"], r[KINDS[r["event_type"]]]) for r in frame.iter_rows(named=True)]


@cache
def made(kind: str, **config: int) -> pl.DataFrame:
    """The events of the generator."""
    count, rate = COUNTS[kind]
    whole = NexmarkConfig(events_num=count, first_event_rate=rate, **config)  # type: ignore[arg-type]
    return NexmarkGenerator(whole, 0).batch(0, count)


def input_of(kind: str, folder: Path) -> Input:
    """The events of one of the two inputs."""
    if kind == "disorder":
        return Input((made(kind, **DISORDER),), generated(*COUNTS[kind], **DISORDER))
    frame = made(kind).with_columns(
        pl.when(pl.col("event_type") == number).then(
            pl.col(name).struct.with_fields(pl.field("dateTime").dt.truncate("1s"))
        )
        for number, name in enumerate(KINDS)
    )
    # 700 rows of a split are 21 seconds: some are late for windows of ten seconds, some for none
    splits = tuple(
        pl.concat(
            s.sample(fraction=1, shuffle=True, seed=at) for at, s in enumerate(frame[n::3].iter_slices(700))
        )
        for n in range(3)
    )
    for number, split in enumerate(splits):
        split.write_parquet(folder / f"{number}.parquet", row_group_size=1000)
    return Input(splits, f"{in_file(folder)}, 'source.splits' = 'parallel'")


def check(query: Query, rows: Sequence[tuple[Any, ...]], how: Mapping[str, Any]) -> None:
    options = dict(how)
    found = query.answer(options.pop("mode"), **options)
    wanted = pl.DataFrame(rows, schema=found.schema, orient="row")
    wrong = difference(query.name, comparable(found), comparable(wanted))
    assert wrong is None, f"{how}: {wrong}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", COUNTS)
@pytest.mark.parametrize("name", QUERIES)
def test_late_rows_and_equal_times(name: str, kind: str, tmp_path: Path) -> None:
    given = input_of(kind, tmp_path)
    query = Query(name, given.options, tmp_path)
    accepted, every = (list(QUERIES[name](given.events(judges=judges))) for judges in (True, False))
    assert accepted
    for how in WAYS:
        check(query, accepted, how)
    check(query, every, {"mode": "batch"})


@pytest.mark.parametrize("kind", COUNTS)
def test_some_rows_are_late_and_many_times_are_equal(kind: str, tmp_path: Path) -> None:
    given = input_of(kind, tmp_path)
    accepted, every = (given.events(judges=judges) for judges in (True, False))
    behind = sum(e.is_behind for e in accepted)
    assert 0 < behind < len(accepted)
    # what is shuffled in the one split lies within windows of ten seconds, but not within sessions
    for name in ("w_session",) if kind == "disorder" else ("w_tumble", "w_cumulate", "w_session"):
        assert sorted(QUERIES[name](accepted)) != sorted(QUERIES[name](every))
    is_equal = len({e.time for e in accepted}) * 50 < len(accepted)
    assert is_equal == (kind == "equal times")
