"""A job that is stopped at a checkpoint and resumed from its bytes gives what an unbroken run gives."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.property.harness import through_bytes
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.columnar.batch import join_batches
from thalweg.connectors.memory import MemorySink, folded, frame_source
from thalweg.expr.nodes import Aggregate, Column, Named
from thalweg.job.job import Job
from thalweg.physical.planner import plan_job
from thalweg.plan import build
from thalweg.plan.nodes import Plan, Scan, Write
from thalweg.progress.windows import WindowSpec
from thalweg.runtime.inline import run_inline
from thalweg.runtime.options import RunOptions
from thalweg.runtime.run import Run
from thalweg.runtime.threads import run_threads

ROWS = 4_000


def events() -> Plan:
    rng = np.random.default_rng(7)
    times = np.sort(rng.integers(0, 60_000_000, ROWS))
    frame = pl.DataFrame(
        {
            "k": rng.integers(0, 50, ROWS),
            "v": rng.integers(-1000, 1000, ROWS),
            "t": pl.Series(times).cast(pl.Datetime("us")),
        }
    )
    scan = Scan(frame_source([frame[::3], frame[1::3], frame[2::3]]))
    return build.assign_watermark(scan, "t", Column("t"))


def running() -> Plan:
    outputs = [
        Named("k", Column("k")),
        Named("n", Aggregate("count")),
        Named("m", Aggregate("max", (Column("v"),))),
    ]
    return build.group_by(events(), [Named("k", Column("k"))], outputs)


def windowed() -> Plan:
    rows = build.window(events(), "t", WindowSpec.hopping(10_000_000, 4_000_000))
    keys = [Named(n, Column(n)) for n in ("k", "window_start", "window_end")]
    return build.group_by(rows, keys, [*keys, Named("s", Aggregate("sum", (Column("v"),)))])


PLANS = {"running": running(), "windowed": windowed()}


def job(plan: Plan, sink: MemorySink, parallelism: int) -> Job:
    return plan_job([Write(plan, sink)], name="test", parallelism=parallelism)


def unbroken(plan: Plan) -> pl.DataFrame:
    sink = MemorySink(is_parallel=False)
    run_inline(Run(job(plan, sink, 2)))
    return sink.table().sort(pl.all())


@pytest.mark.parametrize("every", [1, 3, 8])
@pytest.mark.parametrize("name", PLANS)
def test_stop_at_every_kth_checkpoint_and_resume_at_other_parallelism(name: str, every: int) -> None:
    plan, parts, before = PLANS[name], [], None
    for parallelism in (1, 3, 2):
        sink, taken = MemorySink(is_parallel=False), list[JobSnapshot]()

        def note(snapshot: JobSnapshot, sink: MemorySink = sink, taken: list[JobSnapshot] = taken) -> None:
            if not taken:
                parts.append(sink.collected.batch())
                taken.append(snapshot)

        options = RunOptions(rows_max=200, checkpoint_batches=every, cut_batches=2, on_checkpoint=note)
        last = parallelism == 2
        options = RunOptions(rows_max=200) if last else options
        run = Run(job(plan, sink, parallelism), options, before)
        run_inline(run, until=lambda taken=taken: bool(taken))  # type: ignore[misc]
        if last:
            parts.append(sink.collected.batch())
        else:
            before = through_bytes(taken[0])
    assert folded(join_batches(parts)).sort(pl.all()).equals(unbroken(plan))


@pytest.mark.parametrize("name", PLANS)
def test_a_checkpoint_taken_while_threads_run_is_consistent(name: str) -> None:
    plan, taken = PLANS[name], list[JobSnapshot]()
    sink = MemorySink(is_parallel=False)
    options = RunOptions(rows_max=100, checkpoint_batches=5, on_checkpoint=taken.append)
    run_threads(Run(job(plan, sink, 2), options))
    assert sink.table().sort(pl.all()).equals(unbroken(plan))
    assert taken
    rows_read = [sum(s["rows"] for s in t.splits.values()) for t in taken]
    assert rows_read == sorted(rows_read)
    assert rows_read[-1] <= ROWS
