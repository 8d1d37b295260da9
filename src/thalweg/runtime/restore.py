"""Make the state of every task, empty or as a snapshot has it.

A task loads what belongs to it, whatever the number of tasks was when the snapshot was taken. Where there is
much, tasks load side by side.

Reads:    a snapshot.
Not here: what the tasks do with it (assemble.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from thalweg.checkpoint.snapshot import JobSnapshot, Part
from thalweg.columnar.allocation import allocating
from thalweg.job.job import Job, Stage
from thalweg.protocols.increments import ROW, TASK
from thalweg.protocols.state import ColumnsSpec, MultimapSpec, RowsSpec, StateSpec
from thalweg.runtime.freed import keep_freed
from thalweg.runtime.options import MemoryOptions, RunOptions
from thalweg.runtime.outputs import owner_of
from thalweg.state.migration import fits, migrated

if TYPE_CHECKING:
    # loads the compiler
    from thalweg.runtime.processes.workers import Workers
    from thalweg.state.filesystem import MappedMemory
    from thalweg.state.rocksdb_states import RocksStates

Spec = ColumnsSpec | MultimapSpec | RowsSpec
_SIDE_BY_SIDE = 100_000
"""From so many rows on tasks load side by side."""
_ROOM = 32
"""A task makes room for one in so many more keys than its share: no two have as many, and growing copies."""


@dataclass(frozen=True)
class Restored:
    """One state of one task.

    Attributes:
        state: as the runtime hands it to an operator.
        is_known: whether what it has is in the increments of the snapshot, so that the next one can follow.
    """

    state: Any
    is_known: bool


@dataclass(frozen=True)
class Loaded:
    """What the tasks of a run begin with.

    Attributes:
        snapshot: what it was made from; None: the run begins empty.
        memory: where the state lies; None: on the heap.
        rocksdb: the state that lies in RocksDB; None: there is none.
        workers: the processes that hold the state of some tasks; None: there are none.
        states: the states of all tasks, by the task's name, and then by operator and name.
    """

    snapshot: JobSnapshot | None
    memory: MappedMemory | None
    states: dict[str, dict[tuple[str, str], Restored]] = field(repr=False)
    rocksdb: RocksStates | None = None
    workers: Workers | None = None


def load(job: Job, options: RunOptions, snapshot: JobSnapshot | None) -> Loaded:
    """Make the state of every task, where the options say; whoever runs the job closes its memory.

    Raises:
        CheckpointError: a file of the snapshot is missing or damaged.
    """
    workers = _workers_of(job, options)
    memory: MappedMemory | None = None
    rocksdb: RocksStates | None = None
    try:
        asked = options.memory if workers is None else workers.memory
        memory = memory_of(asked)
        here = [s for s in job.stages if workers is None or not workers.hosts(s.id)]
        rocksdb = rocksdb_of(asked, [d for s in here for d in _declared(s) for _ in range(s.parallelism)])
        with allocating(memory):
            states = states_of(job, snapshot, rocksdb, workers)
        return Loaded(snapshot, memory, states, rocksdb, workers)
    except BaseException:
        for held in (memory, rocksdb, workers):
            if held is not None:
                held.close()
        raise


def _workers_of(job: Job, options: RunOptions) -> Workers | None:
    if options.runtime != "processes":
        return None
    # imported here: few jobs have processes
    from thalweg.runtime.processes.workers import Workers, is_hosted

    return Workers(job, options) if any(map(is_hosted, job.stages)) else None


def _declared(stage: Stage) -> list[StateSpec]:
    return [d for o in stage.operators for d in o.states()]


def memory_of(asked: MemoryOptions | None) -> MappedMemory | None:
    """Where state lies, if not on the heap; whoever asks closes it."""
    if asked is None:
        keep_freed()
        return None
    # imported here: it loads the compiler
    from thalweg.state.filesystem import SMALLEST, MappedMemory

    smallest = SMALLEST if asked.smallest is None else asked.smallest
    memory = MappedMemory(asked.directory, asked.budget, smallest=smallest)
    memory.watch()
    return memory


def rocksdb_of(memory: MemoryOptions | None, declared: Sequence[StateSpec]) -> RocksStates | None:
    """Where these states lie, so far as they may lie in RocksDB; whoever asks closes it."""
    if memory is None or memory.rocksdb is None:
        return None
    count = sum(isinstance(d, ColumnsSpec) and d.is_brief for d in declared)
    if not count:
        return None
    # imported here: it loads the compiler, and a library that may not be there
    from thalweg.state.rocksdb_states import RocksStates

    asked = memory.rocksdb
    return RocksStates(memory.directory, asked.budget, count, wal=asked.wal)


def states_of(
    job: Job,
    snapshot: JobSnapshot | None,
    rocksdb: RocksStates | None = None,
    workers: Workers | None = None,
) -> dict[str, dict[tuple[str, str], Restored]]:
    """The states of all tasks, by the task's name, and then by operator and name."""
    places = [(stage, index) for stage in job.stages for index in range(stage.parallelism)]
    made = [_Loading(job, snapshot, stage, index, rocksdb, workers) for stage, index in places]
    if snapshot is None or snapshot.rows < _SIDE_BY_SIDE or len(made) == 1:
        found = [loading.run() for loading in made]
    else:
        # imported here: only large snapshots need it
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            # where state lies is known to the thread that asks
            contexts = [copy_context() for _ in made]
            found = list(pool.map(lambda context, loading: context.run(loading.run), contexts, made))
    return {f"{stage.id}[{index}]": states for (stage, index), states in zip(places, found, strict=True)}


