"""Record what a sink publishes at each cut, and fold it row by row.

A change that removes a row that is not there fails at the cut at which it is published.
Plain Python on purpose: nothing here uses the engine's own folding.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch
from thalweg.protocols.sink import Delivery

Row = tuple[Any, ...]
_LAST = 1 << 60
_SIGNS = {"+I": 1, "+U": 1, "-U": -1, "-D": -1}
Table = Counter[Row]


@dataclass
class Log:
    """Everything published: for each batch the number of the cut that it belongs to."""

    entries: list[tuple[int, Batch]] = field(default_factory=list)
    first_cut: int = 1
    columns: tuple[str, ...] = ()
    has_ops: bool = False
    """Whether changes come as rows, with the operation in the first column."""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def until(self, cut: int) -> Log:
        """What was published at or before a cut."""
        return Log([e for e in self.entries if e[0] <= cut], self.first_cut, self.columns, self.has_ops)

    def followed_by(self, later: Log) -> Log:
        """This log, and what another run published after it."""
        return Log(self.entries + later.entries, self.first_cut, later.columns, later.has_ops)

    def cuts(self) -> Iterator[tuple[int, Table]]:
        """The table after each cut at which something was published.

        Raises:
            AssertionError: a change removes a row that is not there.
        """
        table: Table = Counter()
        by_cut: dict[int, list[Batch]] = {}
        for number, batch in self.entries:
            by_cut.setdefault(number, []).append(batch)
        for cut in sorted(by_cut):
            for batch in by_cut[cut]:
                _add(table, batch, has_ops=self.has_ops)
            missing = [row for row, count in table.items() if count < 0]
            assert not missing, f"cut {cut} removes a row that is not there: {missing[0]}"
            yield cut, Counter({row: n for row, n in table.items() if n})

    def at(self, cuts: Sequence[int]) -> list[Table]:
        """The table after each of these cuts, which ascend."""
        found: list[Table] = []
        last: Table = Counter()
        for cut, table in self.cuts():
            while len(found) < len(cuts) and cuts[len(found)] < cut:
                found.append(last)
            last = table
        return found + [last] * (len(cuts) - len(found))

    def table(self) -> Table:
        """The table after all cuts."""
        return self.at([_LAST])[0]


def _add(table: Table, batch: Batch, *, has_ops: bool) -> None:
    weights = batch.weights().to_list()
    for row, weight in zip(rows_of(batch.frame), weights, strict=True):
        if has_ops:
            assert weight == 1, "operations are rows that stay"
            table[row[1:]] += _SIGNS[row[0]]
        else:
            table[row] += weight


@dataclass(frozen=True, eq=False)
class RecordingSink:
    """A sink that takes every change."""

    log: Log = field(default_factory=Log, repr=False)
    is_parallel: bool = True
    takes_updates: bool = True
    delivery: Delivery = "at_least_once"
    emit: str = "cut"

    def describe(self) -> str:
        return "record"

    def open(self, schema: Schema, task: int) -> RecordingWriter:
        self.log.columns = schema.names
        return RecordingWriter(self.log)


class RecordingWriter:
    """Holds batches back until the cut.

    What is published at the end belongs to the cut after the last one: the end of a task stands before
    every later barrier.
    """

    def __init__(self, log: Log) -> None:
        self._log, self._pending = log, list[Batch]()
        self._next = log.first_cut

    def write(self, batch: Batch) -> None:
        self._pending.append(batch)

    def cut(self, number: int) -> None:
        assert number == self._next, f"cut {number} came where cut {self._next} was due"
        self.end()
        self._next = number + 1

    def end(self) -> None:
        pending, self._pending = self._pending, []
        with self._log.lock:
            self._log.entries += [(self._next, b) for b in pending]

    def close(self) -> None:
        self._pending = []


def rows_of(frame: pl.DataFrame) -> Iterator[Row]:
    """The rows as tuples that compare as the engine's keys do: NULL = NULL, NaN = NaN, -0.0 = 0.0."""
    return (tuple(map(canonical, row)) for row in frame.rows())


def canonical(value: object) -> object:
    """A value that equals what the engine holds equal to it."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value + 0.0
    if isinstance(value, list):
        return tuple(map(canonical, value))
    return value.normalize() if isinstance(value, Decimal) else value


def same(found: Table, expected: Table, what: str) -> None:
    """Fail with the rows that differ."""
    if found == expected:
        return
    more, less = found - expected, expected - found
    raise AssertionError(
        f"{what}: {sum(found.values())} rows instead of {sum(expected.values())}\n"
        f"  too many: {_some(more.items())}\n  missing:  {_some(less.items())}"
    )


def _some(items: Iterable[object]) -> str:
    listed = list(items)
    return ", ".join(map(str, listed[:4])) + (f", … ({len(listed)})" if len(listed) > 4 else "")
