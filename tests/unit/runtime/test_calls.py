"""Calls are under way while cuts and checkpoints pass, and nothing is lost or repeated when a run goes on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from tests.unit.runtime.live import SCHEMA, SECOND, Clock, LiveSource, counted
from thalweg.api.types import schema_of
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.columnar.batch import Batch
from thalweg.connectors.memory import MemorySink, frame_source
from thalweg.expr.nodes import Column, Named
from thalweg.operators import asynchronous_op
from thalweg.physical.planner import plan_job
from thalweg.plan import build
from thalweg.plan.asynchronous import MapAsync
from thalweg.plan.nodes import WINDOW_START, Plan, Scan, Write
from thalweg.protocols.calls import AsyncFunction
from thalweg.protocols.messages import Barrier, Watermark
from thalweg.protocols.metrics import ROWS_UNANSWERED
from thalweg.runtime.edge import Channel
from thalweg.runtime.inline import run_inline
from thalweg.runtime.options import RunOptions
from thalweg.runtime.rounds import Round
from thalweg.runtime.run import Run
from thalweg.runtime.threads import run_threads
from thalweg.runtime.waiting import Waiting
from thalweg.testing.harness.published import Published, PublishedSink

GIVEN = schema_of("second INT")
RUNTIMES: dict[str, Callable[..., None]] = {"inline": run_inline, "threads": run_threads}


class Service:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.asked: Counter[int] = Counter()
        self.under_way = 0
        self.answered: set[int] = set()
        self.answers_all = False

    async def __call__(self, row: Any) -> Any:
        second = int(row.t.timestamp())
        self.asked[second] += 1
        self.under_way += 1
        try:
            while not self.answers_all and second not in self.answered:
                await asyncio.sleep(0.001)
            return (second,)
        finally:
            self.under_way -= 1

    def answer(self, *seconds: int) -> None:
        """Answer rows, now or when they are asked for."""
        self.answered.update(seconds)


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until something is so; a test that waits for ever is stopped by the suite's own limit."""
    while not holds():
        time.sleep(0.001)


def asked(source: Any, service: Any, **options: Any) -> Plan:
    below = build.assign_watermark(Scan(source), "t", Column("t"))
    function = AsyncFunction("service", service, at_once=options.pop("at_once", 4))
    return MapAsync(below, function, GIVEN, ("t",), options.pop("is_ordered", True))


class Watched:
    """A run of one plan that the test steps itself."""

    def __init__(self, plan: Plan, clock: Clock, snapshot: JobSnapshot | None = None, **how: Any) -> None:
        self.sink = MemorySink(is_parallel=False)
        job = plan_job([Write(plan, self.sink)], name="calls", parallelism=how.pop("parallelism", 1))
        self.taken: list[JobSnapshot] = []
        options = RunOptions(on_checkpoint=self.taken.append, **how)
        self.run = Run(job, options, snapshot, clock)

    def settle(self) -> None:
        """Let it do what it can do now."""
        every = Round(self.run, self.run.tasks)
        while every.step():
            pass

    def until(self, holds: Callable[[], bool]) -> None:
        """Let it go on until something is so."""
        self.settle()
        while not holds():
            time.sleep(0.001)
            self.settle()

    def seconds(self) -> list[int]:
        """What has been published, in its order."""
        frame = self.sink.table()
        return [] if frame.width == 0 else frame.get_column("second").to_list()

    def checkpoint(self) -> JobSnapshot:
        self.run.request_checkpoint()
        self.settle()
        return self.taken[-1]

    def said(self) -> list[str]:
        return [why for _, why in self.run.why()]


