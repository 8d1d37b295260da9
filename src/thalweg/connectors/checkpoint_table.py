"""What a checkpoint holds as a table: the rows of a state, or how far each split was read.

Reads:    a directory of checkpoints, or a savepoint.
Not here: taking and finding checkpoints (checkpoint/).
"""

from __future__ import annotations

import os

import polars as pl

from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.checkpoint import frames
from thalweg.checkpoint.history import History
from thalweg.checkpoint.manifest import Manifest
from thalweg.checkpoint.savepoint import is_savepoint, opened
from thalweg.connectors.connector import Connector
from thalweg.connectors.memory import FrameSource, frame_source
from thalweg.connectors.options import Option, Values, choice, whole
from thalweg.errors import ConfigError

_CONTENTS = ("state", "states", "positions")


def _source(values: Values, schema: Schema | None) -> FrameSource:
    history, manifest = _checkpoint(values)
    name = f"checkpoint {manifest.number} of {manifest.job}"
    content = values["content"]
    if content == "positions":
        return frame_source(frames.positions(manifest), name=f"positions in {name}", schema=schema)
    if content == "states":
        return frame_source(frames.states(manifest), name=f"states in {name}", schema=schema)
    key = _state(values, manifest)
    rows = history.snapshot(manifest).keyed[key].frame
    return frame_source(_seen(frames.shown(rows)), name=f"{key[1]} {key[2]} in {name}", schema=schema)


def _seen(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows under names that a query can say: those of the engine's own columns are hidden from it."""
    names = list(rows.columns)
    for at, name in enumerate(names):
        if name.startswith(SYSTEM_PREFIX):
            bare = name.removeprefix(SYSTEM_PREFIX)
            while bare in names:
                bare += "_"
            names[at] = bare
    return rows.rename(dict(zip(rows.columns, names, strict=True)))


def _checkpoint(values: Values) -> tuple[History, Manifest]:
    path, job = os.path.expanduser(values["path"]), values["job"]
    if job is None and is_savepoint(path):
        return opened(path)
    if job is None:
        raise ConfigError(
            "of a directory of checkpoints the job is to be named",
            code="connector-missing-option",
            where=values.where,
            expected="'job' = '…', or the path of a savepoint",
            choices=frames.jobs(path),
        )
    history = frames.history_of(path, job)
    return history, history.manifest(frames.chosen(history, values["number"]))


def _state(values: Values, manifest: Manifest) -> tuple[str, str, str]:
    """The state that is named; it may be left out where there is only one."""
    named = values["state"]
    if named is not None:
        operator, _, name = named.partition(" ")
        return frames.state_key(manifest, operator, name or None)
    if len(manifest.states) == 1:
        return manifest.states[0].key
    raise ConfigError(
        "the checkpoint has no state" if not manifest.states else "the checkpoint has several states",
        code="connector-missing-option",
        where=values.where,
        expected="'state' = '…'",
        choices=[f"{s.operator} {s.state}" for s in manifest.states],
    )


CHECKPOINT = Connector(
    "checkpoint",
    (
        Option("path", str, None, "a directory of checkpoints, or a savepoint", is_required=True),
        Option("job", str, None, "the job; not for a savepoint"),
        Option("number", whole(0), None, "the number of the checkpoint; by default the newest"),
        choice("content", _CONTENTS, "state", "the rows of a state, a list of the states, or positions"),
        Option("state", str, None, "the step that keeps the state, and its name where it keeps several"),
    ),
    source=_source,
)
