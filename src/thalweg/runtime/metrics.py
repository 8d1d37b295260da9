"""Tell the figures of a run: what its tasks have counted, what they hold, how far event time is.

Reads:    the tasks of a run from another thread than theirs. Each counter has one writer and is read as it
          is; figures of one look may be some rows apart.
Changes:  nothing.
Not here: what the figures mean (protocols/metrics.py), those of checkpoints (checkpoint/writer.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from thalweg.protocols import metrics as m
from thalweg.protocols.metrics import Metric, Sample
from thalweg.runtime.source_task import SourceTask

if TYPE_CHECKING:
    from thalweg.runtime.chain import Counts
    from thalweg.runtime.run import Run
    from thalweg.runtime.task import Task

_PAGE = os.sysconf("SC_PAGE_SIZE")
_ATTEMPTS = 20


class RunFigures:
    """The figures of one run; its time begins here."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._began = run.clock()

    def samples(self) -> Iterator[Sample]:
        """As of now."""
        run, now = self._run, self._run.clock()
        uptime, wall = now - self._began, run.options.wall()
        yield _job(m.UPTIME, uptime)
        yield from _event_time(m.JOB_WATERMARK, m.JOB_LAG, (), run.watermark, wall)
        yield _job(m.CUT, run.cuts)
        state = 0.0
        for task in run.tasks:
            for sample in _task(task, run.parts.states.get(task.name, {}), now, uptime, wall):
                state += sample.value if sample.metric is m.STATE_BYTES else 0
                yield sample
        edges = sum(i.channel.memory_bytes for t in run.tasks for i in t.inputs)
        spilled = sum(c.file_bytes for c in run.parts.spilling)
        files = 0 if run.memory is None else run.memory.nbytes
        files += 0 if run.rocksdb is None else run.rocksdb.file_bytes
        holders = {"edges": edges, "state": state, "state_files": files, "process": resident_bytes()}
        for holder, held in holders.items():
            yield Sample(m.MEMORY, (holder,), held)
        yield _job(m.SPILL, spilled)


def _job(metric: Metric, value: float) -> Sample:
    return Sample(metric, (), value)


def _task(
    task: Task, states: dict[tuple[str, str], Any], now: float, uptime: float, wall: int
) -> Iterator[Sample]:
    labels = (task.stage, str(task.index))
    for metric, count in _counts(task):
        yield Sample(metric, labels, count)
    yield from _event_time(m.WATERMARK, m.LAG, labels, task.watermark, wall)
    worked, blocked = task.load.at(now)
    yield Sample(m.BUSY, labels, worked)
    yield Sample(m.BACKPRESSURED, labels, blocked)
    yield Sample(m.IDLE_TIME, labels, max(0.0, uptime - worked - blocked))
    if task.inputs:
        channels = [i.channel for i in task.inputs]
        yield Sample(m.EDGE_ROWS, labels, sum(0 if c.is_closed else c.rows for c in channels))
        yield Sample(m.EDGE_BYTES, labels, sum(c.nbytes for c in channels))
    asked = task.chain.asked()
    for name, counts in task.chain.counts.items():
        yield from _operator((*labels, name), counts, asked.get(name))
    for (operator, name), state in list(states.items()):
        size = size_of(state)
        if size is not None:
            yield Sample(m.STATE_ROWS, (*labels, operator, name), size[0])
            yield Sample(m.STATE_BYTES, (*labels, operator, name), size[1])


def _counts(task: Task) -> Iterator[tuple[Metric, int]]:
    # what is done is read before what came in, so that no look sees more done than had come
    yield m.ROWS_PROCESSED, task.rows_processed
    if isinstance(task, SourceTask):
        yield m.ROWS_QUARANTINED, task.rows_bad
        yield m.ROWS_AHEAD, task.rows_ahead
    yield m.ROWS_IN, task.rows_in
    yield m.BATCHES_IN, task.batches_taken
    yield m.ROWS_OUT, task.rows_out
    yield m.BATCHES_OUT, task.batches_out
    yield m.ROWS_ASIDE, task.rows_aside


def _operator(labels: tuple[str, ...], counts: Counts, unanswered: int | None) -> Iterator[Sample]:
    yield Sample(m.OPERATOR_PROCESSED, labels, max(0, counts.processed - (unanswered or 0)))
    yield Sample(m.ROWS_LATE, labels, counts.rows_late)
    yield Sample(m.PAIRS_LATE, labels, counts.late)
    yield Sample(m.OPERATOR_IN, labels, counts.rows_in)
    yield Sample(m.OPERATOR_OUT, labels, counts.rows_out)
    if unanswered is not None:
        yield Sample(m.ROWS_UNANSWERED, labels, unanswered)


def _event_time(
    watermark: Metric, lag: Metric, labels: tuple[str, ...], reached: int | None, wall: int
) -> Iterator[Sample]:
    if reached is not None:
        yield Sample(watermark, labels, reached / 1e6)
        yield Sample(lag, labels, (wall - reached) / 1e6)


def size_of(state: Any) -> tuple[int, int] | None:
    """Rows and bytes of a state; its task may change it meanwhile, then we look again, or give up."""
    for _ in range(_ATTEMPTS):
        try:
            return int(state.count), int(state.nbytes)
        except RuntimeError:
            continue
    return None


def resident_bytes() -> int:
    """How much memory the process has."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * _PAGE
