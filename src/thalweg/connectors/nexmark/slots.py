"""Hand one batch's shared arrays to the loops that fill columns.

Not here: the loops (kernels.py), which column needs which (people.py, auctions.py, bids.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.columnar.arrow import Column
from thalweg.connectors.nexmark import kernels
from thalweg.connectors.nexmark.pools import Pools
from thalweg.connectors.nexmark.texts import Pieces, text_column

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Events:
    """What every type of event of one batch starts from; one entry per event in each array."""

    numbers: Array
    ids: Array
    kinds: Array
    persons: Array
    auctions: Array
    times: Array


@dataclass(frozen=True)
class Slots:
    """The events of one type within a batch: their places, their draws, and columns to put values into."""

    events: Events
    rows: Array
    validity: Array
    pools: Pools

    @staticmethod
    def of(events: Events, kind: int, pools: Pools) -> Slots:
        """The events of one type."""
        chosen = events.kinds == kind
        return Slots(events, np.flatnonzero(chosen), np.packbits(chosen, bitorder="little"), pools)

    @property
    def count(self) -> int:
        """How many rows the batch has, of any type."""
        return len(self.events.kinds)

    def choose(self, slot: int, bound: int) -> Array:
        """A whole number below `bound` for each event of the type."""
        out = np.empty(len(self.rows), dtype=np.int64)
        kernels.choose(self.pools.key, slot, self.rows, self.events.ids, bound, out)
        return out

    def cut(self, source: Array, slot: int, longest: int, margin: int) -> Pieces:
        """Random pieces of 3 to `longest` - 1 characters, before trimming; uses two slots."""
        lengths = 3 + self.choose(slot, longest - 3)
        return Pieces(source, self.choose(slot + 1, len(source) - margin), lengths)

    def filler(self, slot: int, missing: Array) -> Pieces:
        """The `extra` of each event of the type, given how many bytes it lacks; uses two slots."""
        starts, lengths = np.empty_like(missing), np.empty_like(missing)
        kernels.filler_slices(self.pools.key, slot, self.rows, self.events.ids, missing, starts, lengths)
        return Pieces(self.pools.extra, starts, lengths)

    def empty(self) -> Array:
        """Room for one number per row of the batch."""
        return np.zeros(self.count, dtype=np.int64)

    def integers(self, values: Array) -> Column:
        """A column of whole numbers."""
        return Column("l", self.count, [self.validity, values])

    def timestamps(self, values: Array) -> Column:
        """A column of event times in microseconds."""
        return Column("tsu:", self.count, [self.validity, values])

    def texts(self, pieces: Pieces) -> Column:
        """A column of strings."""
        return text_column(self.count, self.rows, pieces, self.validity)

    def own_id(self, indexes: Array) -> Column:
        """The id that the event itself introduces."""
        out = self.empty()
        kernels.own_id(self.rows, indexes, out)
        return self.integers(out)

    def own_time(self) -> Column:
        """The event time. Rows of other types share the array: they are null here."""
        return self.timestamps(self.events.times)
