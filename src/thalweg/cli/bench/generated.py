"""Make events with keys on the fly: a key, a number and a time, all from the number of the event.

They cost less to make than to read from files, and a hundred million of them are held nowhere.

Not here: Nexmark's events (workload.py), the loop that makes them (kernels.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from thalweg.base.schema import Schema
from thalweg.cli.bench.kernels import make_events
from thalweg.columnar.eager import numbers, pick
from thalweg.connectors.files.select import pruned
from thalweg.connectors.frames import FrameReader
from thalweg.protocols.source import Fields, Position, Reader, Replay, Split

MADE_ROWS = 131_072
SPARSER = 10
"""Events that come afterwards are so many times further apart."""


@dataclass(frozen=True)
class EventsSource:
    """Events of uniform random keys at an even pace, dealt to splits by turns.

    Attributes:
        events: how many there are.
        keys: how many keys they have.
        rate: events per second of event time.
        quiet: so many events come afterwards, further apart, with a `v` of -1.
    """

    events: int
    keys: int
    rate: int
    quiet: int = 0
    turns: int = 2

    @property
    def schema(self) -> Schema:
        return Schema.from_polars({"k": pl.Int64(), "v": pl.Int64(), "ts": pl.Datetime("us")})

    @property
    def step_us(self) -> int:
        """How far apart they are."""
        return 1_000_000 // self.rate

    @property
    def is_bounded(self) -> bool:
        return True

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
        """What it is."""
        return "generated events"

    def splits(self) -> Sequence[Split]:
        """One for each turn."""
        return [Split(str(turn), {"turn": turn}) for turn in range(self.turns)]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """A reader of the events of one turn."""
        names = pruned(self.schema, fields).names
        turn = int(split.data["turn"])
        return FrameReader(lambda row: (pick(f, names) for f in self.frames(turn, self.turns, row)), position)

    def frames(self, turn: int = 0, turns: int = 1, row: int = 0) -> Iterator[pl.DataFrame]:
        """Every so many-th event in order, from a row on; without arguments all of them."""
        count = len(range(turn, self.events + self.quiet, turns))
        for start in range(row, count, MADE_ROWS):
            rows = min(MADE_ROWS, count - start)
            made = np.empty((3, rows), np.int64)
            first = turn + start * turns
            make_events(first, turns, self.events, self.keys, self.step_us, SPARSER, made)
            k, v, ts = (numbers(name, made[place]) for place, name in enumerate(self.schema.names))
            yield pl.DataFrame([k, v, ts.cast(pl.Datetime("us"))])

    def frame(self) -> pl.DataFrame:
        """All events."""
        return pl.concat(self.frames())
