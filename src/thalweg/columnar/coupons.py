"""Guess how many different values there are from how many different coupons they drew.

A value draws, by its hash, one of 4 096 urns and a rank that is r with probability 2^-r: its coupon. How
many different coupons were drawn says how many different values there were, with a standard error of
0.693 / sqrt(4096) = 1.1 %, and nearly exactly while they are few (Lang, "Back to the future: an even more
nearly optimal cardinality estimation algorithm", 2017; HyperLogLog keeps only the highest rank of each
urn, and errs by 1.04 / sqrt(urns)). Coupons can be counted as anything else can: taken back, added up
in any order, on any task.

Not here: counting the different coupons (operators/distinct.py).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.compiled import kernel
from thalweg.columnar.hash import hash_rows

Array = np.ndarray[Any, Any]
_URN_BITS = 12
_URNS = 1 << _URN_BITS
_RANKS = 64 - _URN_BITS
_RANK_BITS = 6
_EXACT, _GRID, _MOST = 1024, 20_000, 1e18


def coupons(values: pl.Series) -> pl.Series:
    """The coupon of each value (Int32); NULL has none.

    Example:
        >>> found = coupons(pl.Series([1, 1, 2, None]))
        >>> found[0] == found[1] != found[2], found[3]
        (True, None)
    """
    hashes = hash_rows(values.to_frame("v"), ["v"])
    drawn = np.empty(len(hashes), np.int32)
    _draw(hashes, drawn)
    made = pl.Series(values.name, drawn)
    return made if not values.null_count() else made.set(values.is_null(), None)


def estimates(counts: Array) -> Array:
    """How many values (int64) drew so many different coupons.

    Example:
        >>> estimates(np.array([0, 1, 100])).tolist()
        [0, 1, 100]
    """
    drawn, values = _expectations()
    return np.rint(np.interp(counts, drawn, values)).astype(np.int64)


@kernel("void(uint64[::1], int32[::1])")
def _draw(hashes: Array, found: Array) -> None:
    # The lowest bits decide about partitions, the highest about urns: the rank is read between, downwards.
    for i in range(len(hashes)):
        rest, rank = hashes[i] << np.uint64(_URN_BITS), 1
        while rank < _RANKS and (rest >> np.uint64(63)) == 0:
            rest <<= np.uint64(1)
            rank += 1
        urn = np.int64(hashes[i] >> np.uint64(64 - _URN_BITS))
        found[i] = np.int32((urn << _RANK_BITS) | rank)


@cache
def _expectations() -> tuple[Array, Array]:
    """How many different coupons a number of values draws on average, for many numbers."""
    values = np.concatenate([np.arange(_EXACT), np.geomspace(_EXACT, _MOST, _GRID)])
    drawn = np.zeros(len(values))
    for rank in range(1, _RANKS + 1):
        chance = 2.0 ** -min(rank, _RANKS - 1) / _URNS
        drawn += -np.expm1(values * np.log1p(-chance)) * _URNS
    return drawn, values
