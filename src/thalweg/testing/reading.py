"""Read a split to its end while looking at everything a reader says.

Checks as it goes: how many rows come (R3), that the position stays where it is between reads (R4) and is
plain JSON that never changes (R7), that columns are as asked for (R5) and offsets grow (R9).

Reads:    one reader at a time, and the clock, so as not to wait for ever.
Not here: what two readings have to do with one another (sources.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import polars as pl

from thalweg.protocols.source import Chunk, Fields, Position, Reader, Source, Split
from thalweg.testing.contract import broken, check, must_work

PATIENCE_SECONDS = 10.0
"""How long a reader may have nothing before the kit gives up."""


@dataclass
class Reading:
    """What a split gave.

    Attributes:
        frame: all rows.
        offsets: the offset of each row.
        bad: offset and message of each bad row.
        stops: before the first read and after each one: the position, and how many rows and bad rows
            there were so far.
        ended: whether the split said that it ended.
    """

    frame: pl.DataFrame
    offsets: list[int] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)
    stops: list[tuple[Position, int, int]] = field(default_factory=list)
    ended: bool = False


@dataclass(frozen=True)
class Order:
    """What is to be read, and how.

    Attributes:
        split: the split.
        rows_max: what `read` is called with.
        position: where to begin.
        fields: the columns.
        schema: what the columns must be.
        rows: stop when there are so many rows; None: at the end.
        most: stop when there are more rows than that, which can only be wrong.
        hops: whether to go on with a new reader after each read.
    """

    split: Split
    schema: pl.Schema
    rows_max: int = 4096
    position: Position = field(default_factory=dict)
    fields: Fields | None = None
    rows: int | None = None
    most: int = 1 << 24
    hops: bool = False

    def __str__(self) -> str:
        how = " with a new reader each time" if self.hops else ""
        at = f" from {dict(self.position)}" if self.position else ""
        of = "" if self.fields is None else f", columns {_named(self.fields)}"
        return f'split "{self.split.id}"{at}: read({self.rows_max}){how}{of}'


def _named(fields: Fields) -> str:
    return ", ".join(n if m is None else f"{n}{{{', '.join(m)}}}" for n, m in fields)


def read_all(source: Source, order: Order) -> Reading:
    """Everything that a split gives from a position on."""
    return _Pass(source, order).run()


class _Pass:
    """One reading of one split."""

    def __init__(self, source: Source, order: Order) -> None:
        self._source, self._order, self._what = source, order, str(order)
        self._frames: list[pl.DataFrame] = []
        self._given = Reading(order.schema.to_frame())
        self._silent_since: float | None = None

    def run(self) -> Reading:
        given, order = self._given, self._order
        reader = self._source.open(order.split, order.position, order.fields)
        try:
            self._stop(reader)
            while not given.ended and not self._has_enough():
                reader = self._step(reader)
            if given.ended:
                self._after_the_end(reader)
        finally:
            reader.close()
        if self._frames:
            given.frame = pl.concat(self._frames)
        self._check_offsets(given)
        return given

    def _check_offsets(self, given: Reading) -> None:
        if self._order.hops:
            # what repeats itself after a restart is compared with what came without
            return
        check(_grows(given.offsets), "R9", self._what, found=f"offsets {given.offsets[:20]}")
        lost = [o for o, _ in given.bad]
        distinct = len(set(lost)) == len(lost) and not set(lost) & set(given.offsets)
        check(distinct, "R9", self._what, found=f"bad rows at {lost[:20]}")

    def _has_enough(self) -> bool:
        count, wanted = len(self._given.offsets), self._order.rows
        return count > self._order.most or (wanted is not None and count >= wanted)

    def _step(self, reader: Reader) -> Reader:
        """One read; the reader to go on with."""
        chunk = self._read(reader)
        self._take(chunk)
        self._stop(reader)
        self._wait(chunk)
        has_moved = chunk.frame is not None or chunk.bad
        if not self._order.hops or chunk.ended or not has_moved:
            return reader
        position = reader.position
        reader.close()
        return self._source.open(self._order.split, _through_json(position), self._order.fields)

    def _read(self, reader: Reader) -> Chunk:
        """One read, with what must not happen to the positions before it."""
        before = reader.position
        copied = deepcopy(dict(before))
        chunk = reader.read(self._order.rows_max)
        check(dict(before) == copied, "R7", self._what, expected=copied, found=dict(before))
        return chunk

    def _take(self, chunk: Chunk) -> None:
        given = self._given
        if chunk.frame is not None:
            self._check_frame(chunk.frame)
            height = chunk.frame.height
            counted = list(range(chunk.offset, chunk.offset + height))
            offsets = counted if chunk.offsets is None else chunk.offsets.to_list()
            check(len(offsets) == height, "R9", self._what, found=f"{len(offsets)} offsets for {height} rows")
            self._frames.append(chunk.frame)
            given.offsets += offsets
        given.bad += [(b.offset, b.message) for b in chunk.bad]
        given.ended = chunk.ended

    def _check_frame(self, frame: pl.DataFrame) -> None:
        most = self._order.rows_max
        check(0 < frame.height <= most, "R3", self._what, found=f"a frame of {frame.height} rows")
        wanted = self._order.schema
        fits = list(frame.schema.items()) == list(wanted.items())
        check(fits, "R5", self._what, expected=dict(wanted), found=dict(frame.schema))

    def _stop(self, reader: Reader) -> None:
        """Look at the position, twice."""
        position = _through_json(reader.position, self._what)
        again = reader.position
        check(dict(again) == dict(position), "R4", self._what, expected=position, found=dict(again))
        self._given.stops.append((position, len(self._given.offsets), len(self._given.bad)))

    def _wait(self, chunk: Chunk) -> None:
        if chunk.frame is not None or chunk.bad or chunk.ended:
            self._silent_since = None
            return
        now = time.monotonic()
        self._silent_since = now if self._silent_since is None else self._silent_since
        if now - self._silent_since > PATIENCE_SECONDS:
            raise broken("D3", self._what, found=f"no rows for {PATIENCE_SECONDS} s, and no end")
        # bounded, so that a reader that says "in an hour" cannot stop the kit
        time.sleep(min(chunk.wait or 0.0, 0.01))

    def _after_the_end(self, reader: Reader) -> None:
        for _ in range(2):
            chunk = reader.read(self._order.rows_max)
            silent = chunk.frame is None and not chunk.bad
            check(silent, "R3", f"{self._what}, after the end", expected="nothing", found=chunk)


def _through_json(position: Position, what: str = "the position") -> Mapping[str, Any]:
    """The position as a checkpoint keeps it."""
    with must_work("R7", what):
        text = json.dumps(dict(position), allow_nan=False)
    made: dict[str, Any] = json.loads(text)
    check(made == dict(position), "R7", what, expected=dict(position), found=made)
    return made


def _grows(numbers: list[int]) -> bool:
    return all(a < b for a, b in pairwise(numbers))
