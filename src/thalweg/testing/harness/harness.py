"""Run a job on input that a test writes: push rows, let time pass, crash, and look at what comes out.

Everything happens on the calling thread, and nothing by itself: a job does what it can do with what was
pushed, then waits. Its clock stands until the test moves it.

Not here: the source (source.py), what was published (published.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import polars as pl

from thalweg.api.columns import plan_of
from thalweg.api.dataset import Dataset
from thalweg.api.types import SchemaLike, schema_of
from thalweg.base.durations import microseconds
from thalweg.base.schema import Schema
from thalweg.base.types import BOOLEAN, Field
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.errors import DataError, PlanError, did_you_mean
from thalweg.expr.nodes import Call, Column
from thalweg.expr.python_rows import GivenRows
from thalweg.job.states import states_of
from thalweg.plan import build
from thalweg.plan.nodes import Write
from thalweg.runtime.options import RunOptions
from thalweg.runtime.rounds import Round
from thalweg.runtime.run import Run
from thalweg.runtime.source_task import SourceTask
from thalweg.session.execute import job_of
from thalweg.session.session import Session
from thalweg.testing.harness.published import Published, PublishedSink
from thalweg.testing.harness.source import ScriptedSource

_MARK = "harness_mark"
_PATIENCE = 0.001
_IDLE_TIMEOUT = 1.0
_ONLY = "0"
_SHOWN_MAX = 200


class Input:
    """The rows of one source of a harness.

    Attributes:
        rows: them, as a dataset.
    """

    def __init__(
        self, harness: JobHarness, source: ScriptedSource, rows: Dataset, time: str | None, bound_us: int
    ):
        self._harness, self._source, self._time, self._bound_us = harness, source, time, bound_us
        self.rows = rows

    def push(
        self, rows: pl.DataFrame | Iterable[Mapping[str, Any] | Sequence[Any]], *, split: str = _ONLY
    ) -> None:
        """Rows come, as a frame, dicts or tuples; the job does what follows from them."""
        shown = Schema(tuple(f for f in self._source.schema if f.name != _MARK))
        try:
            held = self._fitting(rows, GivenRows(shown, self._source.name))
        except pl.exceptions.PolarsError as error:
            raise self._misfit(shown, str(error).splitlines()[0]) from error
        except DataError as error:
            raise self._misfit(shown, error.found) from error
        self._add(held.with_columns(pl.lit(None, pl.Boolean).alias(_MARK)), split)

    @staticmethod
    def _fitting(
        rows: pl.DataFrame | Iterable[Mapping[str, Any] | Sequence[Any]], given: GivenRows
    ) -> pl.DataFrame:
        """Rows as the engine holds them."""
        frame = rows if isinstance(rows, pl.DataFrame) else given.frame(list(rows))
        return given.checked(frame.select(given.result.names))

    def _misfit(self, shown: Schema, found: str | None) -> PlanError:
        return PlanError(
            f'the rows do not fit the source "{self._source.name}"',
            code="plan-harness",
            expected=str(shown),
            found=found,
        )

    def advance_to(self, time: datetime, *, split: str = _ONLY) -> None:
        """The watermark of a split reaches a time: no row before it is still to come."""
        if self._time is None:
            raise PlanError("the source has no event time", code="plan-harness", hint="source(…, time=…)")
        nulls = {f.name: pl.Series([None], dtype=f.type.polars) for f in self._source.schema}
        naive = time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
        at = pl.Series([naive + timedelta(microseconds=self._bound_us)], dtype=pl.Datetime("us"))
        held = nulls[self._time].dtype
        nulls[self._time] = at.dt.replace_time_zone(getattr(held, "time_zone", None))
        nulls[_MARK] = pl.Series([True])
        self._add(pl.DataFrame(nulls), split)

    def _add(self, rows: pl.DataFrame, split: str) -> None:
        self._check_split(split)
        self._source.rows[split] = pl.concat([self._source.rows[split], rows])
        self._harness.settle()

    def _check_split(self, split: str) -> None:
        """Refuse a split that there is not, or that has ended, and a source that nobody reads."""
        name = self._source.name
        if split not in self._source.rows:
            raise PlanError(
                f'the source "{name}" has no split "{split}"',
                code="plan-harness",
                choices=[*self._source.rows],
                hint="source(…, splits=[…]) names them",
            )
        if split in self._source.ended:
            raise PlanError(
                f'the split "{split}" of "{name}" has ended',
                code="plan-harness",
                hint="nothing comes after end()",
            )
        self._harness._check_read(self._source)

    def idle(self, *, split: str = _ONLY) -> None:
        """A split has had nothing for long, and no longer holds event time back."""
        self._check_split(split)
        self._harness._set_idle(self._source, split)

    def end(self, *, split: str | None = None) -> None:
        """A split, or all of them, will get no more rows."""
        if split is not None:
            self._check_split(split)
        self._source.ended.update(self._source.rows if split is None else [split])
        self._harness.settle()


@dataclass
class JobHarness:
    """A job under test; see `Input` for what can be done with its sources.

    Args:
        parallelism: how many tasks each step has.
        rows_max: the most rows of one batch.
        start: the processing time at the beginning.

    Example:
        >>> import thalweg as tw
        >>> from datetime import datetime
        >>> class Count(tw.ProcessFunction):
        ...     n: int = 0
        ...
        ...     def on_event(self, row):
        ...         self.n += 1
        ...         yield row.user, self.n
        >>> noon = datetime(2026, 1, 1, 12)
        >>> with JobHarness() as job:
        ...     clicks = job.source("user STRING, ts TIMESTAMP", time="ts")
        ...     job.watch(clicks.rows.key_by("user").process(Count(), "user STRING, n BIGINT"))
        ...     clicks.push([("ann", noon), ("ann", noon)])
        ...     before = job.take()
        ...     clicks.advance_to(noon.replace(hour=13))
        ...     _ = job.checkpoint()
        ...     job.crash()
        ...     clicks.push([("ann", noon.replace(hour=14))])
        ...     clicks.end()
        ...     before, job.take()
        ([], [('ann', 1), ('ann', 2), ('ann', 3)])
    """

    parallelism: int = 1
    rows_max: int = 1024
    start: datetime = datetime(2026, 1, 1)
    _session: Session = field(init=False, repr=False)
    _sources: list[ScriptedSource] = field(init=False, default_factory=list, repr=False)
    _results: dict[str, tuple[Dataset, Published]] = field(init=False, default_factory=dict, repr=False)
    _run: Run | None = field(init=False, default=None, repr=False)
    _last: JobSnapshot | None = field(init=False, default=None, repr=False)
    _seconds: float = field(init=False, default=0.0, repr=False)
    _failure: BaseException | None = field(init=False, default=None, repr=False)
    _is_closed: bool = field(init=False, default=False, repr=False)

    def __post_init__(self) -> None:
        self._session = Session(parallelism=self.parallelism)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def session(self) -> Session:
        """The session of the job's datasets, for tables and settings."""
        return self._session

    # What the job is ---------------------------------------------------------------------------

    def source(
        self,
        schema: SchemaLike,
        *,
        time: str | None = None,
        bound: str | timedelta = "0s",
        name: str = "input",
        splits: Sequence[str] = (_ONLY,),
    ) -> Input:
        """A source whose rows the test pushes.

        Args:
            schema: its columns.
            time: the column of event time.
            bound: how far rows may be out of order.
            name: what messages call it.
            splits: the names of its splits.

        Raises:
            PlanError: `plan-harness`: the job has begun.
        """
        if self._run is not None:
            raise PlanError(
                f'the job has begun, and does not read "{name}"',
                code="plan-harness",
                hint="source(…) and watch(…) come first, then rows",
            )
        held = Schema((*schema_of(schema).fields, Field(_MARK, BOOLEAN)))
        made = ScriptedSource(held, name)
        for split in splits:
            made.add_split(split)
        self._sources.append(made)
        rows = self._session.from_source(made, name)
        if time is not None:
            rows = rows.assign_watermark(time, bound)
        # marks only move event time, and are no rows
        plan = build.filter_rows(rows.plan, Call("is_null", (Column(_MARK),)))
        shown = Dataset(plan, self._session).drop(_MARK)
        return Input(self, made, shown, time, microseconds(bound))

    def watch(self, dataset: Dataset, name: str = "out") -> None:
        """Publish a result under a name; all are one job, which begins with the first row or look.

        Raises:
            PlanError: `plan-harness`: it has begun.
        """
        if self._run is not None:
            raise PlanError(
                f'the job has begun, and knows nothing of "{name}"',
                code="plan-harness",
                hint="watch(…) all results first, then push rows",
            )
        self._results[name] = (dataset, Published())

    # What has come out -------------------------------------------------------------------------

    def take(self, name: str = "out") -> list[tuple[Any, ...]]:
        """The rows that were published since the last call; rows that are taken back are an error here."""
        found = self.changes(name)
        gone = [row for weight, row in found if weight < 0]
        assert not gone, f"{gone[0]} was taken back: changes() gives the changes, table() what is there"
        return [row for weight, row in found for _ in range(weight)]

    def changes(self, name: str = "out") -> list[tuple[int, tuple[Any, ...]]]:
        """What was published since the last call: a weight (+n, -n) and a row each."""
        return self._published(name).take()

    def table(self, name: str = "out") -> pl.DataFrame:
        """Everything that was published so far, added up."""
        return self._published(name).table()

    def _published(self, name: str) -> Published:
        self.settle()
        if name not in self._results:
            raise PlanError(
                f'nothing is watched under the name "{name}"',
                code="plan-harness",
                choices=[*self._results],
                hint=did_you_mean(name, [*self._results]),
            )
        return self._results[name][1]

    @property
    def watermark(self) -> datetime | None:
        """The event time that the last steps of the job have reached."""
        self.settle()
        times = [t.watermark for t in self._running.tasks if not t.outputs]
        known = [t for t in times if t is not None]
        if not known or len(known) < len(times):
            return None
        return datetime(1970, 1, 1) + timedelta(microseconds=min(known))

    def state(self) -> dict[str, pl.DataFrame]:
        """Every state of the job, as of now, by the names of the step and of the state.

        State that is an object of Python is in the bytes in which a checkpoint holds it.
        """
        self.settle()
        run, found = self._running, {}
        for step in states_of(run.job):
            held = [run.parts.states[task][step.operator, step.name] for task in run.tasks_with(step)]
            found[str(step)] = pl.concat([state.dump() for state in held])
        return found

    def timers(self) -> pl.DataFrame:
        """The timers of event time that are set: keys, and `timer`, the time."""
        is_timer = pl.col("__timer").cast(pl.Datetime("us"))
        found = [f for name, f in self.state().items() if name.endswith("process timers")]
        named = [f.drop("due").with_columns(is_timer).rename({"__timer": "timer"}) for f in found]
        return pl.concat(named, how="diagonal_relaxed") if named else pl.DataFrame()

    # What happens to it ------------------------------------------------------------------------

    def settle(self) -> None:
        """Let the job do all that it can do now; asynchronous functions answer meanwhile.

        Raises:
            PlanError: `plan-harness`: it has failed before, or was given up.
        """
        self._check_alive()
        every = Round(self._running, self._running.tasks)
        try:
            while every.step() or self._is_asking():
                pass
        except BaseException as error:
            self._failure = error
            raise

    def _is_asking(self) -> bool:
        """Whether answers from outside are missing; waits a little for them."""
        is_asking = any(task.chain.is_asking for task in self._running.tasks)
        if is_asking:
            time.sleep(_PATIENCE)
        return is_asking

    def sleep(self, span: str | timedelta) -> None:
        """Let processing time pass."""
        self._seconds += microseconds(span) / 1e6
        self.settle()

    def checkpoint(self) -> JobSnapshot:
        """Take a checkpoint: a crash goes back to the last one."""
        self.settle()
        run = self._running
        if run.is_finished:
            raise PlanError("a job that has ended takes no checkpoint", code="plan-harness")
        before = run.last_snapshot
        run.request_checkpoint()
        self.settle()
        assert run.last_snapshot is not None, "a checkpoint was taken"
        assert run.last_snapshot is not before, "a job that has ended takes no more checkpoints"
        self._last = run.last_snapshot
        return self._last

    def crash(self, *, parallelism: int | None = None) -> None:
        """Lose all that is not in the last checkpoint, and go on from there.

        Without a checkpoint the job begins anew. Rows that were pushed are read again.

        Args:
            parallelism: how many tasks each step has from now on; None: as many as before.
        """
        if self._run is not None:
            self._run.close()
        self._run = self._failure = None
        self.parallelism = parallelism or self.parallelism
        for _, published in self._results.values():
            published.forget_after(0 if self._last is None else self._last.number)

    def close(self) -> None:
        """Give the job up; may be called twice."""
        self._is_closed = True
        if self._run is not None:
            self._run.close()
            self._run = None

    # How it is done ----------------------------------------------------------------------------

    @property
    def _running(self) -> Run:
        if self._run is None:
            self._run = self._started()
        return self._run

    def _started(self) -> Run:
        if not self._results:
            raise PlanError(
                "nothing is watched", code="plan-harness", hint="watch(dataset) says what the job is"
            )
        writes = [Write(plan_of(d), PublishedSink(p)) for d, p in self._results.values()]
        how = self._session._execution("harness", "stream", self._options())
        job = job_of(writes, replace(how, parallelism=self.parallelism))
        return Run(job, how.options, self._last, clock=lambda: self._seconds)

    def _check_alive(self) -> None:
        if self._is_closed:
            raise PlanError("the job was closed", code="plan-harness")
        if self._failure is not None:
            raise PlanError(
                "the job has failed, and does nothing any more",
                code="plan-harness",
                found=str(self._failure).splitlines()[0][:_SHOWN_MAX],
                hint="crash() goes on from the last checkpoint",
            ) from self._failure

    def _check_read(self, source: ScriptedSource) -> None:
        """Refuse a source whose rows nobody takes."""
        self._check_alive()
        if not any(_reads(task, source) for task in self._running.parts.sources):
            raise PlanError(
                f'no result that is watched takes rows of "{source.name}"',
                code="plan-harness",
                hint="watch(dataset) says what the job is",
            )

    def _options(self) -> RunOptions:
        begun = (self.start.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
            microseconds=1
        )
        return RunOptions(
            runtime="inline",
            rows_max=self.rows_max,
            idle_timeout=_IDLE_TIMEOUT,
            wall=lambda: begun + int(self._seconds * 1e6),
        )

    def _set_idle(self, source: ScriptedSource, split: str) -> None:
        self.settle()
        for task in self._running.parts.sources:
            if _reads(task, source):
                task.owner.had_nothing(split, self._seconds)
                task.owner.had_nothing(split, self._seconds + _IDLE_TIMEOUT)
        self.settle()


def _reads(task: SourceTask, source: ScriptedSource) -> bool:
    """Whether a task reads a source, maybe through another one around it."""
    read = task.scan.source
    return read is source or getattr(read, "inner", None) is source
