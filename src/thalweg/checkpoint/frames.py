"""Find a checkpoint without its program, and give what it holds as frames: states, their rows, positions.

Reads:    a directory of checkpoints; every file is checked when it is read.
Not here: which checkpoint a job goes on from (session/checkpoints.py), comparing two (difference.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from thalweg.checkpoint.history import History, Place
from thalweg.checkpoint.manifest import Manifest
from thalweg.checkpoint.places import store_at
from thalweg.errors import CheckpointError, ConfigError, did_you_mean
from thalweg.protocols.increments import ROW, TASK

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
    "rows_bad": pl.Int64(),
    "watermark": pl.Datetime("us"),
    "has_ended": pl.Boolean(),
    "position": pl.String(),
}


def directory_name(job: str) -> str:
    """A job's name as the name of a directory.

    Example:
        >>> directory_name("hot items/1")
        'hot%20items%2f1'
    """
    safe = "".join(c if c.isalnum() or c in "-_" else f"%{ord(c):02x}" for c in job)
    if not safe or len(safe.encode()) > 200:
        raise ConfigError(
            "a job with checkpoints needs a name of at most 200 bytes",
            code="checkpoint-name",
            found=repr(job),
        )
    return safe


def jobs(directory: str) -> Sequence[str]:
    """The names of the directories of jobs that have checkpoints."""
    store = store_at(directory)
    return [n for n in store.names("") if History(store, n).lineages()]


def history_of(directory: str, job: str) -> History:
    """The checkpoints of a job.

    Raises:
        CheckpointError: `checkpoint-no-job`, with the jobs there are.
    """
    name, known = directory_name(job), jobs(directory)
    if name not in known:
        raise CheckpointError(
            f'there are no checkpoints of a job "{job}"',
            code="checkpoint-no-job",
            where=directory,
            choices=known,
            hint=did_you_mean(name, known),
        )
    return History(store_at(directory), name)


def places(history: History) -> Sequence[Place]:
    """The complete checkpoints of all lineages that hold, in order."""
    return [p for lineage in history.lineages() for p in history.places(lineage)]


def chosen(history: History, number: int | None, lineage: int | None = None) -> Place:
    """The newest checkpoint that holds, or that of a number, in the newest lineage that has it.

    Raises:
        CheckpointError: `checkpoint-missing`, with those there are.
    """
    known = [p for p in places(history) if lineage in (None, p.lineage)]
    found = [p for p in known if number in (None, p.number)]
    if not found:
        raise CheckpointError(
            f'the job "{history.job}" has no such checkpoint',
            code="checkpoint-missing",
            where=history.where(),
            choices=[f"{p.number} of lineage {p.lineage}" for p in known],
        )
    return found[-1]


def states(manifest: Manifest) -> pl.DataFrame:
    """A row per state, with the step that keeps it, its rows and its bytes on disk."""
    rows = [(*s.key, s.rows, s.bytes) for s in manifest.states]
    return pl.DataFrame(rows, schema=_STATES, orient="row")


def state_key(manifest: Manifest, operator: str, state: str | None = None) -> tuple[str, str, str]:
    """Stage, operator and name of one state.

    Args:
        manifest: the checkpoint.
        operator: the step that keeps it.
        state: its name; needed where a step keeps several.

    Raises:
        CheckpointError: `checkpoint-no-state`, with those there are.
    """
    found = [s.key for s in manifest.states if s.operator == operator and state in (None, s.state)]
    if len(found) != 1:
        raise no_state(operator, len(found), [f"{s.operator} {s.state}" for s in manifest.states])
    return found[0]


def no_state(operator: str, found: int, known: Sequence[str]) -> CheckpointError:
    """The error for a state that is not there, or of which there are several."""
    return CheckpointError(
        f'the checkpoint has {"no" if not found else "more than one"} state of "{operator}"',
        code="checkpoint-no-state",
        choices=known,
    )


def shown(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of a state without what only the engine can use: keys first, then values."""
    return rows.drop(TASK, ROW, strict=False)


def positions(manifest: Manifest) -> pl.DataFrame:
    """How far each split was read: rows, those kept apart, the time handed on, where its reader stands."""
    rows = []
    for split in manifest.splits:
        data = split["data"]
        mark = data.get("watermark")
        time = None if mark is None else datetime(1970, 1, 1) + timedelta(microseconds=mark)
        position = json.dumps(data.get("position", {}))
        ended = bool(data.get("ended"))
        read = data.get("rows", 0), data.get("bad", 0)
        rows.append((split["stage"], split["split"], *read, time, ended, position))
    return pl.DataFrame(rows, schema=_POSITIONS, orient="row")
