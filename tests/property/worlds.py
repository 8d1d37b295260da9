"""Make random input: splits of typed rows with event times that tie, stray and come too late.

Everything is drawn from a `random.Random`. Hypothesis hands in one that it can shrink (fewer splits, fewer
rows), the seeded corpora of the mutant tests an ordinary one.

Not here: plans over the input (plans.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import numpy as np
import polars as pl

from tests.property.census import CENSUS
from thalweg.base.schema import Schema
from thalweg.connectors.frames import FrameReader
from thalweg.protocols.source import Chunk, Fields, Position, Reader, Split

SECOND = 1_000_000
ROWS = 200
SCHEMA = {
    "id": pl.Int64(),
    "k": pl.Int64(),
    "s": pl.String(),
    "v": pl.Int64(),
    "x": pl.Float64(),
    "d": pl.Decimal(10, 2),
    "xs": pl.List(pl.Int64()),
    "t": pl.Datetime("us"),
    "u": pl.Datetime("us"),
}
_TEXTS = np.array(["", "a", "b", "ä", "a long text that no pointer holds"], dtype=object)
_ODD_FLOATS = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0])


@dataclass(frozen=True)
class World:
    """The rows of one source.

    Attributes:
        frames: the rows of each split, in order.
        bound: how much disorder the watermark allows.
        is_punctual: whether no row lies behind its split's watermark.
        is_ordered: whether a split starts where its predecessor ended.
    """

    frames: tuple[pl.DataFrame, ...]
    bound: timedelta
    is_punctual: bool
    is_ordered: bool = False
    is_tolerant: bool = False
    """Whether some rows have no event time, and are kept apart."""
    lateness: timedelta = timedelta(0)
    """For how long rows that are behind their split's watermark are still taken."""


def random_world(
    r: Random, *, is_punctual: bool | None = None, sizes: Sequence[int] = (), stray_share: float = 0.15
) -> World:
    """A source of one to three splits; without a choice, half of the worlds have late rows."""
    bound = r.choice([0, 1, 3, 10])
    punctual = (r.random() < 0.5) if is_punctual is None else is_punctual
    chosen = sizes or [r.choice([0, 1, 5, 12, 30, 30, 70, ROWS]) for _ in range(r.choice([1, 2, 3]))]
    has_odd_floats = r.random() < 0.3
    first = r.choice([0, -20])
    frames, is_tolerant, lateness = [], False, 0
    for number, rows in enumerate(chosen):
        lead = first + r.choice([0, 0, 3, 25])
        seed = r.randrange(1 << 30)
        numbers = np.random.default_rng(seed)
        whole = _frame(
            numbers, number, lead, _Disorder(bound, 0 if punctual else 16, stray_share), has_odd_floats
        )
        # the first seed decides, not another draw: what Hypothesis shrinks keeps its meaning
        is_tolerant = is_tolerant if number else seed % 8 == 0
        lateness = lateness if number or seed % 5 else (3, 12)[seed % 2]
        if is_tolerant:
            gone = pl.Series(numbers.random(ROWS) < 0.1)
            whole = whole.with_columns(t=pl.when(gone).then(None).otherwise("t"))
        frames.append(whole.head(rows))
    is_ordered = not punctual and r.random() < 0.15
    tolerance = timedelta(seconds=lateness)
    return World(tuple(frames), timedelta(seconds=bound), punctual, is_ordered, is_tolerant, tolerance)


@dataclass(frozen=True)
class _Disorder:
    """By how many seconds rows lie behind the front, and how far some of them stray from there."""

    bound: int
    stray: int
    share: float

    def drawn(self, numbers: np.random.Generator) -> np.ndarray[Any, Any]:
        back = numbers.integers(0, self.bound + 1, ROWS)
        strays = numbers.random(ROWS) < self.share
        return back + np.where(strays, numbers.integers(0, self.stray + 1, ROWS), 0)


