"""Run plans: optimize, choose the way, plan the job, run it.

The one short function that shows the whole path of a query is `execute`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from thalweg.base.types import DataType, Decimal
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.columnar.batch import Batch
from thalweg.errors import DataError, PlanError
from thalweg.expr import aggregates
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Aggregate
from thalweg.expr.python import unwrap
from thalweg.operators.changelog import with_ops
from thalweg.optimizer.optimize import Rule, optimize
from thalweg.physical.event_times import event_times
from thalweg.physical.lazy import LazyBuilder
from thalweg.physical.possible import check_possible
from thalweg.physical.results import changelog_step, check_sink
from thalweg.plan.nodes import GroupBy, Plan, Write
from thalweg.plan.over import Over
from thalweg.plan.properties import reads_endless
from thalweg.protocols.sink import Epoch, StagingWriter
from thalweg.runtime.breaker import QuarantineLimit
from thalweg.runtime.options import RunOptions
from thalweg.runtime.writers import opened
from thalweg.session.batches import batches_of, panics_told
from thalweg.session.figures import Meters, SourceFigures
from thalweg.session.hooks import HOOKS
from thalweg.session.judged import (
    accepting_every_row,
    calls_functions,
    final_writes,
    judges_rows,
    keeps_state,
    without_clock,
)
from thalweg.session.metrics.frame import frame_of
from thalweg.session.reading import BoundedReading

if TYPE_CHECKING:
    from thalweg.job.job import Job
    from thalweg.runtime.run import Run
    from thalweg.session.checkpoints import CheckpointOptions
    from thalweg.session.handle import JobHandle
    from thalweg.session.hooks import Watcher

Mode = Literal["automatic", "batch", "stream"]
Lateness = Literal["ignore", "as_stream"]
"""Whether a batch accepts every row, or judges rows as a stream would; a stream always judges."""


@dataclass(frozen=True)
class Execution:
    """How plans are to be run."""

    name: str = "job"
    mode: Mode = "automatic"
    lateness: Lateness = "ignore"
    parallelism: int = 2
    rules: Sequence[Rule] = ()
    options: RunOptions = field(default_factory=RunOptions)
    snapshot: JobSnapshot | None = None
    checkpoints: CheckpointOptions | None = None
    on_start: Callable[[JobHandle], None] | None = None
    watchers: Sequence[Watcher] = ()


@dataclass(frozen=True)
class Result:
    """What a run did.

    Attributes:
        mode: `batch` or `stream`.
        rows: rows read, where the run counted them (streams do).
        seconds: how long it took.
        is_complete: whether the input ended (and not the run).
        late_count: rows that came too late, for windows one for each window that a row missed.
        bad_count: rows that were kept apart because they could not be read, or have no event time.
        ahead_count: rows of live sources too far ahead of their arrival, which did not move event time.
        restarts: how often it failed and went on from a checkpoint; the counts are those since the last time.
        run: the finished run of a stream, with its counters.
        sources: what each source has read, and what it left out.
    """

    name: str
    mode: str
    rows: int
    seconds: float
    is_complete: bool
    late_count: int = 0
    bad_count: int = 0
    ahead_count: int = 0
    restarts: int = 0
    run: Run | None = field(default=None, repr=False)
    snapshot: JobSnapshot | None = field(default=None, repr=False)
    sources: tuple[SourceFigures, ...] = ()

    def why(self) -> list[tuple[str, str]]:
        """For every task of a stream what it waits for, sinks first; a batch has no tasks."""
        return [] if self.run is None else self.run.why()

    def metrics(self) -> pl.DataFrame:
        """The figures that a stream ended with, one per row; of a batch none are kept."""
        return frame_of([] if self.run is None else [self.run.figures])


def execute(roots: Sequence[Plan], how: Execution) -> Result:
    """Run the plans of several sinks as one job."""
    if HOOKS.stand_in is not None:
        return HOOKS.stand_in(roots, how)
    check_possible(roots)
    meters = Meters()
    plans = meters.attached(optimize(roots, how.rules)[0])
    mode = choose_mode(plans, how.mode)
    with panics_told():
        result = _executed(plans, mode, how)
    result = replace(result, sources=meters.figures())
    for tell in HOOKS.listeners:
        tell(result)
    return result


def _executed(plans: Sequence[Plan], mode: str, how: Execution) -> Result:
    begun = time.monotonic()
    if mode == "batch" and _needs_operators(plans, how):
        how = replace(how, options=without_clock(how.options))
        plans = accepting_every_row(plans) if how.lateness == "ignore" else plans
        return _result_of(how.name, _run_stream(final_writes(plans), how), mode, time.monotonic() - begun)
    if mode == "batch":
        bad_count = _run_batch_kept(plans, how)
        return Result(how.name, mode, 0, time.monotonic() - begun, is_complete=True, bad_count=bad_count)
    return _result_of(how.name, _run_stream(plans, how), mode, time.monotonic() - begun)


def _needs_operators(plans: Sequence[Plan], how: Execution) -> bool:
    """Whether a batch is to do what a query of Polars does not: judge rows, or keep to a budget of memory."""
    if calls_functions(plans) or (how.lateness == "as_stream" and judges_rows(plans)):
        return True
    return how.options.memory is not None and keeps_state(accepting_every_row(plans))


def _run_stream(plans: Sequence[Plan], how: Execution) -> tuple[Run | None, int]:
    # imported here: a batch needs no tasks
    from thalweg.session.attempts import run_stream

    return run_stream(plans, how)


def _result_of(name: str, ran: tuple[Run | None, int], mode: str, seconds: float) -> Result:
    run, restarts = ran
    if run is None:
        # it had reached its end before
        return Result(name, mode, 0, seconds, is_complete=True)
    counts = asdict(run.tally)
    return Result(
        run.job.name,
        mode,
        run.rows_read,
        seconds,
        run.is_finished,
        restarts=restarts,
        run=run,
        snapshot=run.last_snapshot,
        **counts,
    )


def job_of(roots: Sequence[Plan], how: Execution) -> Job:
    """The job that the plans of several sinks are as a stream."""
    from thalweg.physical.planner import plan_job

    check_possible(roots)
    return plan_job(optimize(roots, how.rules)[0], name=how.name, parallelism=how.parallelism)


def explain(roots: Sequence[Plan], how: Execution, details: Collection[str] = ()) -> str:
    """Every stage on the way from the plans to the job, and further details."""
    from thalweg.job.execution_plan import execution_plan
    from thalweg.job.job import describe
    from thalweg.optimizer.explain import explain_changes, explain_steps
    from thalweg.physical.planner import plan_job

    plans, steps = optimize(roots, how.rules)
    job = plan_job(plans, name=how.name, parallelism=how.parallelism)
    parts = [explain_steps(roots, steps)]
    if "CHANGELOG_MODE" in details:
        parts.append(f"== changes, as a stream ==\n{explain_changes(plans)}")
    parts.append(f"== job ==\n{describe(job, has_checkpoints=how.checkpoints is not None)}")
    if "STATE" in details:
        from thalweg.job.state_report import describe_state

        parts.append(f"== state, as a stream ==\n{describe_state(job)}")
    if "JSON_EXECUTION_PLAN" in details:
        parts.append(f"== execution plan ==\n{execution_plan(job)}")
    return "\n\n".join(parts)


def choose_mode(plans: Sequence[Plan], wanted: Mode) -> str:
    """Bounded plans run as a batch unless asked otherwise; unbounded ones cannot.

    Raises:
        PlanError: `plan-batch-unbounded`.
    """
    unbounded = [p for p in plans if reads_endless(p)]
    if wanted == "stream":
        return "stream"
    if not unbounded:
        return "batch"
    if wanted == "batch":
        raise PlanError(
            "a source of the job never ends, so that it cannot run as a batch",
            code="plan-batch-unbounded",
            found=unbounded[0].describe(),
            hint='mode="stream" runs it',
        )
    return "stream"


def _run_batch_kept(plans: Sequence[Plan], how: Execution) -> int:
    """A batch that commits all of its results at once, if it has a directory of checkpoints."""
    now, limit = how.options.wall(), how.options.quarantine
    if how.checkpoints is None:
        return run_batch(plans, now, limit)
    # imported here: few batches are kept
    from thalweg.session.attempts import repeat, restarts_of
    from thalweg.session.checkpoints import kept_batch

    writes = [p for p in plans if isinstance(p, Write)]
    bad_count = 0

    def attempt() -> None:
        nonlocal bad_count
        with kept.begun() as begun:
            if begun.checkpointer is None:
                return
            kept.has_run = True
            staged: dict[str, list[Any]] = {}
            bad_count = run_batch(plans, now, limit, begun.epoch, staged)
            begun.checkpointer.finish(JobSnapshot(1, {}, {}, staged))

    def pause(seconds: float, text: str) -> bool:
        del text
        time.sleep(seconds)
        return True

    with kept_batch(how.checkpoints, writes, how.name) as kept:
        repeat(attempt, kept, restarts_of(how.checkpoints, plans), how, pause)
    return bad_count


def run_batch(
    plans: Sequence[Plan],
    now: int,
    limit: QuarantineLimit,
    epoch: Epoch | None = None,
    staged: dict[str, list[Any]] | None = None,
) -> int:
    """All plans as lazy queries; what they share is computed once. Returns how many rows were bad.

    Args:
        plans: the sinks.
        now: the processing time of all rows.
        limit: how many rows of a source may be kept apart.
        epoch: the epoch that the results are committed with, where a checkpoint does it.
        staged: takes what sinks have staged for it.
    """
    writes = [p for p in plans if isinstance(p, Write)]
    for write in writes:
        check_sink(write, batch=True)
    reading = BoundedReading(event_times(plans), now, limit)
    builder = LazyBuilder(list(plans), reading)
    queries = [builder.result(w.input) for w in writes]
    try:
        if len(writes) == 1 and writes[0].changelog != "ops":
            _write_batches(writes[0], queries[0], epoch, staged)
        else:
            frames = pl.collect_all(queries, engine="streaming")
            for number, (write, frame) in enumerate(zip(writes, frames, strict=True), 1):
                _write_frames(write, [frame], epoch, staged, number)
    except pl.exceptions.InvalidOperationError as error:
        if "conversion from" not in str(error):
            raise
        raise _overflow(error, plans) from error
    except Exception as error:
        known = unwrap(error)
        if isinstance(known, DataError):
            # imported here: only what fails is looked for
            from thalweg.session.locating import located

            known = located(known, plans)
        if known is error:
            raise
        raise known from known.__cause__
    return reading.bad_count


def _write_batches(
    write: Write, query: pl.LazyFrame, epoch: Epoch | None, staged: dict[str, list[Any]] | None
) -> None:
    # rows that only pass keep the order of their files, as everybody expects; it costs about 6 % of q1
    with closing(batches_of(query)) as frames:
        _write_frames(write, frames, epoch, staged)


def _write_frames(
    write: Write,
    frames: object,
    epoch: Epoch | None = None,
    staged: dict[str, list[Any]] | None = None,
    number: int = 1,
) -> None:
    schema = write.input.schema
    if write.changelog == "ops":
        schema = changelog_step(write, "ops")[1]
    name = f"write{number}"
    writer = opened(write.sink, schema, 0, None if epoch is None else replace(epoch, sink=name))
    try:
        for frame in frames:  # type: ignore[attr-defined]  # an iterable of frames
            batch = Batch(frame)
            if write.changelog == "ops":
                batch = Batch(with_ops(batch, tuple(frame.columns), ()))
            if len(batch):
                writer.write(batch)
        writer.end()
        if staged is not None and isinstance(writer, StagingWriter):
            staged[name] = writer.stage()
    finally:
        writer.close()


def _overflow(error: Exception, plans: Sequence[Plan]) -> DataError:
    is_decimal = "`i128` to `decimal" in str(error)
    calls = (call for plan in plans for call in _aggregates(plan))
    # of a decimal Polars names the limit, and not the sum
    values = None if is_decimal else re.search(r"values: \[(.*)\]", str(error))
    return aggregates.overflow(
        [(c, held) for c, held in calls if isinstance(held, Decimal) == is_decimal],
        None if values is None else values[1],
    )


def _aggregates(plan: Plan) -> Iterator[tuple[Aggregate, DataType]]:
    """All aggregates of a plan, with the types of their results."""
    if isinstance(plan, (GroupBy, Over)):
        held = plan.input.schema
        made = (n.expr for n in plan.aggregates if isinstance(n.expr, Aggregate))
        yield from ((call, type_of(call, held)) for call in made)
    for step in plan.inputs:
        yield from _aggregates(step)
