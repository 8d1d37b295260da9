"""Read frames that the program holds, and collect results for it.

Not here: the sinks that only look at rows (sinks.py).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch, consolidate, join_batches
from thalweg.columnar.outside import handed_out
from thalweg.connectors.changes import visible
from thalweg.connectors.files.select import check_file, expressions, pruned
from thalweg.connectors.frames import FrameReader
from thalweg.operators.changelog import repeat_rows
from thalweg.operators.missing import check_present
from thalweg.protocols.sink import Delivery
from thalweg.protocols.source import Fields, Position, Reader, Replay, Size, Split


@dataclass(frozen=True, eq=False)
class FrameSource:
    """Frames in memory, each a split; made by `frame_source`.

    Attributes:
        frames: the rows of each split, in order.
        schema: the columns of every frame.
        name: what messages call the source.
        is_ordered: whether the splits follow one another in time.
    """

    frames: tuple[pl.DataFrame, ...] = field(repr=False)
    schema: Schema
    name: str = "frame"
    is_ordered: bool = False

    @property
    def is_bounded(self) -> bool:
        """Frames end."""
        return True

    @property
    def replay(self) -> Replay:
        """Exact, as long as the program hands in the same frames after a restart."""
        return "exact"

    @property
    def is_live(self) -> bool:
        """The rows were made earlier."""
        return False

    def describe(self) -> str:
        """The name."""
        return self.name

    def size(self) -> Size:
        """What the frames hold."""
        held = sum(int(f.estimated_size()) for f in self.frames)
        return Size(sum(f.height for f in self.frames), held)

    def splits(self) -> Sequence[Split]:
        """One split per frame."""
        return [Split(str(number), {"frame": number}) for number in range(len(self.frames))]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """A reader of one frame."""
        frame = self.frames[int(split.data["frame"])]
        chosen = frame.select(expressions(pruned(self.schema, fields), frame.schema))
        return FrameReader(lambda row: iter([chosen[row:]]), position)

    def lazy(self, fields: Fields | None) -> pl.LazyFrame:
        """All frames one after the other."""
        target = pruned(self.schema, fields)
        return pl.concat([f.lazy().select(expressions(target, f.schema)) for f in self.frames])


def frame_source(
    frames: pl.DataFrame | Sequence[pl.DataFrame],
    *,
    name: str = "frame",
    schema: Schema | None = None,
    is_ordered: bool = False,
) -> FrameSource:
    """Describe one frame, or several as splits, as a source.

    Raises:
        PlanError: a frame does not have the columns declared, or those of the first one.

    Example:
        >>> source = frame_source(pl.DataFrame({"a": [1, 2]}))
        >>> source.open(source.splits()[0], {}, None).read(10).frame["a"].to_list()
        [1, 2]
    """
    held = (frames,) if isinstance(frames, pl.DataFrame) else tuple(frames)
    known = Schema.from_polars(dict(held[0].schema)) if schema is None else schema
    for number, frame in enumerate(held):
        check_file(known, frame.schema, name if len(held) == 1 else f"{name}, frame {number}")
    return FrameSource(held, known, name, is_ordered)


_MANY, _SMALL = 64, 1024


def _join_small(batches: list[Batch], begin: int) -> int:
    """Copy many small batches at the end into one; returns from where on they have not been looked at.

    A frame that is kept holds some 45 KB of Polars' allocator, however few its rows are.
    """
    last = batches[begin:]
    if len(last) < _MANY:
        return begin
    if sum(len(b) for b in last) < _SMALL * len(last):
        whole = join_batches(last)
        weight = None if whole.weight is None else whole.weight.rechunk()
        batches[begin:] = [Batch(whole.frame.rechunk(), weight)]
    return len(batches)


class Collected:
    """The rows that the writers of a `MemorySink` have published so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches: list[Batch] = []
        self._joined = 0
        self._schema = Schema(())

    def add(self, batches: Sequence[Batch], schema: Schema) -> None:
        """Publish batches."""
        with self._lock:
            self._schema = schema
            self._batches += batches
            self._joined = _join_small(self._batches, self._joined)

    def batch(self) -> Batch:
        """Everything published, as one batch."""
        with self._lock:
            if not self._batches:
                return Batch(pl.DataFrame(schema=self._schema.polars))
            whole = join_batches(self._batches)
            self._batches, self._joined = [whole], 1
            return whole

    @property
    def schema(self) -> Schema:
        """The columns that the writers said."""
        return self._schema


@dataclass(frozen=True, eq=False)
class MemorySink:
    """Collects results in the program's memory; they appear at cuts.

    Example:
        >>> sink = MemorySink()
        >>> writer = sink.open(Schema.from_polars({"a": pl.Int64()}), 0)
        >>> writer.write(Batch(pl.DataFrame({"a": [1, 2]}), pl.Series([1, 1])))
        >>> writer.write(Batch(pl.DataFrame({"a": [1]}), pl.Series([-1])))
        >>> writer.end()
        >>> sink.table()["a"].to_list(), sink.changes().height
        ([2], 3)
    """

    collected: Collected = field(default_factory=Collected, repr=False)
    takes_updates: bool = True
    delivery: Delivery = "at_least_once"
    emit: Literal["cut", "now"] = "cut"
    is_parallel: bool = True

    def describe(self) -> str:
        """Its name."""
        return "memory"

    def open(self, schema: Schema, task: int) -> MemoryWriter:
        """A writer into the collection that all writers share."""
        self.collected.add((), schema)
        return MemoryWriter(self.collected, schema, self.emit == "now")

    def changes(self) -> pl.DataFrame:
        """Every change published so far, with its weight in the last column."""
        return handed_out(self.collected.batch().packed(), self.collected.schema)

    def table(self) -> pl.DataFrame:
        """All changes added up: the rows that are there now.

        Raises:
            DataError: more of a row was retracted than was ever there.
        """
        return handed_out(folded(self.collected.batch()), self.collected.schema)


class MemoryWriter:
    """Holds batches back until the cut."""

    def __init__(self, collected: Collected, schema: Schema, is_eager: bool) -> None:
        self._collected, self._schema, self._is_eager = collected, schema, is_eager
        self._pending: list[Batch] = []
        self._joined = 0

    def write(self, batch: Batch) -> None:
        """Hold rows."""
        self._pending.append(visible(batch, self._schema))
        self._joined = _join_small(self._pending, self._joined)
        if self._is_eager:
            self.end()

    def cut(self, number: int) -> None:
        """Publish what is held."""
        self.end()

    def end(self) -> None:
        """Publish what is held."""
        pending, self._pending, self._joined = self._pending, [], 0
        if pending:
            self._collected.add(pending, self._schema)

    def close(self) -> None:
        """Forget what is held."""
        self._pending = []


def folded(batch: Batch) -> pl.DataFrame:
    """The table that the changes add up to, equal rows as often as they are in it.

    Raises:
        DataError: more of a row was retracted than was ever there.
    """
    total = consolidate(batch)
    if total.is_append:
        return total.frame
    check_present(total.weights().to_numpy(), lambda some: total.frame[some])
    return repeat_rows(total)
