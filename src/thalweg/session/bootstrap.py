"""Write the first checkpoint of a job from frames, so that the job begins with state that was made elsewhere.

Each state is checked against what the step of the job declares: its columns, their types, and that keys come
once. Nothing is written before all of them are.

Changes:  a directory of checkpoints: a new lineage, with one checkpoint.
Not here: running the job (attempts.py), reading checkpoints (archive.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from thalweg import __version__
from thalweg.checkpoint.frames import directory_name
from thalweg.checkpoint.history import History
from thalweg.checkpoint.hold import held
from thalweg.checkpoint.holders import holders_of
from thalweg.checkpoint.manifest import Manifest
from thalweg.checkpoint.places import store_at
from thalweg.checkpoint.snapshot import InMemory, StateRows
from thalweg.checkpoint.states import WrittenStates
from thalweg.errors import ConfigError, did_you_mean
from thalweg.job.shape import program_of
from thalweg.protocols.increments import ROW, TASK
from thalweg.runtime.restore import new_state

if TYPE_CHECKING:
    from thalweg.job.job import Job
    from thalweg.protocols.state import StateSpec
    from thalweg.session.archive import Checkpoint

Key = tuple[str, str, str]
_NUMBER = 1


def write_checkpoint(
    directory: str, job: Job, states: Mapping[str, pl.DataFrame], positions: Checkpoint | None
) -> int:
    """Write the first checkpoint of a new lineage, and give the number of the lineage.

    Args:
        directory: where the checkpoints of all jobs are.
        job: what will go on from it.
        states: the rows of states by their operators, or by operator and name with a blank between; those of
            others are empty.
        positions: a checkpoint up to whose positions the input was read; None: nothing was read.

    Raises:
        ConfigError: the job has no such state, or rows do not fit it; or the job is being run.
    """
    declared = dict(_declared(job))
    given = {_named(name, declared): (name, frame) for name, frame in states.items()}
    checked = {key: _checked(name, frame, declared[key]) for key, (name, frame) in given.items()}
    splits = () if positions is None else tuple(_splits(positions, job))
    name, program = directory_name(job.name), program_of(job)
    store = store_at(directory)
    history = History(store, name)
    with held(holders_of(store, name), job.name) as lease:
        identity, fence = history.identity(), history.take_fence(lease.confirm)
        written = WrittenStates(history)
        # of no task: whatever the job's tasks will number themselves begins anew
        written.owe(
            {k: StateRows([[InMemory(f)]], declared[k].identity, 0, f.height) for k, f in checked.items()}
        )
        manifest = Manifest(
            job.name,
            0,
            _NUMBER,
            fence,
            program.fingerprint,
            __version__,
            datetime.now(UTC).isoformat(timespec="seconds"),
            states=written.write(checked),
            splits=splits,
            physical=program.shape.plain(),
            # no sink has anything to show for it
            origin={"job": identity, "lineage": 0, "number": _NUMBER, "fence": fence, "is_committed": True},
        )
        place = history.begin_with(manifest, {"written": True})
        history.record_base(fence, place, place.lineage)
        return place.lineage


def _declared(job: Job) -> Iterator[tuple[Key, StateSpec]]:
    for stage in job.stages:
        for operator in stage.operators:
            for spec in operator.states():
                yield (stage.id, operator.id, spec.name), spec


def _named(name: str, declared: Mapping[Key, Any]) -> Key:
    """The state that a name stands for."""
    operator, _, state = name.partition(" ")
    found = [k for k in declared if k[1] == operator and state in ("", k[2])]
    if len(found) != 1:
        choices = [f"{k[1]} {k[2]}" for k in declared]
        raise ConfigError(
            f'the job has {"no" if not found else "more than one"} state of "{name}"',
            code="state-unknown",
            choices=choices,
            hint=did_you_mean(name, choices),
        )
    return found[0]


def _checked(name: str, frame: pl.DataFrame, spec: StateSpec) -> pl.DataFrame:
    """The rows as the state would give them."""
    state = new_state(spec)
    wanted = state.dump().drop(TASK, ROW, strict=False).schema
    if set(frame.columns) != set(wanted):
        raise _misfit(
            name, "has other columns", wanted, ", ".join(f"{n} {t}" for n, t in frame.schema.items())
        )
    try:
        rows = frame.select(pl.col(n).cast(t) for n, t in wanted.items())
    except pl.exceptions.PolarsError as error:
        raise _misfit(name, "has other types", wanted, str(error).splitlines()[0]) from error
    state.load(rows)
    if state.count != rows.height:
        twice = f"{rows.height} rows for {state.count} keys"
        raise _misfit(name, "has several rows for one key", wanted, twice)
    return rows


def _misfit(name: str, what: str, wanted: pl.Schema, found: str) -> ConfigError:
    return ConfigError(
        f'the state of "{name}" {what}',
        code="state-misfit",
        expected=", ".join(f"{n} {t}" for n, t in wanted.items()),
        found=found,
        hint="nothing was written; Checkpoint.state gives the rows of one that the job has taken",
    )


def _splits(positions: Checkpoint, job: Job) -> Iterator[Mapping[str, Any]]:
    sources = {stage.id for stage in job.stages if stage.scan is not None}
    for split in positions.manifest.splits:
        if split["stage"] not in sources:
            raise ConfigError(
                f'the checkpoint has read a source "{split["stage"]}" that the job does not have',
                code="state-misfit",
                choices=sorted(sources),
            )
        yield split