def test_cuts_and_checkpoints_pass_while_calls_are_under_way_and_the_rest_is_asked_again() -> None:
    clock, service = Clock(), Service()
    source = LiveSource({"0": [(0.0, [1, 2, 3, 4])]}, clock)
    job = Watched(asked(source, service), clock)
    job.settle()
    service.answer(1, 3)
    job.until(lambda: job.seconds() == [1])
    taken = job.checkpoint()
    # 3 is answered, and waits for 2
    assert job.seconds() == [1]
    job.run.close()
    wait_for(lambda: service.under_way == 0)
    assert service.asked == {1: 1, 2: 1, 3: 1, 4: 1}
    again = Watched(asked(source, service), clock, taken)
    again.settle()
    service.answer(4, 3, 2)
    again.until(lambda: again.seconds() == [2, 3, 4])
    assert service.asked == {1: 1, 2: 2, 3: 2, 4: 2}
    again.run.close()


def test_answers_as_they_come_pass_each_other_but_no_watermark() -> None:
    clock, service = Clock(), Service()
    source = LiveSource({"0": [(0.0, [1, 2, 3]), (1.0, [4, 5])]}, clock)
    job = Watched(asked(source, service, is_ordered=False, at_once=9), clock)
    job.settle()
    clock.now = 1.0
    job.settle()
    service.answer(5, 3)
    job.until(lambda: job.seconds() == [3])
    assert job.run.tasks[0].watermark is None
    service.answer(2, 1)
    job.until(lambda: sorted(job.seconds()) == [1, 2, 3, 5])
    assert job.run.tasks[0].watermark == 3 * SECOND
    service.answer(4)
    job.until(lambda: job.run.tasks[0].watermark == 5 * SECOND)
    assert job.seconds()[-1] == 4
    job.run.close()


def test_no_more_is_read_than_can_be_asked_for_and_whoever_asks_is_told_why() -> None:
    clock, service = Clock(), Service()
    source = LiveSource({"0": [(0.0, [n]) for n in range(100)]}, clock)
    job = Watched(asked(source, service, at_once=3), clock)
    job.settle()
    wait_for(lambda: service.under_way == 3)
    job.settle()
    assert job.run.rows_read <= 7
    assert len(service.asked) == 3
    found = [s.value for s in job.run.figures.samples if s.metric is ROWS_UNANSWERED]
    assert found == [job.run.rows_read]
    (said,) = (why for why in job.said() if why.startswith("waits for answers"))
    assert said == (
        f"waits for answers to {job.run.rows_read} rows (source1.async0); no event time yet, "
        "held back by rows without an answer (source1.async0)"
    )
    # barriers pass all the same
    before = job.run.cuts
    job.checkpoint()
    assert job.run.cuts > before
    service.answers_all = True
    job.until(lambda: job.seconds() == list(range(100)))
    assert job.said()[-1].startswith("waits for rows from live, split 0; event time is")
    job.run.close()


def test_a_task_behind_an_exchange_takes_no_batches_when_it_has_enough_to_do() -> None:
    clock, service = Clock(), Service()
    source = LiveSource({"0": [(0.0, [10 * n]) for n in range(60)]}, clock)
    windows = build.project(counted(source), [Named("t", Column(WINDOW_START))])
    plan = MapAsync(windows, AsyncFunction("service", service, at_once=1), GIVEN)
    job = Watched(plan, clock, edge_rows_max=4)
    job.settle()
    wait_for(lambda: service.under_way == 1)
    job.settle()
    (asking,) = (task for task in job.run.tasks if task.chain.is_asking)
    assert asking.inputs
    # one row under way, and one that waits; what stands before the next rows is taken
    assert asking.rows_taken <= 5
    assert job.run.rows_read < 30
    assert isinstance(asking.inputs[0].channel.peek(), Batch)
    service.answers_all = True
    job.until(lambda: job.seconds() == [10 * n for n in range(59)])
    job.run.close()


def test_what_stands_before_rows_is_taken_without_them() -> None:
    channel = Channel("edge", rows_max=10, bytes_max=1000, wake=lambda: None)
    rows = Batch(pl.DataFrame({"a": [1]}))
    for message in (Watermark(1), Watermark(2), rows, Barrier(1)):
        channel.put(message)
    waiting = Waiting(0)
    assert waiting.drain(channel) == Watermark(2)
    assert waiting.batches == []
    assert channel.peek() is rows


