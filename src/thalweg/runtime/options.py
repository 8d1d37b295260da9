"""Name the knobs of a run, with their defaults."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.protocols.calls import AsyncFunction, Calls
from thalweg.protocols.sink import Epoch
from thalweg.runtime.breaker import QuarantineLimit
from thalweg.runtime.edge import Channel


def wall_clock() -> int:
    """The time of day in microseconds since the epoch."""
    return time.time_ns() // 1000


@dataclass(frozen=True)
class RocksOptions:
    """How RocksDB is used.

    Attributes:
        budget: the bytes that its caches, its buffers and the rows in use may take, over all tasks.
        wal: whether writes go to a log first; recovery does not need it.
    """

    budget: int
    wal: bool = False


@dataclass(frozen=True)
class MemoryOptions:
    """Where state lies that is not on the heap.

    Attributes:
        directory: of temporary files; None: the system's.
        budget: the bytes of memory that state, edges and batches may take; None: as many as there are.
        smallest: arrays of fewer bytes are on the heap all the same; None: those that are not worth a file.
        rocksdb: how state that is used batch by batch lies in RocksDB; None: it lies as all other does.
    """

    directory: str | None = None
    budget: int | None = None
    smallest: int | None = None
    rocksdb: RocksOptions | None = None


@dataclass(frozen=True)
class RunOptions:
    """How a job is executed; none of these changes a result, but the clock those by processing time.

    Attributes:
        runtime: `threads` (one per task slot), `inline` (one thread), or `processes` (threads, and beside
            each a process for the tasks that call functions of the user).
        rows_max: the most rows in one batch.
        edge_rows_max, edge_bytes_max: what an edge holds before its producer stops.
        cut_interval: seconds between cuts under backlog; when the input is drained, a cut follows at once.
        cut_batches: a cut after so many source batches instead (for tests; deterministic).
        checkpoint_batches: a checkpoint after so many source batches.
        epoch: the first epoch of the run, if sinks stage their output for checkpoints that commit it.
        increments: whether checkpoints hold what has changed since the last one, instead of all state.
        on_checkpoint: called with each complete checkpoint.
        idle_timeout: seconds after which a split without rows no longer holds event time back.
        drift_max: seconds of event time that a split may be ahead of the slowest.
        report_silence: seconds of input without output after which `why` is reported.
        quarantine: how many rows of a source may be kept apart.
        wall: the clock that processing time is read from, in microseconds since the epoch.
        memory: where state lies; None: on the heap.
        channel: makes what carries messages from one task to another.
        calls: makes the calls of asynchronous functions, and wakes a task; None: as runtime/calls.py does.
    """

    runtime: str = "threads"
    rows_max: int = 131_072
    edge_rows_max: int = 524_288
    edge_bytes_max: int = 64 << 20
    cut_interval: float = 0.25
    cut_batches: int | None = None
    checkpoint_batches: int | None = None
    epoch: Epoch | None = None
    increments: bool = False
    on_checkpoint: Callable[[JobSnapshot], None] | None = None
    idle_timeout: float | None = None
    drift_max: float | None = None
    report_silence: float = 10.0
    quarantine: QuarantineLimit = field(default_factory=QuarantineLimit)
    wall: Callable[[], int] = wall_clock
    memory: MemoryOptions | None = None
    channel: type[Channel] = Channel
    calls: Callable[[AsyncFunction, Callable[[], None]], Calls] | None = None
