"""Look at checkpoints as data: which there are, what is kept in one, how far it has read.

Nothing here needs the program of the job. Every file is checked when it is read.

Reads, changes:  a directory of checkpoints.
Not here: which checkpoint a job goes on from (checkpoints.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl

from thalweg.checkpoint.history import History, Place
from thalweg.checkpoint.hold import held
from thalweg.checkpoint.manifest import Manifest
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.checkpoint.store import DirectoryStore
from thalweg.errors import CheckpointError, did_you_mean
from thalweg.protocols.increments import ROW, TASK
from thalweg.session.checkpoints import directory_name

_LISTED = {
    "job": pl.String(),
    "lineage": pl.Int64(),
    "number": pl.Int64(),
    "run": pl.Int64(),
    "at": pl.Datetime("ms", "UTC"),
    "bytes": pl.Int64(),
    "rows_read": pl.Int64(),
    "has_ended": pl.Boolean(),
}
_STATES = {
    "stage": pl.String(),
    "operator": pl.String(),
    "state": pl.String(),
    "rows": pl.Int64(),
    "bytes": pl.Int64(),
}
_POSITIONS = {
    "stage": pl.String(),
    "split": pl.String(),
    "rows_read": pl.Int64(),
    "watermark": pl.Datetime("us"),
    "has_ended": pl.Boolean(),
    "position": pl.String(),
}


class Checkpoint:
    """One checkpoint: state, positions, and what it is."""

    def __init__(self, history: History, manifest: Manifest) -> None:
        self._history, self._manifest = history, manifest

    def __repr__(self) -> str:
        m = self._manifest
        return f"<checkpoint {m.number} of lineage {m.lineage} of the job {m.job}, {m.at}>"

    @property
    def number(self) -> int:
        """Its number in its lineage."""
        return self._manifest.number

    @cached_property
    def _snapshot(self) -> JobSnapshot:
        return self._history.snapshot(self._manifest)

    @property
    def states(self) -> pl.DataFrame:
        """What is kept: a row per state, with the step that keeps it, its rows and its bytes on disk."""
        rows = [(*s.key, s.rows, s.bytes) for s in self._manifest.states]
        return pl.DataFrame(rows, schema=_STATES, orient="row")

    def state(self, operator: str, state: str | None = None) -> pl.DataFrame:
        """The rows of one state: its keys, then its values.

        Args:
            operator: the step that keeps it, as `states` names it.
            state: its name; needed where a step keeps several.

        Raises:
            CheckpointError: `checkpoint-no-state`, with those there are; or a file is damaged.
        """
        found = [
            rows.frame.drop(TASK, ROW, strict=False)
            for (_, step, name), rows in self._snapshot.keyed.items()
            if step == operator and state in (None, name)
        ]
        if len(found) != 1:
            known = [f"{s.operator} {s.state}" for s in self._manifest.states]
            raise CheckpointError(
                f'the checkpoint has {"no" if not found else "more than one"} state of "{operator}"',
                code="checkpoint-no-state",
                choices=known,
            )
        return found[0]

    @property
    def positions(self) -> pl.DataFrame:
        """How far each split was read: rows, the time its task had handed on, and where its reader stands."""
        rows = []
        for split in self._manifest.splits:
            data = split["data"]
            mark = data.get("watermark")
            time = None if mark is None else datetime(1970, 1, 1) + timedelta(microseconds=mark)
            position = json.dumps(data.get("position", {}))
            rows.append(
                (
                    split["stage"],
                    split["split"],
                    data.get("rows", 0),
                    time,
                    bool(data.get("ended")),
                    position,
                )
            )
        return pl.DataFrame(rows, schema=_POSITIONS, orient="row")

    def verify(self) -> None:
        """Read every file and compare it with its hash.

        Raises:
            CheckpointError: one is missing or damaged.
        """
        self._history.snapshot(self._manifest)


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
        self._store = DirectoryStore(self._directory)

    def jobs(self) -> Sequence[str]:
        """The names of the directories of jobs that have checkpoints."""
        return [n for n in self._store.names("") if self._history(n).lineages()]

    def list(self, job: str | None = None) -> pl.DataFrame:
        """Every complete checkpoint that holds, oldest first within its job; of one job, or of all."""
        names = self.jobs() if job is None else [self._known(job)]
        rows = [row for name in names for row in self._rows(name)]
        return pl.DataFrame(rows, schema=_LISTED, orient="row")

    def open(self, job: str, number: int | None = None, *, lineage: int | None = None) -> Checkpoint:
        """One checkpoint: the newest that holds, or that of a number, in the newest lineage that has it.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        history = self._history(self._known(job))
        places = [p for p in self._places(history) if lineage in (None, p.lineage)]
        found = [p for p in places if number in (None, p.number)]
        if not found:
            raise CheckpointError(
                f'the job "{job}" has no such checkpoint',
                code="checkpoint-missing",
                where=history.where(),
                choices=[f"{p.number} of lineage {p.lineage}" for p in places],
            )
        return Checkpoint(history, history.manifest(found[-1]))

    def delete(self, job: str, number: int, *, lineage: int | None = None) -> None:
        """Remove one checkpoint, but not the one that the job would go on from.

        Raises:
            CheckpointError: there is none, or the job needs it.
            ConfigError: the job is being run.
        """
        name = self._known(job)
        history = self._history(name)
        with held(os.path.join(self._directory, name), job):
            chosen = self.open(job, number, lineage=lineage)
            place = next(
                p
                for p in self._places(history)
                if (p.number, p.lineage) == (number, chosen._manifest.lineage)
            )
            needed = [history.newest()[1], *(history.origin(n) for n in history.lineages())]
            if place in needed:
                raise CheckpointError(
                    f"the job goes on from checkpoint {number}, or a lineage begins with it",
                    code="checkpoint-needed",
                    where=history.where(place.name),
                    hint="nothing was deleted",
                )
            history.remove(place)

    def _known(self, job: str) -> str:
        name = directory_name(job)
        jobs = self.jobs()
        if name not in jobs:
            raise CheckpointError(
                f'there are no checkpoints of a job "{job}"',
                code="checkpoint-no-job",
                where=self._directory,
                choices=jobs,
                hint=did_you_mean(name, jobs),
            )
        return name

    def _history(self, name: str) -> History:
        return History(self._store, name)

    @staticmethod
    def _places(history: History) -> Sequence[Place]:
        return [p for lineage in history.lineages() for p in history.places(lineage)]

    def _rows(self, name: str) -> Iterator[tuple[object, ...]]:
        history = self._history(name)
        for place in self._places(history):
            m = history.manifest(place)
            read = sum(int(s["data"].get("rows", 0)) for s in m.splits)
            at = datetime.fromisoformat(m.at)
            yield m.job, m.lineage, m.number, m.fence, at, m.size, read, m.has_ended