def _frame(
    numbers: np.random.Generator, split: int, lead: int, disorder: _Disorder, has_odd_floats: bool
) -> pl.DataFrame:
    """All rows that a split can have: a smaller split is a prefix of it, so that shrinking keeps the rows."""
    front = lead + np.cumsum(numbers.choice([0, 0, 0, 1, 1, 4], ROWS))
    back = disorder.drawn(numbers)
    floats = numbers.integers(-20, 40, ROWS) / 4.0
    if has_odd_floats:
        floats = np.where(numbers.random(ROWS) < 0.2, numbers.choice(_ODD_FLOATS, ROWS), floats)
    lists = [_items(numbers, n) for n in numbers.integers(0, 4, ROWS)]
    large = np.where(numbers.random(ROWS) < 0.05, 10**14, 1)
    columns: dict[str, Any] = {
        "id": split * 1000 + np.arange(ROWS),
        "k": _nullable(numbers, numbers.integers(0, 5, ROWS)),
        "s": _nullable(numbers, numbers.choice(_TEXTS, ROWS)),
        "v": _nullable(numbers, numbers.integers(-5, 60, ROWS) * large),
        "x": _nullable(numbers, floats),
        "d": pl.Series(_nullable(numbers, numbers.integers(-500, 2000, ROWS))).cast(pl.Decimal(12, 2)) / 100,
        "xs": _nullable(numbers, lists),
        "t": (front - back) * SECOND,
        "u": numbers.integers(-30, 60, ROWS) * SECOND,
    }
    series = [pl.Series(n, c, strict=False) for n, c in columns.items()]
    return pl.DataFrame(series).with_columns(pl.col(n).cast(t) for n, t in SCHEMA.items())


def _items(numbers: np.random.Generator, count: int) -> list[int | None]:
    return [n if n else None for n in numbers.integers(0, 6, count).tolist()]


def _nullable(numbers: np.random.Generator, values: Sequence[Any] | np.ndarray[Any, Any]) -> list[Any]:
    """The values, each tenth or so gone."""
    gone = numbers.random(ROWS) < 0.1
    plain = values.tolist() if isinstance(values, np.ndarray) else values
    return [None if g else v for g, v in zip(gone, plain, strict=True)]


@dataclass(frozen=True, eq=False)
class PacedSource:
    """The splits of a world, read at a pace: law 3 says that the pace does not matter.

    Attributes:
        frames: the rows of each split.
        pace: where it is not None, the seed for how many rows a read gives, and when there is nothing yet.
    """

    frames: tuple[pl.DataFrame, ...] = field(repr=False)
    name: str = "world"
    pace: int | None = None
    is_bounded: bool = True
    is_ordered: bool = False
    is_live: bool = False
    replay: str = "exact"

    @property
    def schema(self) -> Schema:
        return Schema.from_polars(SCHEMA)

    def describe(self) -> str:
        return self.name

    def splits(self) -> list[Split]:
        return [Split(str(n), {"frame": n}) for n in range(len(self.frames))]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        frame = self.frames[int(split.data["frame"])]
        chosen = frame if fields is None else frame.select([name for name, _ in fields])

        def rows(at: int) -> Iterator[pl.DataFrame]:
            return iter([chosen[at:]])

        reader = FrameReader(rows, position)
        CENSUS.counts["empty splits"] += frame.height == 0
        if self.pace is None:
            return reader
        return _PacedReader(reader, chosen.clear(), Random(f"{self.pace} {split.id}"))


class _PacedReader:
    """Gives fewer rows than asked for, and now and then an empty batch, or nothing yet."""

    def __init__(self, reader: FrameReader, nothing: pl.DataFrame, r: Random) -> None:
        self._reader, self._nothing, self._r = reader, nothing, r
        self._silent = r.choice([0, 0, 5, 20])

    @property
    def position(self) -> Position:
        return self._reader.position

    def read(self, rows_max: int) -> Chunk:
        if self._silent:
            self._silent -= 1
            if self._silent % 2:
                return Chunk(None, wait=0.0)
            CENSUS.counts["empty batches"] += 1
            return Chunk(self._nothing, int(self.position["row"]))
        self._silent = self._r.choice([0, 0, 0, 2])
        return self._reader.read(self._r.randint(1, min(rows_max, 40)))

    def close(self) -> None:
        self._reader.close()
