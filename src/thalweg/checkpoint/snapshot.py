"""Hold the state of a job at one barrier, as plain data.

A snapshot is what every task reported when barrier n had passed it. It knows nothing of
parallelism: keyed rows carry their keys, splits their ids, so that it can be laid over any number
of tasks.

Not here: how tasks give their state (runtime/), where it is kept (history.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import polars as pl

from thalweg.checkpoint.increments import composed, surviving
from thalweg.protocols.increments import Identity


class Part(Protocol):
    """Some rows of an increment, read when they are asked for."""

    @property
    def partitions(self) -> tuple[int, int] | None:
        """The first and the last partition that they may be of; None: any."""
        ...

    def frame(self) -> pl.DataFrame:
        """The rows."""
        ...

    def release(self) -> None:
        """Forget bytes that are held in memory: it is not likely that the rows are asked for again."""
        ...


@dataclass(frozen=True)
class InMemory:
    """Rows that are there already."""

    rows: pl.DataFrame
    partitions: tuple[int, int] | None = None

    def frame(self) -> pl.DataFrame:
        """The rows."""
        return self.rows

    def release(self) -> None:
        """They are somebody else's, too."""


@dataclass(frozen=True)
class StateRows:
    """Rows of one state: all of it, or its increment since the last snapshot.

    Attributes:
        pieces: increments, the oldest first, each as parts that have no row in common.
        identity: what makes rows of two increments the same.
        tasks: how many tasks the stage has.
        count: how many rows the whole state has.
        is_whole: whether this is all, so that nothing before counts.
        migrating: columns whose values an earlier program has kept as another type.
    """

    pieces: Sequence[Sequence[Part]]
    identity: Identity
    tasks: int
    count: int
    is_whole: bool = True
    migrating: frozenset[str] = frozenset()

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The increments put together; see `thalweg.protocols.increments`."""
        frames = [pl.concat([part.frame() for part in piece], how="diagonal") for piece in self.pieces]
        return composed(self.identity, frames, keeps_gone=not self.is_whole)

    def parts(self) -> Iterator[pl.DataFrame]:
        """The whole state part by part, so that not all of it is in memory at once."""
        assert self.is_whole, "of an increment alone nobody knows what it leaves"
        return surviving(self.identity, [[part.frame for part in piece] for piece in self.pieces])

    def with_frame(self, frame: pl.DataFrame) -> StateRows:
        """The same of other rows."""
        return replace(self, pieces=((InMemory(frame),),))


@dataclass(frozen=True)
class TaskSnapshot:
    """What one task held: rows of each keyed state, and the progress of its splits.

    Attributes:
        stage, index: which task.
        keyed: rows by (operator id, state name): the increment since the last snapshot, or all.
        splits: for a source task, plain JSON data by split id (position, clock, ended).
        staged: for a sink task, by sink: what it has made durable, to be committed with the checkpoint.
    """

    stage: str
    index: int
    keyed: Mapping[tuple[str, str], StateRows] = field(default_factory=dict)
    splits: Mapping[str, Any] = field(default_factory=dict)
    staged: Mapping[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class JobSnapshot:
    """The state of a whole job at cut `number`.

    Attributes:
        keyed: rows by (stage id, operator id, state name).
        splits: progress by (stage id, split id).
        staged: by sink, what is to be committed with the snapshot, as plain JSON.
    """

    number: int
    keyed: Mapping[tuple[str, str, str], StateRows]
    splits: Mapping[tuple[str, str], Any]
    staged: Mapping[str, list[Any]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows of keyed state it holds."""
        return sum(s.count for s in self.keyed.values())


def gather(number: int, tasks: Iterable[TaskSnapshot]) -> JobSnapshot:
    """The job's snapshot from the snapshots of its tasks."""
    keyed: dict[tuple[str, str, str], list[StateRows]] = {}
    staged: dict[str, list[Any]] = {}
    splits: dict[tuple[str, str], Any] = {}
    for task in sorted(tasks, key=lambda t: (t.stage, t.index)):
        for (operator, state), rows in task.keyed.items():
            keyed.setdefault((task.stage, operator, state), []).append(rows)
        splits.update({(task.stage, split): data for split, data in task.splits.items()})
        for sink, parts in task.staged.items():
            staged.setdefault(sink, []).extend(parts)
    return JobSnapshot(number, {key: _together(parts) for key, parts in keyed.items()}, splits, staged)


def _together(parts: list[StateRows]) -> StateRows:
    """The rows of all tasks."""
    assert len({p.is_whole for p in parts}) == 1, "tasks begin with increments together"
    # only some may have rows that have gone
    frame = pl.concat([p.frame for p in parts], how="diagonal")
    return replace(parts[0], count=sum(p.count for p in parts)).with_frame(frame)
