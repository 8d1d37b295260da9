"""Look at checkpoints and savepoints as data: which there are, what is kept in one, how far it has read.

Nothing here needs the program of the job. Every file is checked when it is read.

Reads, changes:  a directory of checkpoints.
Not here: which checkpoint a job goes on from (checkpoints.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from thalweg.checkpoint import frames
from thalweg.checkpoint.difference import StateDifference, differences
from thalweg.checkpoint.history import History
from thalweg.checkpoint.hold import held
from thalweg.checkpoint.holders import holders_of
from thalweg.checkpoint.manifest import Manifest
from thalweg.checkpoint.places import absolute, store_at
from thalweg.checkpoint.savepoint import is_checkpoint, opened, save, savepoints, savepoints_of
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.errors import CheckpointError

_LISTED = {
    "job": pl.String(),
    "lineage": pl.Int64(),
    "number": pl.Int64(),
    "run": pl.Int64(),
    "at": pl.Datetime("ms", "UTC"),
    "bytes": pl.Int64(),
    "rows_read": pl.Int64(),
    "has_ended": pl.Boolean(),
    "savepoint": pl.String(),
}
_DIFFERENCES = {
    "operator": pl.String(),
    "state": pl.String(),
    "only_here": pl.Int64(),
    "only_there": pl.Int64(),
    "changed": pl.Int64(),
    "same": pl.Int64(),
}


class Checkpoint:
    """One checkpoint or savepoint: state, positions, and what it is."""

    def __init__(self, history: History, manifest: Manifest, path: str | None = None) -> None:
        self._history, self._manifest = history, manifest
        self.savepoint = path
        """The directory of a savepoint; None: it is a checkpoint."""

    @staticmethod
    def at(path: str | os.PathLike[str]) -> Checkpoint:
        """The savepoint in a directory, wherever that is now, or the checkpoint of any job.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        place = absolute(os.fspath(path))
        history, manifest = opened(place)
        return Checkpoint(history, manifest, None if is_checkpoint(place) else place)

    def __repr__(self) -> str:
        m = self._manifest
        kind = "checkpoint" if self.savepoint is None else "savepoint"
        since = "" if self.savepoint is not None else self._begun()
        return f"<{kind} {m.number} of lineage {m.lineage} of the job {m.job}, {m.at}{since}>"

    def _begun(self) -> str:
        """At which savepoint the lineage was opened, if at one."""
        found = self._history.savepoint_of(self._manifest.lineage)
        return "" if found is None else f", since the savepoint {found['path']}"

    @property
    def number(self) -> int:
        """Its number in its lineage."""
        return self._manifest.number

    @property
    def manifest(self) -> Manifest:
        """What it consists of."""
        return self._manifest

    @cached_property
    def _snapshot(self) -> JobSnapshot:
        return self._history.snapshot(self._manifest)

    @property
    def states(self) -> pl.DataFrame:
        """What is kept: a row per state, with the step that keeps it, its rows and its bytes on disk."""
        return frames.states(self._manifest)

    def state(self, operator: str, state: str | None = None) -> pl.DataFrame:
        """The rows of one state: its keys, then its values.

        Args:
            operator: the step that keeps it, as `states` names it.
            state: its name; needed where a step keeps several.

        Raises:
            CheckpointError: `checkpoint-no-state`, with those there are; or a file is damaged.
        """
        key = frames.state_key(self._manifest, operator, state)
        return frames.shown(self._snapshot.keyed[key].frame)

    @property
    def positions(self) -> pl.DataFrame:
        """How far each split was read: rows, the time its task had handed on, and where its reader stands."""
        return frames.positions(self._manifest)

    def diff(self, other: Checkpoint) -> Difference:
        """What tells this checkpoint from another one, as frames.

        Raises:
            CheckpointError: a file of one of them is missing or damaged.
        """
        states = tuple(differences(self._snapshot, other._snapshot))
        both = self.positions.join(
            other.positions, on=["stage", "split"], how="full", coalesce=True, suffix="_other"
        )
        return Difference(states, both)

    def save(self, to: str | os.PathLike[str] | None = None) -> str:
        """Keep it as a savepoint, and give its path.

        Args:
            to: the directory in which the savepoint gets a directory of its own; by default that of the job's
                savepoints.

        Raises:
            CheckpointError: a file is missing or damaged, or another savepoint has the place.
            StoreError: the directory cannot be written to.
        """
        target = savepoints_of(self._history) if to is None else os.fspath(to)
        return save(self._history, self._manifest, target, is_committed=False)

    def verify(self) -> None:
        """Read every file and compare it with its hash.

        Raises:
            CheckpointError: one is missing or damaged.
        """
        self._history.snapshot(self._manifest)


