"""Draw the numbers of Nexmark events, one field per compiled loop.

Every random number is a function of (seed, event id, slot): `draw(e, s) = mix64(key + (32·e + s + 1)·GOLD)`.
All arithmetic is on 64-bit integers; only prices and event times pass through a float, as they are defined.

Shared arguments of the loops: `rows` are the places in the batch of the events of one type; `ids`,
`persons`, `auctions` and `times` have one entry per event of the batch; `out` is changed at `rows` only.

Changes:  only the arrays named `out`, `kinds`, `persons`, `auctions`, `starts`, `lengths`.
Not here: bytes (texts.py); which loops a batch needs (people.py, auctions.py, bids.py).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from thalweg.connectors.nexmark.config import SHUFFLE_FACTOR
from thalweg.connectors.nexmark.layout import AUCTION, BID, PERSON

Array = np.ndarray[Any, Any]
# Inside compiled code these are uint64 and int64, which differ from what Python calls so.
Bits = Any
Whole = Any

POOL_BITS = 20
GOLD = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_U1, _U5, _U11 = np.uint64(1), np.uint64(5), np.uint64(11)
_U27, _U30, _U31, _U32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
_FIRST_ID, _FIRST_CATEGORY, _CATEGORIES = 1000, 10, 5
_HOT_WIDTH, _ACTIVE_PEOPLE, _IN_FLIGHT, _LEAD = 100, 1000, 100, 10
_CHANNELS_COLD, _CHANNELS_HOT = 10_000, 4
_POOL_SIZE = 1 << POOL_BITS


@njit("uint64(uint64)", cache=True, nogil=True)
def mix64(z: Bits) -> Bits:
    """Scramble 64 bits."""
    z = (z ^ (z >> _U30)) * _MIX_1
    z = (z ^ (z >> _U27)) * _MIX_2
    return z ^ (z >> _U31)


@njit("uint64(uint64, uint64)", cache=True, nogil=True)
def raw(key: Bits, index: Bits) -> Bits:
    """The random number `index` of the family `key`."""
    return mix64(key + (index + _U1) * GOLD)


@njit("uint64(uint64, uint64, uint64)", cache=True, nogil=True)
def draw(key: Bits, event: Bits, slot: Bits) -> Bits:
    """The random number of one slot of one event."""
    return raw(key, (event << _U5) + slot)


@njit("int64(uint64, int64)", cache=True, nogil=True)
def below(bits: Bits, bound: int) -> Whole:
    """A whole number from 0 to `bound` - 1."""
    return np.int64(((bits >> _U32) * np.uint64(bound)) >> _U32)


@njit("int64(uint64)", cache=True, nogil=True)
def price_of(bits: Bits) -> Whole:
    """A log-uniform price between 100 and 100 000 000."""
    return np.int64(math.floor(10.0 ** (6.0 * (np.float64(bits >> _U11) * 2.0**-53)) * 100.0 + 0.5))


@njit("int64(uint64, int64)", cache=True, nogil=True)
def random_person(bits: Bits, last: int) -> Whole:
    """The index of one of the active people, or of one who is to come soon."""
    active = min(last + 1, _ACTIVE_PEOPLE)
    return last + 1 - active + below(bits, active + _LEAD)


@njit("void(int64, int64, int64[::1])", cache=True, nogil=True)
def number_events(first: int, group: int, out: Array) -> None:
    """The event numbers from `first` on, in arrival order: shuffled within groups."""
    for j in range(len(out)):
        n = first + j
        out[j] = n if group == 1 else n // group * group + n * SHUFFLE_FACTOR % group


@njit("void(int64[::1], float64, int64, int64[::1])", cache=True, nogil=True)
def event_times(numbers: Array, delay_us: float, base_ms: int, out: Array) -> None:
    """Event times in microseconds; they are whole milliseconds."""
    for j in range(len(numbers)):
        out[j] = (base_ms + np.int64(math.floor(numbers[j] * delay_us)) // 1000) * 1000


@njit("void(uint64[::1], int64[::1], int64[::1], int64[::1], int64[::1])", cache=True, nogil=True)
def place_events(ids: Array, mix: Array, kinds: Array, persons: Array, auctions: Array) -> None:
    """The type of each event, and the index of the last person and auction at or before it."""
    people, sales, size = mix[0], mix[1], np.uint64(mix[0] + mix[1] + mix[2])
    for j in range(len(ids)):
        turn = np.int64(ids[j] // size)
        rest = np.int64(ids[j]) - turn * np.int64(size)
        persons[j] = turn * people + min(rest, people - 1)
        if rest < people:
            kinds[j], auctions[j] = PERSON, turn * sales - 1
        elif rest < people + sales:
            kinds[j], auctions[j] = AUCTION, turn * sales + rest - people
        else:
            kinds[j], auctions[j] = BID, (turn + 1) * sales - 1


@njit("void(int64[::1], int64[::1], int64[::1])", cache=True, nogil=True)
def own_id(rows: Array, indexes: Array, out: Array) -> None:
    """The id of a person or an auction itself."""
    for j in rows:
        out[j] = _FIRST_ID + indexes[j]


@njit("void(uint64, int64[::1], uint64[::1], int64[::1], int64[::1])", cache=True, nogil=True)
def auction_seller(key: Bits, rows: Array, ids: Array, persons: Array, out: Array) -> None:
    """Slots 0 and 1 of an auction."""
    for j in rows:
        last = persons[j]
        if below(draw(key, ids[j], np.uint64(0)), 4) > 0:
            out[j] = last // _HOT_WIDTH * _HOT_WIDTH + _FIRST_ID
        else:
            out[j] = random_person(draw(key, ids[j], _U1), last) + _FIRST_ID


@njit("void(uint64, int64[::1], uint64[::1], int64[::1])", cache=True, nogil=True)
def auction_category(key: Bits, rows: Array, ids: Array, out: Array) -> None:
    """Slot 2 of an auction."""
    for j in rows:
        out[j] = _FIRST_CATEGORY + below(draw(key, ids[j], np.uint64(2)), _CATEGORIES)


@njit("void(uint64, int64[::1], uint64[::1], int64[::1], int64[::1])", cache=True, nogil=True)
def auction_prices(key: Bits, rows: Array, ids: Array, initial: Array, reserve: Array) -> None:
    """Slots 3 and 9 of an auction: the first price, and the least at which it is sold."""
    for j in rows:
        initial[j] = price_of(draw(key, ids[j], np.uint64(3)))
        reserve[j] = initial[j] + price_of(draw(key, ids[j], np.uint64(9)))


@njit("void(uint64, int64[::1], uint64[::1], int64[::1], int64[::1], int64[::1])", cache=True, nogil=True)
def auction_expires(
    key: Bits,
    rows: Array,
    ids: Array,
    times: Array,
    horizons: Array,
    out: Array,
) -> None:
    """Slot 4 of an auction; `horizons` has one time per auction, at which its place in the queue is taken."""
    for k in range(len(rows)):
        j = rows[k]
        span_ms = 2 * ((horizons[k] - times[j]) // 1000)
        out[j] = times[j] + (1 + below(draw(key, ids[j], np.uint64(4)), max(span_ms, 1))) * 1000


@njit("void(uint64, int64[::1], uint64[::1], int64[::1], int64[::1])", cache=True, nogil=True)
def bid_auction(key: Bits, rows: Array, ids: Array, auctions: Array, out: Array) -> None:
    """Slots 0 and 1 of a bid."""
    for j in rows:
        last = auctions[j]
        oldest = max(last - _IN_FLIGHT, 0)
        hot = last // _HOT_WIDTH * _HOT_WIDTH
        cold = oldest + below(draw(key, ids[j], _U1), last - oldest + 1 + _LEAD)
        out[j] = _FIRST_ID + (hot if below(draw(key, ids[j], np.uint64(0)), 2) > 0 else cold)


@njit("void(uint64, int64[::1], uint64[::1], int64[::1], int64, int64[::1])", cache=True, nogil=True)
def bid_bidder(key: Bits, rows: Array, ids: Array, persons: Array, offset: int, out: Array) -> None:
    """Slots 2 and 3 of a bid."""
    for j in rows:
        last = persons[j]
        hot = last // _HOT_WIDTH * _HOT_WIDTH + 1
        cold = random_person(draw(key, ids[j], np.uint64(3)), last)
        out[j] = offset + (hot if below(draw(key, ids[j], np.uint64(2)), 4) > 0 else cold)


@njit("void(uint64, int64[::1], uint64[::1], int64[::1])", cache=True, nogil=True)
def bid_price(key: Bits, rows: Array, ids: Array, out: Array) -> None:
    """Slot 4 of a bid."""
    for j in rows:
        out[j] = price_of(draw(key, ids[j], np.uint64(4)))


@njit("void(uint64, int64[::1], uint64[::1], int64[::1])", cache=True, nogil=True)
def bid_channel(key: Bits, rows: Array, ids: Array, out: Array) -> None:
    """Slots 5 and 6 of a bid: one entry of the table of channels per bid, densely in `out`."""
    for k in range(len(rows)):
        event = ids[rows[k]]
        bits = draw(key, event, np.uint64(6))
        hot = below(draw(key, event, _U5), 2) > 0
        out[k] = _CHANNELS_COLD + below(bits, _CHANNELS_HOT) if hot else below(bits, _CHANNELS_COLD)


@njit(
    "void(uint64, int64, int64[::1], uint64[::1], int64, int64[::1])",
    cache=True,
    nogil=True,
)
def choose(key: Bits, slot: int, rows: Array, ids: Array, bound: int, out: Array) -> None:
    """One whole number below `bound` per row, densely in `out`."""
    for k in range(len(rows)):
        out[k] = below(draw(key, ids[rows[k]], np.uint64(slot)), bound)


@njit(
    "void(uint64, int64, int64[::1], uint64[::1], int64[::1], int64[::1], int64[::1])",
    cache=True,
    nogil=True,
)
def filler_slices(
    key: Bits,
    slot: int,
    rows: Array,
    ids: Array,
    missing: Array,
    starts: Array,
    lengths: Array,
) -> None:
    """Where in the extra pool each filler starts and how long it is, from how many bytes are missing."""
    for k in range(len(rows)):
        event, rest = ids[rows[k]], missing[k]
        if rest < 0:
            starts[k], lengths[k] = 0, 0
            continue
        spread = np.int64(math.floor(0.2 * rest + 0.5))
        length = rest - spread + below(draw(key, event, np.uint64(slot)), 2 * spread)
        starts[k] = below(draw(key, event, np.uint64(slot + 1)), _POOL_SIZE - length)
        lengths[k] = length
