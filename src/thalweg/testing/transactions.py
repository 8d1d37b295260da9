"""Check a transactional sink against its contract: what is staged, what a commit shows, and how often.

Every step looks at what a reader would see. Commits are also broken off, at the places where the sink lets
them (checkpoint/failpoints.py), and made again.

Reads:    what `read_back` gives.
Not here: the lines (protocols/sink.py), sinks without checkpoints (sinks.py), real crashes.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from thalweg.base.schema import Schema
from thalweg.checkpoint.failpoints import OBJECT_POINTS, POINTS, armed
from thalweg.columnar.batch import Batch
from thalweg.errors import CheckpointError, ThalwegError
from thalweg.protocols.sink import Epoch, StagingWriter, TransactionalSink
from thalweg.testing.contract import check, must_work
from thalweg.testing.sinks import SAMPLE
from thalweg.testing.tables import Table, difference, table_of

_EPOCH = Epoch("a job", "write1", lineage=1, number=0, fence=1)
MakeSink = Callable[[], TransactionalSink]
ReadBack = Callable[[TransactionalSink], pl.DataFrame | None]


@dataclass
class _Stage:
    """A new sink, and what must be seen of it."""

    sink: TransactionalSink
    read_back: ReadBack
    rows: pl.DataFrame

    def __post_init__(self) -> None:
        self.visible: Table = Counter()

    def open(self, epoch: Epoch = _EPOCH) -> StagingWriter:
        """A writer of a run."""
        return self.sink.open_staging(Schema.from_polars(dict(self.rows.schema)), 0, epoch)

    def staged(self, writer: StagingWriter, rows: pl.DataFrame, *, ends: bool = False) -> list[Any]:
        """Write and stage rows, none of which is seen."""
        writer.write(Batch(rows))
        self.look("G1", "write")
        writer.cut(1)
        self.look("G1", "cut")
        if ends:
            writer.end()
            self.look("G1", "end")
        parts = writer.stage()
        self.look("G1", "stage")
        return [_plain(part) for part in parts]

    def commit(self, number: int, parts: Sequence[Any], shown: pl.DataFrame | None, line: str = "X1") -> None:
        """Commit, after which these rows are seen, too."""
        what = f"commit of epoch {number}"
        with must_work(line, what):
            self.sink.commit(replace(_EPOCH, number=number), parts)
        if shown is not None:
            self.visible += table_of(shown)
        self.look(line, what)

    def look(self, line: str, what: str) -> None:
        """Compare what is seen with what must be seen."""
        with must_work(line, f"{what}, then reading back"):
            found = self.read_back(self.sink)
        seen = Counter() if found is None else table_of(found)
        check(seen == self.visible, line, what, found=difference(seen, self.visible))


def check_transactional(make: MakeSink, read_back: ReadBack, *, rows: pl.DataFrame = SAMPLE) -> None:
    """Check a sink that commits with checkpoints.

    Args:
        make: makes a new sink that nothing was written to.
        read_back: what a reader sees of a sink; None: nothing yet.
        rows: what is written, each row once.

    Raises:
        ConformanceError: with the line of `StagingWriter` or `TransactionalSink` that is broken.
    """

    def stage() -> _Stage:
        return _Stage(make(), read_back, rows)

    _epochs(stage())
    _overtaken(stage())
    _gone(stage())
    for point in (*POINTS, *OBJECT_POINTS):
        if point.startswith(("sink.", "object.")):
            _broken_off(stage(), point)


def _epochs(stage: _Stage) -> None:
    half = stage.rows.height // 2
    writer = stage.open()
    first = stage.staged(writer, stage.rows.head(half))
    stage.commit(1, first, stage.rows.head(half))
    stage.commit(1, first, None)
    stage.commit(2, [_plain(p) for p in writer.stage()], None)
    others, last = stage.rows[half:-1], stage.rows.tail(1)
    rest = stage.staged(writer, others, ends=True)
    writer.close()
    stage.look("G3", "close")
    stage.commit(3, rest, others, "G3")
    stage.commit(1, first, None)
    again = stage.open(replace(_EPOCH, fence=2))
    parts = stage.staged(again, last)
    later = replace(_EPOCH, lineage=2, number=1, fence=2)
    with must_work("X1", "commit of epoch 1 of another lineage"):
        stage.sink.commit(later, parts)
    stage.visible += table_of(last)
    stage.look("X1", "commit of epoch 1 of another lineage")
    with must_work("X1", "commit of epoch 3 of the first lineage"):
        stage.sink.commit(replace(_EPOCH, number=3, fence=3), rest)
    stage.look("X1", "commit of epoch 3 of the first lineage, which was committed before")


def _overtaken(stage: _Stage) -> None:
    old = stage.staged(stage.open(), stage.rows)
    stage.sink.commit(replace(_EPOCH, number=1, fence=2), [])
    refused = False
    try:
        stage.sink.commit(replace(_EPOCH, number=2, fence=1), old)
    except CheckpointError:
        refused = True
    check(refused, "X3", "commit of run 1 after one of run 2", expected="a CheckpointError")
    stage.look("X3", "commit of run 1 after one of run 2")


def _gone(stage: _Stage) -> None:
    lost, kept = stage.rows.head(1), stage.rows.slice(1, 2)
    writer = stage.open()
    stage.staged(writer, lost)
    held = stage.staged(writer, kept)
    other = replace(_EPOCH, job="another job")
    foreign = stage.staged(stage.open(other), stage.rows.slice(3, 1))
    now, later = (replace(_EPOCH, fence=n) for n in (2, 3))
    newer = stage.staged(stage.open(later), stage.rows.slice(4, 1))
    with must_work("X4", "discard"):
        stage.sink.discard(now, held)
    stage.look("X4", "discard")
    stage.commit(1, held, kept, "X4")
    with must_work("X4", "commit of another job"):
        stage.sink.commit(replace(other, number=1), foreign)
    stage.visible += table_of(stage.rows.slice(3, 1))
    stage.look("X4", "commit of another job")
    with must_work("X4", "commit of a newer run"):
        stage.sink.commit(replace(later, number=2), newer)
    stage.visible += table_of(stage.rows.slice(4, 1))
    stage.look("X4", "commit of a newer run")


def _broken_off(stage: _Stage, point: str) -> None:
    parts = stage.staged(stage.open(), stage.rows)
    with armed(f"{point}:raise:1"), contextlib.suppress(ThalwegError, OSError):
        stage.sink.commit(replace(_EPOCH, number=1), parts)
    stage.commit(1, parts, stage.rows, "X2")


def _plain(part: Any) -> Any:
    """What another process would be given: rows, or JSON."""
    if isinstance(part, pl.DataFrame):
        return part.clone()
    with must_work("G2", "what is staged as JSON"):
        return json.loads(json.dumps(part))


__all__ = ["check_transactional"]
