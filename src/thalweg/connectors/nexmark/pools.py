"""Build the fixed texts that the strings of Nexmark events are cut from.

Three pools of 2^20 random characters and the table of channels, all functions of the seed; names,
cities and states, which are the same for every seed.

Reads:    the seed.
Changes:  nothing; the texts of the last few seeds are kept.
Not here: which piece an event takes (people.py, auctions.py, bids.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from thalweg.connectors.nexmark.kernels import GOLD, POOL_BITS, below, mix64, raw
from thalweg.connectors.nexmark.texts import Table

Array = np.ndarray[Any, Any]
POOL_SIZE = 1 << POOL_BITS
_MASK = (1 << 64) - 1
_LETTERS, _SIGN_RUN, _GAP_ODDS, _FIRST_LETTER = 26, 6, 13, ord("a")
_CHANNELS_COLD = 10_000
_CHANNELS_HOT = ("Google", "Facebook", "Baidu", "Apple")

_FIRST_NAMES = (
    *("Peter", "Paul", "Luke", "John", "Saul", "Vicky"),
    *("Kate", "Julie", "Sarah", "Deiter", "Walter"),
)
_LAST_NAMES = ("Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris")
_CITIES = (
    *("Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland"),
    *("Bend", "Redmond", "Seattle", "Kent", "Cheyenne"),
)
LAST_NAME_COUNT = len(_LAST_NAMES)
FIRST_NAME_COUNT = len(_FIRST_NAMES)
NAMES = Table.of([f"{first} {last}" for first in _FIRST_NAMES for last in _LAST_NAMES])
"""All full names; that of first name f and last name l is number `f * LAST_NAME_COUNT + l`."""
CITIES = Table.of(_CITIES)
STATES = Table.of(["AZ", "CA", "ID", "OR", "WA", "WY"])


@dataclass(frozen=True)
class Pools:
    """The key of event draws and the texts of one seed."""

    key: np.uint64
    extra: Array
    spaced: Array
    underscored: Array
    channels: Table
    urls: Table


@lru_cache(maxsize=4)
def pools_of(seed: int) -> Pools:
    """The texts of a seed, built once.

    Example:
        >>> pools_of(1).extra[:12].tobytes()
        b'jybufuqgegpy'
    """
    keys = [family_key(seed, family) for family in range(6)]
    extra, spaced, underscored = (np.empty(POOL_SIZE, dtype=np.uint8) for _ in range(3))
    _fill_extra(keys[1], keys[2], extra)
    _fill_words(keys[3], keys[4], ord(" "), spaced)
    _fill_words(keys[3], keys[4], ord("_"), underscored)
    names = [f"channel-{i}" for i in range(_CHANNELS_COLD)] + list(_CHANNELS_HOT)
    return Pools(keys[0], extra, spaced, underscored, Table.of(names), Table.of(_urls(keys[5], underscored)))


def family_key(seed: int, family: int) -> np.uint64:
    """The key of one family of random numbers; any whole number is a seed."""
    return np.uint64(mix64(np.uint64((seed + family * int(GOLD)) & _MASK)))


def _urls(key: np.uint64, pool: Array) -> list[str]:
    """The fixed url of each channel, cold ones first."""
    text = pool.tobytes().decode("ascii")
    urls = []
    for channel in range(_CHANNELS_COLD + len(_CHANNELS_HOT)):
        draws = [int(raw(key, np.uint64(8 * channel + k))) for k in range(7)]
        starts = [_below(bits, POOL_SIZE - 4) for bits in draws[0:6:2]]
        sizes = [3 + _below(bits, 2) for bits in draws[1:6:2]]
        path = "/".join(text[start : start + size] for start, size in zip(starts, sizes, strict=True))
        url = f"https://www.nexmark.com/{path}/item.htm?query=1"
        has_id = channel < _CHANNELS_COLD and _below(draws[6], 10) > 0
        urls.append(f"{url}&channel_id={_channel_id(channel)}" if has_id else url)
    return urls


def _below(bits: int, bound: int) -> int:
    return ((bits >> 32) * bound) >> 32


def _channel_id(channel: int) -> int:
    """The absolute value of the number's 32 bits in reverse, in the 32-bit arithmetic of the reference.

    The least 32-bit number has no absolute value there and stays negative.
    """
    mirrored = int(f"{channel:032b}"[::-1], 2)
    return -mirrored if mirrored == 1 << 31 else min(mirrored, (1 << 32) - mirrored)


@njit("void(uint64, uint64, uint8[::1])", cache=True, nogil=True)
def _fill_extra(letter_key: np.uint64, sign_key: np.uint64, out: Array) -> None:
    for i in range(len(out)):
        letter = below(raw(letter_key, np.uint64(i)), _LETTERS)
        negative = raw(sign_key, np.uint64(i // _SIGN_RUN)) >> np.uint64(63)
        out[i] = _FIRST_LETTER - letter if negative else _FIRST_LETTER + letter


@njit("void(uint64, uint64, int64, uint8[::1])", cache=True, nogil=True)
def _fill_words(gap_key: np.uint64, letter_key: np.uint64, gap: int, out: Array) -> None:
    for i in range(len(out)):
        if below(raw(gap_key, np.uint64(i)), _GAP_ODDS) == 0:
            out[i] = gap
        else:
            out[i] = _FIRST_LETTER + below(raw(letter_key, np.uint64(i)), _LETTERS)
