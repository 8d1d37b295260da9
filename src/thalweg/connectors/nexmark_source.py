"""Offer the Nexmark stream as a source: flat out, or on a fixed schedule.

On a schedule, event number i of the whole stream is due at start + i / rate, whatever happened before:
a reader that fell behind catches up, and the time between due and done is the latency, queueing included.

Reads:    the monotonic clock, when there is a schedule.
Not here: the events (nexmark/).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from thalweg.base.schema import Schema
from thalweg.connectors.nexmark import NexmarkConfig, NexmarkGenerator, envelope_schema
from thalweg.connectors.nexmark.layout import Wanted, select
from thalweg.errors import ConfigError
from thalweg.protocols.source import Chunk, Fields, Position, Reader, Replay, Split

MADE_ROWS = 65_536
"""Events made at a time, whatever number is read at a time."""


@dataclass(frozen=True)
class NexmarkSource:
    """The Nexmark stream.

    Attributes:
        config: which events there are.
        rate_limit: events per second of the clock over all splits; None: as fast as they are read.
        splits_per_generator: 2 deals one generator's events to two splits by turns.
        origin: what `time.monotonic` said when the schedule began; None: when the first reader opens.
    """

    config: NexmarkConfig
    rate_limit: float | None = None
    splits_per_generator: int = 1
    origin: float | None = None

    def __post_init__(self) -> None:
        if self.rate_limit is not None and not self.rate_limit > 0:
            raise ConfigError(
                '"rate-limit" must be above 0',
                code="nexmark-config",
                where="options of the Nexmark source",
                found=str(self.rate_limit),
            )
        if self.splits_per_generator < 1:
            raise ConfigError(
                "a generator has at least one split",
                code="nexmark-config",
                where="options of the Nexmark source",
                found=str(self.splits_per_generator),
            )

    @property
    def schema(self) -> Schema:
        """The envelope: `event_type` and one row column per kind of event."""
        return Schema.from_polars(dict(envelope_schema()))

    @property
    def is_bounded(self) -> bool:
        """Whether the number of events is given."""
        return self.config.events_num is not None

    @property
    def replay(self) -> Replay:
        """Any event can be made again."""
        return "exact"

    @property
    def is_ordered(self) -> bool:
        """The splits cover the same span of time."""
        return False

    @property
    def is_live(self) -> bool:
        """The times of events have nothing to do with the clock."""
        return False

    def describe(self) -> str:
        """Its name."""
        return "nexmark"

    def splits(self) -> Sequence[Split]:
        """The parts of each generator: every event is in one of them."""
        turns = self.splits_per_generator
        return [
            Split(f"{index}" if turns == 1 else f"{index}/{turn}", {"generator": index, "turn": turn})
            for index in range(self.config.generators)
            for turn in range(turns)
        ]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """A reader of one part of a generator."""
        return NexmarkReader(self, split, position, fields)

    def lazy(self, fields: Fields | None) -> pl.LazyFrame:
        """All events, made while Polars reads them; endless streams have no such plan."""
        if not self.is_bounded:
            raise ConfigError(
                "an endless Nexmark stream cannot be read as a whole",
                code="nexmark-endless",
                hint='set "events.num"',
            )
        return pl.concat([self._lazy_split(split, fields) for split in self.splits()])

    def _lazy_split(self, split: Split, fields: Fields | None) -> pl.LazyFrame:
        wanted = wanted_of(fields)
        part = _Part.of(self, split)

        def frames(
            with_columns: list[str] | None,
            predicate: pl.Expr | None,
            n_rows: int | None,
            batch_size: int | None,
        ) -> Iterator[pl.DataFrame]:
            kept = wanted if with_columns is None else {c: wanted[c] for c in with_columns}
            end = part.count() if n_rows is None else min(part.count(), n_rows)
            for start in range(0, end, MADE_ROWS):
                frame = part.make(start, min(MADE_ROWS, end - start), kept)
                yield frame if predicate is None else frame.filter(predicate)

        return register_io_source(frames, schema=envelope_schema(wanted))


@dataclass
class _Part:
    """Every n-th event of a generator."""

    generator: NexmarkGenerator
    turn: int
    turns: int

    @staticmethod
    def of(source: NexmarkSource, split: Split) -> _Part:
        generator = NexmarkGenerator(source.config, int(split.data["generator"]))
        return _Part(generator, int(split.data["turn"]), source.splits_per_generator)

    def count(self) -> int:
        """How many events the part has; a number past all counting, if it never ends."""
        total = self.generator.count
        return 2**62 if total is None else max(0, -(-(total - self.turn) // self.turns))

    def make(self, start: int, count: int, wanted: Wanted) -> pl.DataFrame:
        """The part's events from `start` on."""
        members = {name: kept for name, kept in wanted.items() if kept}
        if self.turns == 1:
            return self.generator.batch(start, count, list(wanted), members).select(list(wanted))
        first = start * self.turns + self.turn
        span = (count - 1) * self.turns + 1
        made = self.generator.batch(first, span, list(wanted), members)
        return made.select(list(wanted)).gather_every(self.turns)


