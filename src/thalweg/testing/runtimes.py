"""Check a runtime: whatever drives a run, the run gives what it gives inline.

A small job (two sources' splits, an exchange, a running count, windows) is driven to its end, stopped at
checkpoints and restored, and made to fail.

Reads:    the runs that it builds.
Not here: the state machines that a runtime steps (runtime/task.py).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import polars as pl

from thalweg.base.schema import Schema
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.columnar.batch import Batch
from thalweg.connectors.memory import frame_source
from thalweg.errors import ConnectorError
from thalweg.expr.nodes import Aggregate, Column, Named
from thalweg.job.job import Job
from thalweg.physical.planner import plan_job
from thalweg.plan import build
from thalweg.plan.nodes import Plan, Scan, Write
from thalweg.progress.windows import WindowSpec
from thalweg.protocols.sink import Delivery
from thalweg.runtime.inline import run_inline
from thalweg.runtime.options import RunOptions
from thalweg.runtime.run import Run
from thalweg.testing.contract import ConformanceError, Line, contract_lines
from thalweg.testing.tables import Table, add_batch, difference

_SECOND = 1_000_000


class Runtime(Protocol):
    """Drives the tasks of a run.

    Contract:
        T1 the call returns when the run has come to its end, or was stopped and is quiet.
        T2 the results are those of the inline runtime, after every cut, at any parallelism and batch size.
        T3 a run that goes on from a checkpoint gives what a run gives that was never stopped.
        T4 the error of a task is raised as it is, and every task is closed, also after an error.
    """

    def __call__(self, run: Run) -> None:
        """Drive the run."""
        ...


def check_runtime(drive: Runtime) -> None:
    """Run a runtime against T1 to T4.

    Raises:
        ConformanceError: names the line that is broken.

    Example:
        >>> check_runtime(run_inline)
    """
    for parallelism, rows_max in ((1, 64), (3, 5)):
        _check_same(drive, parallelism, rows_max)
    _check_restored(drive)
    _check_stop(drive)
    _check_error(drive)


def _broken(number: str, what: str, found: object) -> ConformanceError:
    line = contract_lines(Runtime).get(number, Line(number, "see the protocol"))
    return ConformanceError(line, what, found=found)


# A job and what it publishes ---------------------------------------------------------------------


@dataclass
class _Log:
    """What was published, by cut."""

    first: int = 1
    entries: list[tuple[int, Batch]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closed: int = 0
    error: Exception | None = None
    """What the writers raise once something was published."""

    def table(self, until: int = 1 << 60) -> Table:
        """Everything published up to a cut, added up."""
        made: Table = Counter()
        for cut, batch in self.entries:
            if cut <= until:
                add_batch(made, batch)
        return made


@dataclass(frozen=True, eq=False)
class _Sink:
    log: _Log
    takes_updates: bool = True
    delivery: Delivery = "at_least_once"
    emit: Literal["cut", "now"] = "cut"
    is_parallel: bool = True

    def describe(self) -> str:
        return "kit"

    def open(self, schema: Schema, task: int) -> _Writer:
        return _Writer(self.log)


class _Writer:
    def __init__(self, log: _Log) -> None:
        self._log, self._next, self._pending = log, log.first, list[Batch]()

    def write(self, batch: Batch) -> None:
        self._pending.append(batch)
        if self._log.error is not None and self._log.entries:
            raise self._log.error

    def cut(self, number: int) -> None:
        self.end()
        self._next = number + 1

    def end(self) -> None:
        with self._log.lock:
            self._log.entries += [(self._next, b) for b in self._pending]
        self._pending = []

    def close(self) -> None:
        self._log.closed += 1


def _rows() -> list[pl.DataFrame]:
    numbers = pl.int_range(0, 90, eager=True)
    frame = pl.DataFrame(
        {"k": numbers * 7 % 5, "v": numbers, "t": (numbers * _SECOND).cast(pl.Datetime("us"))}
    )
    return [frame.gather_every(2), frame.gather_every(2, 1)]


def _scan() -> Plan:
    return build.assign_watermark(Scan(frame_source(_rows())), "t", Column("t"))


def _job(logs: Sequence[_Log], parallelism: int) -> Job:
    scan = _scan()
    count, total = Named("n", Aggregate("count")), Named("total", Aggregate("sum", (Column("v"),)))
    running = build.group_by(scan, [Named("k", Column("k"))], [Named("k", Column("k")), count, total])
    bounds = [Named(n, Column(n)) for n in ("k", "window_start", "window_end")]
    windows = build.window(scan, "t", WindowSpec.tumbling(20 * _SECOND))
    counted = build.group_by(windows, bounds, [*bounds, count])
    roots = [Write(p, _Sink(log)) for p, log in zip((running, counted), logs, strict=True)]
    return plan_job(roots, name="kit", parallelism=parallelism)


def _options(rows_max: int, **more: object) -> RunOptions:
    return RunOptions(rows_max=rows_max, cut_batches=2, **more)  # type: ignore[arg-type]  # its attributes


def _final(drive: Callable[[Run], None], run: Run, logs: Sequence[_Log], what: str) -> list[Table]:
    drive(run)
    if not run.is_finished:
        raise _broken("T1", what, run.why())
    return [log.table() for log in logs]


def _known() -> list[Table]:
    logs = [_Log(), _Log()]
    return _final(run_inline, Run(_job(logs, 1), _options(64)), logs, "inline")


def _compare(number: str, what: str, found: Sequence[Table], known: Sequence[Table]) -> None:
    for ours, theirs in zip(found, known, strict=True):
        wrong = difference(ours, theirs)
        if wrong is not None:
            raise _broken(number, what, wrong)


# What is tried -----------------------------------------------------------------------------------


def _check_same(drive: Runtime, parallelism: int, rows_max: int) -> None:
    logs = [_Log(), _Log()]
    what = f"{parallelism} tasks, {rows_max} rows per batch"
    run = Run(_job(logs, parallelism), _options(rows_max))
    _compare("T2", what, _final(drive, run, logs, what), _known())
    for log in logs:
        for cut in sorted({c for c, _ in log.entries}):
            gone = [row for row, n in log.table(cut).items() if n < 0]
            if gone:
                raise _broken("T2", f"{what}: cut {cut}", f"a row that is not there was removed: {gone[0]}")


def _check_restored(drive: Runtime) -> None:
    """Go on from each checkpoint: what was published until then, and what comes now, add up."""
    taken: list[JobSnapshot] = []
    logs = [_Log(), _Log()]
    options = _options(5, checkpoint_batches=2, on_checkpoint=taken.append)
    known = _final(drive, Run(_job(logs, 2), options), logs, "with checkpoints")
    _compare("T2", "with checkpoints", known, _known())
    if not taken:
        raise _broken("T3", "checkpoint_batches=2", "no checkpoint was taken")
    for snapshot in taken[:: max(1, len(taken) // 3)]:
        later = [_Log(snapshot.number + 1), _Log(snapshot.number + 1)]
        what = f"restored from checkpoint {snapshot.number}"
        rest = _final(drive, Run(_job(later, 2), _options(5), snapshot), later, what)
        before = [log.table(snapshot.number) for log in logs]
        for table, more in zip(before, rest, strict=True):
            for row, count in more.items():
                table[row] += count
        _compare("T3", what, [Counter({r: n for r, n in t.items() if n}) for t in before], known)


def _check_stop(drive: Runtime) -> None:
    """A run that is stopped before it begins reads nothing, and the call returns."""
    logs = [_Log(), _Log()]
    run = Run(_job(logs, 2), _options(5))
    run.stop()
    drive(run)
    if run.is_finished or not run.is_quiet:
        raise _broken("T1", "stop() before the start", run.why())


def _check_error(drive: Runtime) -> None:
    error = ConnectorError("the kit fails on purpose", code="kit-failure")
    log = _Log(error=error)
    run = Run(plan_job([Write(_scan(), _Sink(log))], name="kit", parallelism=2), _options(5))
    try:
        drive(run)
    except ConnectorError as raised:
        if raised is not error:
            raise _broken("T4", "a task that fails", repr(raised)) from raised
    except BaseException as raised:
        raise _broken("T4", "a task that fails", repr(raised)) from raised
    else:
        raise _broken("T4", "a task that fails", "no error was raised")
    if not log.closed:
        raise _broken("T4", "a task that fails", "its writers were not closed")
