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

import polars as pl
from polars.io.plugins import register_io_source

from thalweg.base.schema import Schema
from thalweg.base.types import Struct
from thalweg.connectors.files.select import expressions, pruned
from thalweg.connectors.nexmark import NexmarkConfig, NexmarkGenerator, envelope_schema
from thalweg.connectors.schedule import Schedule
from thalweg.errors import ConfigError
from thalweg.protocols.source import Chunk, Fields, Position, Reader, Replay, Split

MADE_ROWS, _LIVE_ROWS = 131_072, 65_536
"""Events made at a time, whatever number is read at a time; fewer where rows are waited for."""


@dataclass(frozen=True)
class NexmarkSource:
    """The Nexmark stream.

    Attributes:
        config: which events there are.
        rate_limit: events per second of the clock over all splits; None: as fast as they are read.
        splits_per_generator: 2 deals one generator's events to two splits by turns.
        origin: what `time.monotonic` said when the schedule began; None: when a reader opens.
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
        """A reader of one part of a generator; its first event is due at the origin."""
        part = _Part.of(self, split, fields)
        return NexmarkReader(part, position, self.schedule(split, int(position.get("row", 0))))

    def schedule(self, split: Split, first: int = 0) -> Schedule | None:
        """When the events of a split are due, from event `first` on; None: at once."""
        if self.rate_limit is None:
            return None
        generators = self.config.generators
        return Schedule(
            origin=time.monotonic() if self.origin is None else self.origin,
            rate=self.rate_limit,
            stride=generators * self.splits_per_generator,
            phase=int(split.data["turn"]) * generators + int(split.data["generator"]),
            first=first,
        )

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
        part = _Part.of(self, split, fields)

        def frames(
            columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch: int | None
        ) -> Iterator[pl.DataFrame]:
            end = part.count() if rows is None else min(part.count(), rows)
            for start in range(0, end, MADE_ROWS):
                frame = part.make(start, min(MADE_ROWS, end - start), columns)
                yield frame if predicate is None else frame.filter(predicate)

        return register_io_source(frames, schema=part.target.polars)


@dataclass(frozen=True)
class _Part:
    """Every n-th event of a generator, and what is made of each event."""

    generator: NexmarkGenerator
    turn: int
    turns: int
    target: Schema

    @staticmethod
    def of(source: NexmarkSource, split: Split, fields: Fields | None) -> _Part:
        generator = NexmarkGenerator(source.config, int(split.data["generator"]))
        turn, target = int(split.data["turn"]), pruned(source.schema, fields)
        return _Part(generator, turn, source.splits_per_generator, target)

    def count(self) -> int:
        """How many events the part has; a number past all counting, if it never ends."""
        total = self.generator.count
        return 2**62 if total is None else max(0, -(-(total - self.turn) // self.turns))

    def make(self, start: int, count: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The part's events from `start` on."""
        target = self.target if columns is None else self.target.select(columns)
        members = {f.name: [m.name for m in f.type.fields] for f in target if isinstance(f.type, Struct)}
        first = start * self.turns + self.turn
        span = (count - 1) * self.turns + 1
        made = self.generator.batch(first, span, target.names, members)
        if made.schema != target.polars:
            made = made.select(expressions(target, made.schema))
        return made if self.turns == 1 else made.gather_every(self.turns)


class NexmarkReader:
    """Reads one part of a generator, no faster than the schedule allows."""

    def __init__(
        self,
        part: _Part,
        position: Position,
        schedule: Schedule | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._part, self._row, self._count = part, int(position.get("row", 0)), part.count()
        self.schedule, self._clock = schedule, clock
        self._made: pl.DataFrame | None = None

    @property
    def position(self) -> Position:
        """The number of the next event of this part."""
        return {"row": self._row}

    def read(self, rows_max: int) -> Chunk:
        """The next events that are due."""
        start = self._row
        if start >= self._count:
            return Chunk(None, offset=start, ended=True)
        due, wait = self._due()
        count = min(rows_max, self._count - start, due)
        if count <= 0:
            return Chunk(None, offset=start, wait=wait)
        frame = self._take(count)
        self._row += frame.height
        return Chunk(frame, offset=start, ended=self._row >= self._count)

    def close(self) -> None:
        """Forget events that were made and not read."""
        self._made = None

    def _due(self) -> tuple[int, float]:
        """How many events from the next one on are due, and how many seconds it is until there is one."""
        if self.schedule is None:
            return self._count, 0.0
        now = self._clock()
        due = self.schedule.first + self.schedule.count_due(now) - self._row
        return due, max(0.0, self.schedule.due_at(self._row) - now)

    def _take(self, count: int) -> pl.DataFrame:
        """The next events, made ahead so that few at a time cost no more per event."""
        if self._made is None or not self._made.height:
            rows = MADE_ROWS if self.schedule is None else _LIVE_ROWS
            self._made = self._part.make(self._row, min(rows, self._count - self._row))
        frame, self._made = self._made[:count], self._made[count:]
        return frame