class NexmarkReader:
    """Reads one part of a generator, no faster than the schedule allows.

    Attributes:
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        source: NexmarkSource,
        split: Split,
        position: Position,
        fields: Fields | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._part, self._wanted = _Part.of(source, split), wanted_of(fields)
        self._row = self._first = int(position.get("row", 0))
        self._count, self._clock = self._part.count(), clock
        self._rate, self._origin = source.rate_limit, source.origin
        generators = source.config.generators
        self._stride = generators * self._part.turns
        self._phase = self._part.turn * generators + self._part.generator.index
        self._made: pl.DataFrame | None = None

    @property
    def position(self) -> Position:
        """The number of the next event of this part."""
        return {"row": self._row}

    def read(self, rows_max: int) -> Chunk:
        """The next events that are due."""
        count = min(rows_max, self._count - self._row, self._due())
        if self._row >= self._count:
            return Chunk(None, offset=self._row, ended=True)
        if count <= 0:
            return Chunk(None, offset=self._row, wait=max(0.0, self.due_at(self._row) - self._clock()))
        start = self._row
        frame = self._take(count)
        self._row += frame.height
        return Chunk(frame, offset=start, ended=self._row >= self._count)

    def close(self) -> None:
        """Forget events that were made and not read."""
        self._made = None

    def due_at(self, row: int) -> float:
        """When the schedule wants an event, on the reader's clock; `origin` if there is no schedule."""
        if self._rate is None:
            return self._started()
        behind = (row - self._first) * self._stride
        return self._started() + (behind + self._phase) / self._rate

    def _started(self) -> float:
        if self._origin is None:
            self._origin = self._clock()
        return self._origin

    def _due(self) -> int:
        """How many events from the next one on are due."""
        if self._rate is None:
            return self._count
        passed = (self._clock() - self._started()) * self._rate - self._phase
        # The tiny addition keeps an event that is due exactly now from being lost to rounding.
        return int(passed / self._stride + 1e-9) + 1 - (self._row - self._first) if passed >= 0 else 0

    def _take(self, count: int) -> pl.DataFrame:
        """The next events, made ahead in batches so that few at a time cost no more."""
        if self._made is None or not self._made.height:
            ahead = min(max(count, MADE_ROWS if self._rate is None else count), self._count - self._row)
            self._made = self._part.make(self._row, min(ahead, MADE_ROWS), self._wanted)
        frame, self._made = self._made[:count], self._made[count:]
        return frame


def wanted_of(fields: Fields | None) -> Wanted:
    """Columns and members in the order asked for."""
    if fields is None:
        return select(None, None)
    return {name: members or select([name], None)[name] for name, members in fields}


def due_times(reader: NexmarkReader, first: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """When the schedule wanted each of `count` events, on the reader's clock: for latencies."""
    start, step = reader.due_at(first), reader.due_at(first + 1) - reader.due_at(first)
    return start + step * np.arange(count, dtype=np.float64)
