"""What a query read and gave is given back with it, at once and not when Python's collector comes round."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
import pytest

import thalweg as tw
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.connectors.memory import FrameSource, MemorySink
from thalweg.optimizer.optimize import optimize
from thalweg.optimizer.standard import RULES
from thalweg.physical.planner import plan_job
from thalweg.plan.nodes import Plan, Write
from thalweg.runtime.inline import run_inline
from thalweg.runtime.options import RunOptions
from thalweg.runtime.run import Run
from thalweg.runtime.task import Task

QUERIES = (
    "SELECT MAX(v) AS m FROM t",
    "SELECT k, COUNT(*) AS n FROM t GROUP BY k HAVING COUNT(*) > 1",
    "SELECT a.k, b.v FROM t a JOIN t b ON a.k = b.k AND a.v < b.v",
    "SELECT k FROM t WHERE v > (SELECT AVG(v) FROM t) UNION ALL SELECT k FROM t",
    "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v) AS r FROM t) WHERE r = 1",
)
KINDS = (Plan, FrameSource, MemorySink, Run, Task)


def alive() -> dict[str, int]:
    """How many objects of each kind there are."""
    every = gc.get_objects()
    return {kind.__name__: sum(isinstance(each, kind) for each in every) for kind in KINDS}


@contextmanager
def collector_off() -> Iterator[None]:
    """Without Python's collector: what is given back is so because nothing refers to it."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def collected(text: str, mode: str, runtime: str) -> pl.DataFrame:
    """The rows of a query over a small table."""
    session = tw.Session(parallelism=2, options={"execution.runtime": runtime})
    session.create_view("t", session.from_polars(pl.DataFrame({"k": [1, 2, 1], "v": [5, 6, 7]})))
    return session.sql(text).collect(mode=mode)


@pytest.mark.parametrize("text", QUERIES)
@pytest.mark.parametrize(
    ("mode", "runtime"), [("batch", "threads"), ("stream", "threads"), ("stream", "inline")]
)
def test_nothing_is_kept_of_a_query(text: str, mode: str, runtime: str) -> None:
    collected(text, mode, runtime)
    with collector_off():
        before = alive()
        assert collected(text, mode, runtime).height > 0
        assert alive() == before


def stopped_at_a_checkpoint() -> weakref.ref[JobSnapshot]:
    """What a run took before it was stopped."""
    session = tw.Session(parallelism=2)
    rows = session.from_polars(pl.DataFrame({"k": [1, 2, 1] * 10}))
    plan = rows.group_by("k").agg(n=tw.count()).plan
    job = plan_job(optimize([Write(plan, MemorySink())], RULES)[0], name="kept", parallelism=2)
    run = Run(job, RunOptions(rows_max=7, checkpoint_batches=1))
    run_inline(run, until=lambda: run.last_snapshot is not None)
    assert run.last_snapshot is not None
    return weakref.ref(run.last_snapshot)


def test_nothing_is_kept_of_a_checkpoint() -> None:
    with collector_off():
        before = alive()
        assert stopped_at_a_checkpoint()() is None
        assert alive() == before
