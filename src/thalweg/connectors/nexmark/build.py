"""Build batches of Nexmark events.

The only way into the compiled part of this package, and therefore imported late, by the generator.

Not here: checks of what was asked for (generator.py, layout.py).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from thalweg.columnar.arrow import Column, to_series
from thalweg.connectors.nexmark import kernels
from thalweg.connectors.nexmark.auctions import auction_members
from thalweg.connectors.nexmark.bids import bid_members
from thalweg.connectors.nexmark.config import NexmarkConfig
from thalweg.connectors.nexmark.layout import KINDS, Wanted, envelope_schema
from thalweg.connectors.nexmark.people import person_members
from thalweg.connectors.nexmark.pools import pools_of
from thalweg.connectors.nexmark.slots import Array, Events, Slots

_FIRST_NUMBER = 1
_IN_FLIGHT = 100
_ROWS_MAX = 1 << 22
"""Keeps the bytes of one string column below 2^31, the reach of a string view, even if all are auctions."""


@lru_cache(maxsize=64)
def _no_rows(name: str, members: tuple[str, ...]) -> pl.Series:
    return pl.Series(name, [], dtype=envelope_schema({name: members})[name])


class Builder:
    """Builds any part of one generator's stream; holds only constants."""

    def __init__(self, config: NexmarkConfig, index: int) -> None:
        self._config = config
        self._first_id = config.first_event_id(index)
        self._pools = pools_of(config.seed)
        self._mix = np.array(
            [config.person_proportion, config.auction_proportion, config.bid_proportion], dtype=np.int64
        )
        self._ahead = _IN_FLIGHT * config.round_size // config.auction_proportion

    def times(self, start: int, count: int) -> Array:
        """Event times in microseconds, in arrival order."""
        return self._times_of(self._numbers(start, count))

    def batch(self, start: int, count: int, wanted: Wanted) -> pl.DataFrame:
        """The wanted columns of the events, in arrival order."""
        if count <= _ROWS_MAX:
            return self._batch(start, count, wanted)
        cuts = range(0, count, _ROWS_MAX)
        return pl.concat([self._batch(start + c, min(_ROWS_MAX, count - c), wanted) for c in cuts])

    def _batch(self, start: int, count: int, wanted: Wanted) -> pl.DataFrame:
        events = self._events(start, count)
        built = {name: self._column(name, members, events) for name, members in wanted.items()}
        series = [
            _no_rows(name, wanted[name]).clear(count) if column is None else to_series(name, column)
            for name, column in built.items()
        ]
        # Of an empty list Polars would say that it has no rows, whatever the height.
        return pl.DataFrame(series or None, height=count)

    def _column(self, name: str, members: tuple[str, ...], events: Events) -> Column | None:
        """One column; None if all of it is null, which small batches often have."""
        if name not in KINDS:
            return Column("l", len(events.kinds), [None, events.kinds])
        slots = Slots.of(events, KINDS[name], self._pools)
        if not len(slots.rows):
            return None
        children = self._members(name, members, slots)
        return Column("+s", slots.count, [slots.validity], children)

    def _members(self, name: str, members: tuple[str, ...], slots: Slots) -> list[tuple[str, Column]]:
        if name == "person":
            return person_members(slots, members)
        if name == "auction":
            return auction_members(slots, members, lambda numbers: self._times_of(numbers + self._ahead))
        return bid_members(slots, members, self._config.bidder_offset)

    def _events(self, start: int, count: int) -> Events:
        numbers = self._numbers(start, count)
        ids = (numbers + self._first_id).view(np.uint64)
        kinds, persons, auctions = (np.empty(count, dtype=np.int64) for _ in range(3))
        kernels.place_events(ids, self._mix, kinds, persons, auctions)
        return Events(numbers, ids, kinds, persons, auctions, self._times_of(numbers))

    def _numbers(self, start: int, count: int) -> Array:
        numbers = np.empty(count, dtype=np.int64)
        kernels.number_events(_FIRST_NUMBER + start, self._config.out_of_order_group_size, numbers)
        return numbers

    def _times_of(self, numbers: Array) -> Array:
        out = np.empty(len(numbers), dtype=np.int64)
        kernels.event_times(numbers, self._config.delay_us, self._config.base_time_ms, out)
        return out