@dataclass(frozen=True)
class _Loading:
    """The states of one task."""

    job: Job
    snapshot: JobSnapshot | None
    stage: Stage
    index: int
    rocksdb: RocksStates | None
    workers: Workers | None

    def run(self) -> dict[tuple[str, str], Restored]:
        return {(o.id, d.name): self._restored(o.id, d) for o in self.stage.operators for d in o.states()}

    def _restored(self, operator: str, declared: StateSpec) -> Restored:
        assert isinstance(declared, (ColumnsSpec, MultimapSpec, RowsSpec)), (
            "the kinds of state are a closed list"
        )
        if self.workers is not None and self.workers.hosts(self.stage.id):
            state: Any = self.workers.state(self.stage.id, self.index, operator, declared.name)
        else:
            state = new_state(declared, self.rocksdb)
        rows = (
            None
            if self.snapshot is None
            else self.snapshot.keyed.get((self.stage.id, operator, declared.name))
        )
        if rows is None:
            return Restored(state, is_known=False)
        if isinstance(declared, ColumnsSpec):
            # one increment after the other: its keys are looked up in the state itself
            parts = (part for piece in rows.pieces for part in piece)
            is_same = True
            for number, frame in enumerate(frame for part in parts for frame in self._mine(part, declared)):
                if not number:
                    state.reserve(rows.count * _ROOM // (_ROOM - 1) // self.stage.parallelism, frame)
                if declared.may_change and (rows.migrating or not fits(frame, declared)):
                    # the increments that follow cannot be put together with those before
                    frame, is_same = migrated(frame, declared, rows.migrating), False
                state.load(frame)
            return Restored(state, is_same)
        is_known = not rows.identity.is_of_task or rows.tasks == self.stage.parallelism
        for number, frame in enumerate(rows.parts()):
            if not number:
                # one that somebody has written knows no tasks
                is_known = is_known and (TASK in frame.columns or not rows.identity.is_of_task)
            state.load(self._share(frame if is_known else frame.drop(ROW, strict=False), declared))
        return Restored(state, is_known)

    def _mine(self, part: Part, declared: Spec) -> Iterator[pl.DataFrame]:
        """The rows of a part that belong to the task, if there may be any."""
        tasks = self.stage.parallelism
        if tasks > 1 and (part.partitions is None or declared.scope == "broadcast"):
            yield self._share(part.frame(), declared)
            return
        first, last = (p * tasks // self.job.partitions for p in part.partitions or (0, 0))
        if first <= self.index <= last:
            frame = part.frame()
            yield frame if first == last else self._share(frame, declared)
            if first == last:
                # no other task reads it, and its memory is wanted for the state
                part.release()

    def _share(self, frame: pl.DataFrame, declared: Spec) -> pl.DataFrame:
        tasks = self.stage.parallelism
        if tasks == 1 or declared.scope == "broadcast":
            return frame
        is_keyed = isinstance(declared, ColumnsSpec) and declared.partition is None
        keys = declared.identity.columns if is_keyed else declared.partition
        if not keys:
            return frame if self.index == 0 else frame.clear()
        from thalweg.columnar.hash import partitions

        found = partitions(frame, list(keys), self.job.partitions)
        return frame.filter(pl.Series(owner_of(found, tasks, self.job.partitions) == self.index))


def new_state(declared: StateSpec, rocksdb: RocksStates | None = None) -> Any:
    """Empty state of the declared kind: in memory, or in RocksDB if it may be there."""
    if isinstance(declared, RowsSpec):
        from thalweg.state.rows import Rows

        return Rows(declared)
    if isinstance(declared, MultimapSpec):
        from thalweg.state.multimap import Multimap

        return Multimap(declared)
    assert isinstance(declared, ColumnsSpec), "the kinds of state are a closed list"
    if rocksdb is not None and declared.is_brief:
        return rocksdb.new(declared)
    # imported here: only jobs with state load the compiler
    from thalweg.state.memory import KeyedColumns

    return KeyedColumns(declared)
