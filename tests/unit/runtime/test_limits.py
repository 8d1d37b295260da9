"""A LIMIT over endless input ends when no row that may still come can be among the first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.connectors.memory import MemorySink
from thalweg.connectors.sinks import BlackholeSink
from thalweg.errors import PlanError

FIRST = 5
# an endless source under full load is cut four times a second
pytestmark = pytest.mark.slow


def session(runtime: str, parallelism: int = 2) -> tw.Session:
    return tw.Session(parallelism=parallelism, options={"execution.runtime": runtime})


@pytest.fixture(params=["inline", "threads"])
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("offset", [0, 7])
def test_the_first_rows_are_those_that_a_batch_gives(runtime: str, offset: int) -> None:
    s = session(runtime)
    whole = s.read_nexmark(events=3_000).bid.limit(FIRST, offset).collect(mode="batch")
    endless = s.read_nexmark().bid.limit(FIRST, offset)
    assert endless.is_bounded
    columns = ["auction", "price", "dateTime"]
    assert endless.collect().select(columns).sort(columns).equals(whole.select(columns).sort(columns))


def test_nothing_is_read_for_no_rows(runtime: str) -> None:
    assert session(runtime).read_nexmark().bid.limit(0).collect().height == 0


def test_steps_behind_it_end_too(runtime: str) -> None:
    bids = session(runtime).read_nexmark().bid.limit(20)
    counts = bids.group_by(odd=tw.col("auction") % 2).agg(n=tw.count()).collect()
    assert counts["n"].sum() == 20
    windows = bids.window(tw.tumbling("1d"), on="dateTime").agg(n=tw.count()).collect()
    assert windows["n"].to_list() == [20]


def endless(start: int = 0) -> Iterator[dict[str, int]]:
    while True:
        yield {"a": start}
        start += 1


def test_a_split_that_ended_with_too_few_rows_is_followed_by_the_next(runtime: str) -> None:
    s = session(runtime)
    few = s.from_polars(pl.DataFrame({"a": [-2, -1]}))
    more = s.from_iter(endless(), is_bounded=False)
    assert few.union(more).limit(4).collect()["a"].sort().to_list() == [-2, -1, 0, 1]


def test_the_first_of_two_endless_splits_is_waited_for(runtime: str) -> None:
    def slow() -> Iterator[dict[str, int]]:
        for row in endless():
            time.sleep(0.02)
            yield row

    s = session(runtime)
    both = [s.from_iter(rows, is_bounded=False) for rows in (slow(), endless(1_000))]
    assert both[0].union(both[1]).limit(3, 1).collect()["a"].sort().to_list() == [1, 2, 3]


def test_rows_of_one_position_are_waited_for(runtime: str) -> None:
    def lists() -> Iterator[dict[str, Any]]:
        while True:
            yield {"a": [3, 1, 2]}

    rows = session(runtime).from_iter(lists(), is_bounded=False).explode("a").limit(2)
    assert rows.collect()["a"].sort().to_list() == [1, 2]


def test_what_others_read_goes_on(runtime: str) -> None:
    s, sink = session(runtime), MemorySink()
    bids = s.read_nexmark(events=40_000).bid
    bids.limit(3).write_sink(sink)
    seen: list[int] = []
    bids.write_callback(lambda frame: seen.append(frame.height))
    s.run(mode="stream")
    assert (sink.table().height, sum(seen)) == (3, 36_800)


def test_a_job_of_several_limits_ends_with_the_last(runtime: str) -> None:
    s, sinks = session(runtime), [MemorySink(), MemorySink()]
    bids = s.read_nexmark().bid
    for count, sink in zip((3, 5_000), sinks, strict=True):
        bids.limit(count).write_sink(sink)
    assert s.run().is_complete
    assert [sink.table().height for sink in sinks] == [3, 5_000]


def test_bad_rows_do_not_keep_a_job_alive(runtime: str) -> None:
    s = session(runtime)
    s.execute_sql(
        """CREATE TABLE bad WITH ('connector' = 'blackhole');
        CREATE TABLE e (a BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5000',
            'errors.tolerance' = 'quarantine', 'errors.sink' = 'bad');
        CREATE TABLE o WITH ('connector' = 'blackhole');
        INSERT INTO o SELECT a FROM e LIMIT 3"""
    )
    assert s.run().is_complete


def test_an_endless_batch_is_still_refused(runtime: str) -> None:
    with pytest.raises(PlanError) as caught:
        session(runtime).read_nexmark().bid.limit(5).collect(mode="batch")
    assert caught.value.code == "plan-batch-unbounded"


def test_the_final_table_of_endless_input_can_be_written(runtime: str, tmp_path: Any) -> None:
    s = session(runtime)
    s.read_nexmark().bid.limit(5).write_parquet(tmp_path / "o", changelog="fold")
    s.read_nexmark().bid.limit(2).write_sink(BlackholeSink())
    s.run()
    assert pl.read_parquet(tmp_path / "o").height == 5
