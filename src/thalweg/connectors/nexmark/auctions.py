"""Build the members of auction events.

Not here: what an auction is (layout.py).
"""

from __future__ import annotations

from collections.abc import Callable

from thalweg.columnar.arrow import Column
from thalweg.connectors.nexmark import kernels
from thalweg.connectors.nexmark.slots import Array, Slots
from thalweg.connectors.nexmark.texts import Pieces

_SIZE, _FIXED_SIZE = 500, 48
_MARGIN = 128
Horizon = Callable[[Array], Array]
"""From event numbers to the event times at which as many auctions again are in flight."""


def auction_members(slots: Slots, wanted: tuple[str, ...], horizon: Horizon) -> list[tuple[str, Column]]:
    """The wanted members of the auctions of a batch."""
    columns: dict[str, Column] = {}
    if "initialBid" in wanted or "reserve" in wanted:
        columns.update(_prices(slots))
    if "expires" in wanted:
        columns["expires"] = _expires(slots, horizon)
    columns.update(_texts(slots, wanted))
    return [(name, columns[name] if name in columns else _number(slots, name)) for name in wanted]


def _number(slots: Slots, name: str) -> Column:
    if name == "id":
        return slots.own_id(slots.events.auctions)
    if name == "dateTime":
        return slots.own_time()
    out = slots.empty()
    key, events = slots.pools.key, slots.events
    if name == "seller":
        kernels.auction_seller(key, slots.rows, events.ids, events.persons, out)
    else:
        kernels.auction_category(key, slots.rows, events.ids, out)
    return slots.integers(out)


def _prices(slots: Slots) -> dict[str, Column]:
    initial, reserve = slots.empty(), slots.empty()
    kernels.auction_prices(slots.pools.key, slots.rows, slots.events.ids, initial, reserve)
    return {"initialBid": slots.integers(initial), "reserve": slots.integers(reserve)}


def _expires(slots: Slots, horizon: Horizon) -> Column:
    events, out = slots.events, slots.empty()
    later = horizon(events.numbers[slots.rows])
    kernels.auction_expires(slots.pools.key, slots.rows, events.ids, events.times, later, out)
    return slots.timestamps(out)


def _texts(slots: Slots, wanted: tuple[str, ...]) -> dict[str, Column]:
    # The filler depends on the length of the other two strings.
    with_extra = "extra" in wanted
    pieces: dict[str, Pieces] = {}
    if with_extra or "itemName" in wanted:
        pieces["itemName"] = slots.cut(slots.pools.spaced, 5, 20, _MARGIN).trimmed()
    if with_extra or "description" in wanted:
        pieces["description"] = slots.cut(slots.pools.spaced, 7, 100, _MARGIN).trimmed()
    if with_extra:
        used = pieces["itemName"].lengths + pieces["description"].lengths
        pieces["extra"] = slots.filler(10, _SIZE - _FIXED_SIZE - used)
    return {name: slots.texts(pieces[name]) for name in wanted if name in pieces}
