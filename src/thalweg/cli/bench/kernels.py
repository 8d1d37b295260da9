"""The inner loops of limits, compiled: what one thread could do at best; and of generated events."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types

_Array = np.ndarray[Any, Any]
_COLUMN = types.Array(types.int64, 1, "C", readonly=True)
_COLUMN_RW = types.Array(types.int64, 1, "C")
_COUNTS = types.Array(types.int32, 2, "C")
_TABLE = types.Array(types.int64, 2, "C")
_I = types.int64


@numba.njit(types.void(_COLUMN, _COLUMN, _I, _I, _I, _COUNTS), cache=True, nogil=True)
def count_panes(auction: _Array, time: _Array, first: int, origin: int, width: int, counts: _Array) -> None:
    """Count rows per (pane, auction)."""
    for i in range(len(auction)):
        counts[(time[i] - origin) // width, auction[i] - first] += 1


@numba.njit(_I(_COUNTS, _I), cache=True, nogil=True)
def sum_of_tops(counts: _Array, panes: int) -> int:
    """Slide a window over the panes; the sum of the highest counts, once for each auction that has it."""
    total = 0
    running = np.zeros(counts.shape[1], np.int64)
    for end in range(counts.shape[0] + panes - 1):
        top, ties = 0, 0
        for a in range(counts.shape[1]):
            if end < counts.shape[0]:
                running[a] += counts[end, a]
            if end >= panes:
                running[a] -= counts[end - panes, a]
            if running[a] > top:
                top, ties = running[a], 1
            elif running[a] == top:
                ties += 1
        total += top * ties if top else 0
    return total


@numba.njit(types.void(_COLUMN, _COLUMN, _I, _TABLE), cache=True, nogil=True)
def price_statistics(auction: _Array, price: _Array, first: int, held: _Array) -> None:
    """Keep count, counts of three ranks, least, greatest and sum per auction."""
    for i in range(len(auction)):
        row = held[auction[i] - first]
        p = price[i]
        row[0] += 1
        row[1 if p < 10_000 else (2 if p < 1_000_000 else 3)] += 1
        row[4] = p if p < row[4] else row[4]
        row[5] = p if p > row[5] else row[5]
        row[6] += p


_MADE = types.Array(types.int64, 2, "C")
_VALUES = 1000


@numba.njit(types.void(_I, _I, _I, _I, _I, _I, _MADE), cache=True, nogil=True)
def make_events(
    first: int, stride: int, events: int, keys: int, step: int, sparser: int, made: _Array
) -> None:
    """Key, number and time of every so many-th event; those behind `events` are sparser, with a -1."""
    for i in range(made.shape[1]):
        n = first + i * stride
        # the finalizer of SplitMix64
        word = np.uint64(n + 1) * np.uint64(0x9E3779B97F4A7C15)
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        word ^= word >> np.uint64(31)
        # a product instead of a remainder, which would take longer than all the rest
        made[0, i] = ((word >> np.uint64(32)) * np.uint64(keys)) >> np.uint64(32)
        if n < events:
            made[1, i] = ((word & np.uint64(0xFFFFFFFF)) * np.uint64(_VALUES)) >> np.uint64(32)
            made[2, i] = n * step
        else:
            made[1, i] = -1
            made[2, i] = (events + (n - events) * sparser) * step


@numba.njit(_I(_COLUMN, _COLUMN_RW), cache=True, nogil=True)
def count_alerts(keys: _Array, counts: _Array) -> int:
    """Count per key; how often a count became a multiple of a hundred."""
    alerts = 0
    for i in range(len(keys)):
        count = counts[keys[i]] + 1
        counts[keys[i]] = count
        alerts += count % 100 == 0
    return alerts


_PANES = types.Array(types.int64, 3, "C")


@numba.njit(types.void(_COLUMN, _COLUMN, _COLUMN, _I, _PANES), cache=True, nogil=True)
def add_panes(keys: _Array, values: _Array, times: _Array, width: int, made: _Array) -> None:
    """Count, sum and greatest value per pane and key."""
    for i in range(len(keys)):
        pane, key = times[i] // width, keys[i]
        made[0, pane, key] += 1
        made[1, pane, key] += values[i]
        made[2, pane, key] = max(made[2, pane, key], values[i])


@numba.njit(_I(_COLUMN, _COLUMN, _COLUMN, _I, _TABLE), cache=True, nogil=True)
def count_sessions(keys: _Array, values: _Array, times: _Array, gap: int, held: _Array) -> int:
    """Keep the last time, the count and the sum of each key's session; how many sessions began."""
    begun = 0
    for i in range(len(keys)):
        row = held[keys[i]]
        if row[1] == 0 or times[i] - row[0] > gap:
            begun += 1
            row[1] = row[2] = 0
        row[0] = times[i]
        row[1] += 1
        row[2] += values[i]
    return begun
