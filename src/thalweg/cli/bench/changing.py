"""Give rows of chosen keys at chosen moments, so that a benchmark decides what changes between checkpoints.

A key is a text of 84 bytes, made of its number; with a count and a sum a group has 100 bytes.

Not here: what is measured (checkpoints.py).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import INT64, STRING
from thalweg.columnar.arrow import Column, to_frame, to_series
from thalweg.columnar.eager import numbers
from thalweg.protocols.source import Chunk, Fields, Position, Replay, Split

Array = np.ndarray[Any, Any]
KEY_BYTES = 84
SCHEMA = Schema.of({"k": STRING, "v": INT64})
QUERY = "SELECT k, COUNT(*) AS n, SUM(v) AS s FROM changing GROUP BY k"
_SPLITS = 2
_POLL = 0.005
_GOLDEN, _FIRST, _SECOND = (
    np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


@dataclass(eq=False)
class Feed:
    """What comes next, by split; a job that reads it is stopped, it does not end."""

    _waiting: tuple[deque[Array], ...] = field(default_factory=lambda: tuple(deque() for _ in range(_SPLITS)))

    def give(self, ids: Array) -> None:
        """Rows of these keys."""
        for number, waiting in enumerate(self._waiting):
            waiting.append(ids[number::_SPLITS])

    def has_room(self) -> bool:
        """Whether what waits is soon used up."""
        return sum(map(len, self._waiting)) < 2 * _SPLITS

    def take(self, split: int, rows_max: int) -> Array | None:
        """At most so many of what comes next in a split; None: nothing just now."""
        waiting = self._waiting[split]
        if not waiting:
            return None
        some = waiting.popleft()
        if len(some) > rows_max:
            waiting.appendleft(some[rows_max:])
        return some[:rows_max]


@dataclass(frozen=True, eq=False)
class Changing:
    """Rows of keys as a feed gives them, in two splits."""

    feed: Feed
    schema: Schema = SCHEMA
    is_bounded: bool = True
    replay: Replay = "exact"
    is_ordered: bool = False
    is_live: bool = True

    def describe(self) -> str:
        """Its name."""
        return "changing keys"

    def splits(self) -> list[Split]:
        """Every second row is of the second."""
        return [Split(str(number)) for number in range(_SPLITS)]

    def open(self, split: Split, position: Position, fields: Fields | None) -> _Reader:
        """A reader of one split: it goes on with what the feed gives next."""
        names = [n for n, _ in fields] if fields is not None else list(SCHEMA.names)
        return _Reader(self.feed, int(split.id), int(position.get("row", 0)), names)


class _Reader:
    def __init__(self, feed: Feed, split: int, row: int, names: list[str]) -> None:
        self._feed, self._split, self._row, self._names = feed, split, row, names

    def read(self, rows_max: int) -> Chunk:
        """The rows that are there."""
        ids, first = self._feed.take(self._split, rows_max), self._row
        if ids is None:
            return Chunk(None, first, wait=_POLL)
        self._row += len(ids)
        made = {"k": lambda: texts(ids), "v": lambda: numbers("v", np.ones(len(ids), np.int64))}
        return Chunk(to_frame([made[name]() for name in self._names]), first)

    @property
    def position(self) -> Position:
        """The next row."""
        return {"row": self._row}

    def close(self) -> None:
        """Nothing is held open."""


def texts(ids: Array) -> pl.Series:
    """The keys of numbers, which no compression makes much smaller.

    Example:
        >>> found = texts(np.array([7, 8, 7]))
        >>> found.n_unique(), found.str.len_bytes().to_list()
        (2, [84, 84, 84])
    """
    letters = np.full((len(ids), KEY_BYTES), ord("k"), np.uint8)
    for at in range(0, KEY_BYTES - 4, 8):
        mixed = _mixed(ids.astype(np.uint64) * np.uint64(KEY_BYTES) + np.uint64(at))
        letters[:, at : at + 8] = mixed.view(np.uint8).reshape(-1, 8)
    letters = letters % 64 + 48
    words = np.empty((len(ids), 2), np.uint64)
    prefix = np.ascontiguousarray(letters[:, :4]).view(np.uint32)[:, 0].astype(np.uint64)
    words[:, 0] = np.uint64(KEY_BYTES) | prefix << np.uint64(32)
    words[:, 1] = np.arange(len(ids), dtype=np.uint64) * np.uint64(KEY_BYTES) << np.uint64(32)
    data = letters.reshape(-1)
    return to_series("k", Column("vu", len(ids), [None, words, data, np.array([data.size], np.int64)]))


def _mixed(words: Array) -> Array:
    """Different words for different ones, without a pattern (splitmix64, Steele et al. 2014)."""
    words = words * _GOLDEN
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    found: Array = words ^ (words >> np.uint64(31))
    return found