def test_what_nobody_wants_is_given_up() -> None:
    clock, service = Clock(), Service()
    source = LiveSource({"0": [(0.0, [1, 2, 3])]}, clock)
    job = Watched(asked(source, service), clock)
    job.settle()
    wait_for(lambda: service.under_way == 3)
    asking, sink = job.run.tasks
    sink.inputs[0].channel.close()
    job.settle()
    assert asking.state == "finished"
    assert not asking.chain.is_asking
    wait_for(lambda: service.under_way == 0)
    job.run.close()


@pytest.mark.parametrize("name", RUNTIMES)
def test_one_call_of_an_operator_may_make_more_rows_than_are_held_at_once(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asynchronous_op, "_OPEN_MAX", 1)

    async def slowly(row: Any) -> Any:
        await asyncio.sleep(0.001)
        return (int(row.t.timestamp()),)

    frame = pl.DataFrame({"t": [n * SECOND for n in range(200)]}, schema=SCHEMA.polars)
    source = frame_source(frame.with_columns(l=pl.lit([1, 2, 3])))
    below = build.explode(build.assign_watermark(Scan(source), "t", Column("t")), "l")
    plan = MapAsync(below, AsyncFunction("slowly", slowly, at_once=50), GIVEN)
    sink = MemorySink(is_parallel=False)
    RUNTIMES[name](Run(plan_job([Write(plan, sink)], name="calls", parallelism=1), RunOptions(rows_max=20)))
    assert Counter(sink.table().get_column("second")) == Counter([*range(200)] * 3)


def test_a_stop_waits_for_answers_unless_a_checkpoint_holds_the_rows() -> None:
    clock, service = Clock(), Service()
    source = LiveSource({"0": [(0.0, [1, 2])]}, clock)
    job = Watched(asked(source, service), clock)
    job.settle()
    job.run.stop()
    job.settle()
    assert not job.run.is_quiet
    service.answer(1, 2)
    job.until(lambda: job.run.is_quiet)
    assert job.seconds() == [1, 2]
    job.run.close()


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("is_ordered", [True, False], ids=["in order", "as they come"])
def test_the_end_waits_for_all_answers(name: str, is_ordered: bool) -> None:
    async def slowly(row: Any) -> Any:
        second = int(row.t.timestamp())
        await asyncio.sleep(0.001 * (second % 7))
        return (second,)

    frame = pl.DataFrame({"t": [n * SECOND for n in range(300)]}, schema=SCHEMA.polars)
    sink = MemorySink(is_parallel=False)
    plan = asked(frame_source(frame), slowly, is_ordered=is_ordered, at_once=20)
    job = plan_job([Write(plan, sink)], name="calls", parallelism=2)
    RUNTIMES[name](Run(job, RunOptions(rows_max=16)))
    found = sink.table().get_column("second").to_list()
    assert sorted(found) == list(range(300))
    assert (found == list(range(300))) or not is_ordered


@pytest.mark.parametrize("every", [1, 3])
def test_restored_at_another_parallelism_with_calls_under_way(every: int) -> None:
    async def slowly(row: Any) -> Any:
        second = int(row.t.timestamp())
        await asyncio.sleep(0.001 * (second % 5))
        return (second,)

    frame = pl.DataFrame({"t": [n * SECOND for n in range(120)]}, schema=SCHEMA.polars)
    published, taken, held = Published(), list[JobSnapshot](), 0
    for number in range(200):
        plan = asked(frame_source(frame), slowly, is_ordered=number % 2 == 0, at_once=8)
        job = plan_job([Write(plan, PublishedSink(published))], name="calls", parallelism=1 + number % 3)
        options = RunOptions(rows_max=7, checkpoint_batches=every, on_checkpoint=taken.append)
        run, before = Run(job, options, taken[-1] if taken else None), len(taken)
        run_inline(run, until=lambda before=before: len(taken) > before)
        if len(taken) == before:
            break
        held += sum(s.count for s in taken[-1].keyed.values())
        published.forget_after(taken[-1].number)
    assert Counter(published.table().get_column("second")) == Counter(range(120))
    assert held, "rows without an answer were in checkpoints"
