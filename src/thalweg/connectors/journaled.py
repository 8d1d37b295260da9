"""Read a source that cannot be read again through a journal: then it can, from any place that is kept.

Every piece that the source gives is written down before it is handed on. A reader that is opened at an
earlier position gives what was written down since, and goes on where the source is now. What the source had
not yet given when the process ended is the source's affair.

Not here: the journal itself (checkpoint/journal.py), when it is synced (runtime/source_task.py).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from thalweg.base.schema import Schema
from thalweg.checkpoint.journal import Journal, Record
from thalweg.connectors.around import SourceAround
from thalweg.connectors.files.select import pruned
from thalweg.errors import CheckpointError
from thalweg.protocols.letters import BadRow
from thalweg.protocols.source import (
    Chunk,
    Fields,
    Position,
    Reader,
    Replay,
    Split,
)

_OFFSETS = "__journal_offset"


@dataclass(frozen=True)
class JournaledSource(SourceAround):
    """Another source, whose readers write down what they give.

    Attributes:
        inner: the source that is read.
        journal: opens the journal of a split.
        lineage: the lineage of the run.
    """

    journal: Callable[[Split], Journal] = field(repr=False, compare=False)
    lineage: int = 1

    @property
    def replay(self) -> Replay:
        """Whatever was written down can be read again from any place."""
        return "exact"

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """A reader that begins with what was written down since the position."""
        journal = self.journal(split)
        start = int(position["record"]) if position else journal.start(self.lineage)

        def opened(inner: Position) -> Reader:
            return self.inner.open(split, inner, fields)

        return JournaledReader(journal, opened, pruned(self.schema, fields), {**position, "record": start})


class JournaledReader:
    """Gives what is in the journal, then what the source gives.

    Args:
        journal: the journal of the split.
        opened: opens the source at a position of its own.
        target: the columns.
        position: the next record, how many of its rows are done, and where the source stood before it.
    """

    def __init__(
        self, journal: Journal, opened: Callable[[Position], Reader], target: Schema, position: Position
    ) -> None:
        self._journal, self._opened, self._target = journal, opened, target
        self._record, self._done = int(position["record"]), int(position.get("done", 0))
        self._inner_position: Position = position.get("inner", {})
        self._records = journal.records(self._record)
        self._rest: Chunk | None = None
        self._after: Position = {}
        self._inner: Reader | None = None
        self._is_live = self._is_ended = False

    @property
    def position(self) -> Position:
        """The next record, how many of its rows are done, and where the source stands."""
        done = {"done": self._done} if self._done else {}
        return {"record": self._record, **done, "inner": dict(self._inner_position)}

    def read(self, rows_max: int) -> Chunk:
        """The next rows."""
        if self._is_ended:
            return Chunk(None, ended=True)
        if not self._is_live:
            chunk = self._from_journal(rows_max)
            if chunk is not None:
                return chunk
            self._is_live = True
        return self._from_source(rows_max)

    def sync(self) -> None:
        """Make what was given durable."""
        self._journal.sync()

    def close(self) -> None:
        """Give back what is held open."""
        if self._inner is not None:
            self._inner.close()
        self._journal.close()
        self._is_ended = True

    def _from_source(self, rows_max: int) -> Chunk:
        if self._inner is None:
            self._inner = self._opened(self._inner_position)
        chunk = self._inner.read(rows_max)
        if chunk.frame is not None or chunk.bad or chunk.ended:
            self._inner_position = dict(self._inner.position)
            self._record = self._journal.append(*_written(chunk, self._inner_position)) + 1
            self._is_ended = chunk.ended
        return chunk

    def _from_journal(self, rows_max: int) -> Chunk | None:
        """The next rows that were written down; None if there are no more."""
        if self._rest is None:
            record = next(self._records, None)
            if record is None:
                return None
            self._rest, self._after = self._read_again(record), record.data["inner"]
        given, self._rest = _cut(self._rest, rows_max)
        if self._rest is None:
            self._record, self._done, self._inner_position = self._record + 1, 0, self._after
            self._is_ended = given.ended
        else:
            self._done += 0 if given.frame is None else given.frame.height
        return given

    def _read_again(self, record: Record) -> Chunk:
        chunk = _read(record)
        if chunk.frame is not None and dict(chunk.frame.schema) != dict(self._target.polars):
            raise CheckpointError(
                "the journal of a source holds other columns than the job reads",
                code="journal-columns",
                expected=str(self._target),
                found=str(Schema.from_polars(dict(chunk.frame.schema))),
                hint="--fresh starts the changed program without state, and deletes nothing",
            )
        if not self._done:
            return chunk
        # rows that cannot be read were given with the first ones
        rest = _cut(chunk, self._done)[1]
        assert rest is not None, "a record is done when its last row is"
        return rest


def _cut(chunk: Chunk, rows: int) -> tuple[Chunk, Chunk | None]:
    """The first rows of a chunk, and the rest."""
    frame = chunk.frame
    if frame is None or frame.height <= rows:
        return chunk, None
    offsets = chunk.offsets_of(frame)
    first = replace(chunk, frame=frame[:rows], offsets=offsets[:rows], ended=False)
    rest = replace(chunk, frame=frame[rows:], offset=int(offsets[rows]), offsets=offsets[rows:], bad=())
    return first, rest


def _written(chunk: Chunk, inner: Position) -> tuple[dict[str, Any], pl.DataFrame | None]:
    frame = chunk.frame
    if frame is not None and chunk.offsets is not None:
        frame = frame.with_columns(chunk.offsets.cast(pl.Int64).alias(_OFFSETS))
    data = {
        "offset": chunk.offset,
        "bad": [_bad_written(b) for b in chunk.bad],
        "ended": chunk.ended,
        "arrived": chunk.arrived,
        "unit": chunk.unit,
        "inner": inner,
    }
    return data, frame


def _read(record: Record) -> Chunk:
    data, frame = record.data, record.frame
    offsets = None
    if frame is not None and _OFFSETS in frame.columns:
        offsets, frame = frame[_OFFSETS], frame.drop(_OFFSETS)
    bad = tuple(map(_bad_read, data["bad"]))
    return Chunk(
        frame, data["offset"], offsets, bad, data["ended"], arrived=data["arrived"], unit=data["unit"]
    )


def _bad_written(bad: BadRow) -> dict[str, Any]:
    held = {**vars(bad), "raw": _text(bad.raw), "header": _text(bad.header)}
    if bad.row is not None:
        rows = io.BytesIO()
        bad.row.write_ipc(rows)
        held["row"] = _text(rows.getvalue())
    return held


def _bad_read(held: Mapping[str, Any]) -> BadRow:
    row = None if held["row"] is None else pl.read_ipc(io.BytesIO(_bytes(held["row"])))
    return BadRow(**{**held, "raw": _bytes(held["raw"]), "header": _bytes(held["header"]), "row": row})


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
