"""A task that reads one input first stops nobody: what comes for the others goes to a file meanwhile."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest

from tests.restless import restless
from thalweg.columnar.batch import Batch
from thalweg.connectors.memory import FrameSource, MemorySink, frame_source
from thalweg.errors import DataError, ExternalError
from thalweg.expr.nodes import Column, Named
from thalweg.physical.planner import plan_job
from thalweg.plan import build
from thalweg.plan.nodes import FrameFunction, Join, MapBatches, Plan, Scan, Write
from thalweg.protocols.messages import End, Watermark
from thalweg.protocols.source import Chunk, Fields, Position, Reader, Split
from thalweg.runtime.edge import Channel
from thalweg.runtime.inline import run_inline
from thalweg.runtime.options import RunOptions
from thalweg.runtime.run import Run
from thalweg.runtime.spill import SpillingChannel
from thalweg.runtime.threads import run_threads

ROWS = 500
SMALL_EDGES = RunOptions(rows_max=50, edge_rows_max=10)


@dataclass(frozen=True, eq=False)
class Slow(FrameSource):
    """Frames of which there is nothing to read at first."""

    waits: int = 0
    opened: list[_SlowReader] = field(default_factory=list)

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        made = _SlowReader(super().open(split, position, fields), self.waits)
        self.opened.append(made)
        return made


class _SlowReader:
    def __init__(self, inner: Reader, waits: int) -> None:
        self._inner, self.left = inner, waits

    @property
    def position(self) -> Position:
        return self._inner.position

    def read(self, rows_max: int) -> Chunk:
        if self.left:
            self.left -= 1
            return Chunk(None, wait=0.0)
        return self._inner.read(rows_max)

    def close(self) -> None:
        self._inner.close()


def table(rows: int = ROWS) -> pl.DataFrame:
    return pl.DataFrame({"id": range(rows), "k": [i % 7 for i in range(rows)]})


def joined(left: Plan, right: Plan) -> Plan:
    """Rows with those of the right plan whose `id` is their `k`; the right plan is read first."""
    names = [Named("other", Column("id")), Named("more", Column("k"))]
    return Join(left, build.project(right, names), "inner", (("k", "other"),), first="right")


def start(plan: Plan, options: RunOptions = SMALL_EDGES, parallelism: int = 2) -> tuple[Run, MemorySink]:
    sink = MemorySink()
    return Run(plan_job([Write(plan, sink)], name="job", parallelism=parallelism), options), sink


def after(rounds: int) -> Callable[[], bool]:
    """Whether a run has been asked so often whether it is to be given up."""
    asked = count()
    return lambda: next(asked) > rounds


def diamond() -> Plan:
    """One source on both sides."""
    scan = Scan(frame_source([table()[::2], table()[1::2]]))
    return joined(scan, scan)


# One source for both sides -----------------------------------------------------------------------


@pytest.mark.parametrize("parallelism", [1, 2, 3])
@pytest.mark.parametrize("drive", [run_inline, run_threads])
def test_a_source_may_feed_both_sides(drive: Any, parallelism: int) -> None:
    run, sink = start(diamond(), parallelism=parallelism)
    with restless():
        drive(run)
    assert run.is_finished
    assert sum(c.spilled_rows for c in run.parts.spilling) > 0
    assert sink.table().height == ROWS
    assert (sink.table()["k"] == sink.table()["other"]).all()


@pytest.mark.slow
def test_without_a_file_it_would_wait_for_ever() -> None:
    run, sink = start(diamond())
    with mock.patch.object(SpillingChannel, "is_full", Channel.is_full):
        run_inline(run, until=after(40))
    assert not run.is_finished
    assert sink.table().is_empty()


def test_nothing_is_spilled_within_the_bounds_of_an_edge() -> None:
    run, sink = start(diamond(), RunOptions(rows_max=50))
    run_inline(run)
    assert sum(c.spilled_rows for c in run.parts.spilling) == 0
    assert sink.table().height == ROWS


# The file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("drive", [run_inline, run_threads])
def test_a_full_disk_is_named(drive: Any) -> None:
    run, sink = start(diamond())
    full = OSError(errno.ENOSPC, "No space left on device")
    with mock.patch.object(os, "pwrite", side_effect=full), pytest.raises(ExternalError) as caught:
        drive(run)
    assert caught.value.code == "runtime-cannot-spill"
    assert "No space left" in str(caught.value)
    assert "TMPDIR" in str(caught.value)
    assert sink.table().is_empty()


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Every file that is opened for spilling, in a folder of the test's own."""
    made: list[Any] = []
    original = tempfile.TemporaryFile

    def recorded(**options: Any) -> Any:
        made.append(original(dir=tmp_path, **options))
        assert list(tmp_path.iterdir()) == [], "the file has no name"
        return made[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", recorded)
    return made


def test_files_are_given_back_at_the_end(files: list[Any]) -> None:
    run, _ = start(diamond())
    run_inline(run)
    assert files
    assert all(f.closed for f in files)


def _fail(frame: pl.DataFrame) -> pl.DataFrame:
    raise DataError("no more of this", code="data-overflow", found=str(frame.height))


def test_files_are_given_back_when_a_task_fails(files: list[Any]) -> None:
    plan = diamond()
    run, _ = start(MapBatches(plan, FrameFunction("fail", _fail), plan.schema))
    with pytest.raises(DataError):
        run_threads(run)
    assert files
    assert all(f.closed for f in files)


def test_messages_come_as_they_were_sent(files: list[Any]) -> None:
    channel = SpillingChannel("a -> b", rows_max=4, bytes_max=1 << 20, wake=lambda: None)
    frame = pl.DataFrame(
        {
            "a": [1, None, 3],
            "t": pl.Series([0, 1, None]).cast(pl.Datetime("us", "UTC")),
            "n": pl.Series([[{"x": 1.5}], None, []], dtype=pl.List(pl.Struct({"x": pl.Float64}))),
            "d": pl.Series(["1.5", None, "2.25"]).cast(pl.Decimal(38, 2)),
        }
    )
    weighted = Batch(frame, pl.Series([1, -1, 2]))
    sent = [Batch(frame), weighted, Watermark(5), Batch(frame[:1]), weighted, End()]
    for message in sent:
        assert not channel.is_full
        channel.put(message)
    assert channel.spilled_rows == 6
    assert len(files) == 1
    channel.accept()
    assert channel.is_full, "from now on it is an edge like any other"
    for message in sent:
        assert not channel.is_empty
        taken = channel.take()
        if not isinstance(message, Batch):
            assert taken == message
            continue
        assert isinstance(taken, Batch)
        assert taken.frame.equals(message.frame)
        assert taken.frame.schema == message.frame.schema
        assert taken.weights().equals(message.weights())
    assert channel.rows == 0
    assert not channel.is_full
    channel.discard()
    assert files[0].closed


# Cuts, stops and waiting -------------------------------------------------------------------------


def slowly(waits: int) -> tuple[Plan, Slow]:
    """A join whose right input has nothing to read for some time."""
    known = frame_source(table(7))
    small = Slow(known.frames, known.schema, "slow", waits=waits)
    return joined(Scan(frame_source(table())), Scan(small)), small


@pytest.mark.parametrize("drive", [run_inline, run_threads])
def test_a_checkpoint_waits_until_the_first_input_has_ended(drive: Any) -> None:
    plan, small = slowly(20)
    taken: list[int] = []
    options = replace(SMALL_EDGES, on_checkpoint=lambda s: taken.append(small.opened[0].left))
    run, sink = start(plan, options)
    run.request_checkpoint()
    drive(run)
    assert taken == [0]
    assert run.last_snapshot is not None
    ((key, kept),) = run.last_snapshot.keyed.items()
    assert key[2] == "table"
    assert sorted(kept.frame["other"]) == list(range(7)), "once, whatever the number of tasks"
    assert sink.table().height == ROWS


@pytest.mark.parametrize("is_drained", [True, False])
@pytest.mark.parametrize("drive", [run_inline, run_threads])
def test_what_is_read_first_is_read_to_its_end_when_the_job_is_stopped(drive: Any, is_drained: bool) -> None:
    plan, _ = slowly(20)
    run, sink = start(plan)
    for task in run.parts.sources:
        # what was read before the stop finds its partners
        run.after_step(task, task.step())
    run.stop(drain=is_drained)
    drive(run, until=after(100_000))
    assert run.is_finished if is_drained else run.is_quiet
    found = sink.table()
    assert 0 < found.height < ROWS
    assert sorted(found["id"]) == list(range(found.height))


def test_why_names_what_is_read_first() -> None:
    plan, _ = slowly(1000)
    run, _ = start(plan, parallelism=1)
    for task in run.tasks:
        task.step()
    waits = dict(run.why())
    assert waits["join1[0]"] == "waits for the end of source2[0] -> join1[0], which is read first"
    run.close()