@dataclass(frozen=True)
class Difference:
    """What tells two checkpoints apart.

    Attributes:
        states: every state that one of them has.
        positions: how far each split was read, in the first and (`…_other`) in the second.
    """

    states: tuple[StateDifference, ...]
    positions: pl.DataFrame

    @property
    def summary(self) -> pl.DataFrame:
        """A row per state: how many keys only one has, how many have other values, how many are the same."""
        rows = [
            (s.operator, s.state, s.only_here.height, s.only_there.height, s.changed.height, s.same_count)
            for s in self.states
        ]
        return pl.DataFrame(rows, schema=_DIFFERENCES, orient="row")

    def state(self, operator: str, state: str | None = None) -> StateDifference:
        """One state.

        Raises:
            CheckpointError: `checkpoint-no-state`, with those there are.
        """
        found = [s for s in self.states if s.operator == operator and state in (None, s.state)]
        if len(found) != 1:
            raise frames.no_state(operator, len(found), [f"{s.operator} {s.state}" for s in self.states])
        return found[0]


class Checkpoints:
    """The checkpoints of all jobs in a directory.

    Args:
        directory: as it was given to `Session(checkpoint_dir=…)`.

    Example:
        >>> Checkpoints("no/such/directory").list().columns[:3]
        ['job', 'lineage', 'number']
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = os.fspath(directory)
        self._store = store_at(self._directory)

    def jobs(self) -> Sequence[str]:
        """The names of the directories of jobs that have checkpoints."""
        return frames.jobs(self._directory)

    def list(self, job: str | None = None) -> pl.DataFrame:
        """Every complete checkpoint that holds, oldest first within its job; of one job, or of all.

        Behind those of a job come its savepoints, with their paths; not those that were taken elsewhere.
        """
        names = self.jobs() if job is None else [frames.history_of(self._directory, job).job]
        rows = [row for name in names for row in self._rows(name)]
        return pl.DataFrame(rows, schema=_LISTED, orient="row")

    def open(self, job: str, number: int | None = None, *, lineage: int | None = None) -> Checkpoint:
        """One checkpoint: the newest that holds, or that of a number, in the newest lineage that has it.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        history = frames.history_of(self._directory, job)
        return Checkpoint(history, history.manifest(frames.chosen(history, number, lineage)))

    def delete(self, job: str, number: int, *, lineage: int | None = None) -> None:
        """Remove one checkpoint, but not the one that the job would go on from.

        Raises:
            CheckpointError: there is none, or the job needs it.
            ConfigError: the job is being run.
        """
        history = frames.history_of(self._directory, job)
        with held(holders_of(self._store, history.job), job):
            place = frames.chosen(history, number, lineage)
            needed = [history.newest()[1], *(history.origin(n) for n in history.lineages())]
            if place in needed:
                raise CheckpointError(
                    f"the job goes on from checkpoint {number}, or a lineage begins with it",
                    code="checkpoint-needed",
                    where=history.where(place.name),
                    hint="nothing was deleted",
                )
            history.remove(place)

    def _history(self, name: str) -> History:
        return History(self._store, name)

    def _rows(self, name: str) -> Iterator[tuple[object, ...]]:
        history = self._history(name)
        for place in frames.places(history):
            yield _row(history.manifest(place), None)
        for path in savepoints(history):
            yield _row(opened(path)[1], path)


def _row(m: Manifest, savepoint: str | None) -> tuple[object, ...]:
    read = sum(int(s["data"].get("rows", 0)) for s in m.splits)
    at = datetime.fromisoformat(m.at)
    return m.job, m.lineage, m.number, m.fence, at, m.size, read, m.has_ended, savepoint
