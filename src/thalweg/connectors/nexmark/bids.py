"""Build the members of bid events, which are most of the stream.

Not here: what a bid is (layout.py).
"""

from __future__ import annotations

import numpy as np

from thalweg.columnar.arrow import Column
from thalweg.connectors.nexmark import kernels
from thalweg.connectors.nexmark.slots import Array, Slots

_SIZE, _FIXED_SIZE = 100, 32


def bid_members(slots: Slots, wanted: tuple[str, ...], bidder_offset: int) -> list[tuple[str, Column]]:
    """The wanted members of the bids of a batch."""
    columns = _channels(slots, wanted)
    if "extra" in wanted:
        missing = np.full(len(slots.rows), _SIZE - _FIXED_SIZE, dtype=np.int64)
        columns["extra"] = slots.texts(slots.filler(7, missing))
    if "dateTime" in wanted:
        columns["dateTime"] = slots.own_time()
    for name in wanted:
        if name not in columns:
            columns[name] = slots.integers(_number(slots, name, bidder_offset))
    return [(name, columns[name]) for name in wanted]


def _number(slots: Slots, name: str, bidder_offset: int) -> Array:
    out = slots.empty()
    key, rows, events = slots.pools.key, slots.rows, slots.events
    if name == "auction":
        kernels.bid_auction(key, rows, events.ids, events.auctions, out)
    elif name == "bidder":
        kernels.bid_bidder(key, rows, events.ids, events.persons, bidder_offset, out)
    else:
        kernels.bid_price(key, rows, events.ids, out)
    return out


def _channels(slots: Slots, wanted: tuple[str, ...]) -> dict[str, Column]:
    tables = {"channel": slots.pools.channels, "url": slots.pools.urls}
    asked = [name for name in wanted if name in tables]
    if not asked:
        return {}
    choice = np.empty(len(slots.rows), dtype=np.int64)
    kernels.bid_channel(slots.pools.key, slots.rows, slots.events.ids, choice)
    return {name: slots.texts(tables[name].pieces(choice)) for name in asked}
