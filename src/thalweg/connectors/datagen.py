"""Make rows out of nothing, with the options of Flink's `datagen`.

Each value is a function of the seed, the column and the row's number, so that any row can be made again;
timestamps lie before the moment at which the row is due, and the position remembers when that began.

Reads:    the clock.
Not here: what options mean for a column (datagen_specs.py), the values (datagen_values.py), the pace
          (schedule.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from thalweg.base.schema import Schema
from thalweg.connectors.connector import Connector, needed_columns
from thalweg.connectors.datagen_specs import ColumnSpec, specs_of
from thalweg.connectors.datagen_values import make_column
from thalweg.connectors.options import Option, Values, choice, flag, number, seconds, whole
from thalweg.connectors.schedule import Schedule
from thalweg.protocols.source import Chunk, Fields, Position, Reader, Replay, Split


@dataclass(frozen=True)
class DatagenSource:
    """Generated rows.

    Attributes:
        schema: the columns.
        specs: how each column's values are made.
        count: how many rows there are; None: without end.
        rate: rows per second.
        seed: chooses the random values.
        base_us: the time that timestamps are reckoned from, in microseconds since 1970.
    """

    schema: Schema
    specs: Mapping[str, ColumnSpec] = field(hash=False)
    count: int | None = None
    rate: float = 10_000.0
    seed: int = 1
    base_us: int = field(default_factory=lambda: time.time_ns() // 1000)

    @property
    def is_bounded(self) -> bool:
        """Whether there is a number of rows, or a column that is a sequence."""
        return self.count is not None

    @property
    def replay(self) -> Replay:
        """Any row can be made again."""
        return "exact"

    @property
    def is_ordered(self) -> bool:
        """There is one split."""
        return False

    @property
    def is_live(self) -> bool:
        """Rows are made now."""
        return True

    def describe(self) -> str:
        """Its name."""
        return "datagen"

    def splits(self) -> Sequence[Split]:
        """One split."""
        return [Split("0")]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """A reader whose first row is due at once."""
        names = self.schema.names if fields is None else [name for name, _ in fields]
        return DatagenReader(self, names, position)


class DatagenReader:
    """Makes rows as they are due."""

    def __init__(
        self,
        source: DatagenSource,
        names: Sequence[str],
        position: Position,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._names, self._clock = source, names, clock
        self._row = int(position.get("row", 0))
        self._base = int(position.get("base", source.base_us))
        self._schedule = Schedule(origin=clock(), rate=source.rate, first=self._row)

    @property
    def position(self) -> Position:
        """The number of the next row, and the time that timestamps are reckoned from."""
        return {"row": self._row, "base": self._base}

    def read(self, rows_max: int) -> Chunk:
        """The rows that are due."""
        start, now = self._row, self._clock()
        left = rows_max if self._source.count is None else self._source.count - start
        if left <= 0:
            return Chunk(None, offset=start, ended=True)
        due = self._schedule.first + self._schedule.count_due(now) - start
        count = min(rows_max, left, due)
        if count <= 0:
            return Chunk(None, offset=start, wait=max(0.0, self._schedule.due_at(start) - now))
        self._row += count
        frame = pl.DataFrame([self._column(name, start, count) for name in self._names])
        ended = self._source.count is not None and self._row >= self._source.count
        return Chunk(frame, offset=start, ended=ended, arrived=time.time_ns() // 1000)

    def close(self) -> None:
        """Nothing is held."""

    def _column(self, name: str, start: int, count: int) -> pl.Series:
        source = self._source
        number = source.schema.names.index(name)
        due_us = self._base, 1e6 / source.rate
        spec = source.specs[name]
        return make_column(
            name, spec, seed=source.seed, column=number, start=start, count=count, due_us=due_us
        )


def _source(values: Values, schema: Schema | None) -> DatagenSource:
    columns = needed_columns(schema, "datagen", values)
    specs = specs_of(columns, values)
    counts = [s.count for s in specs.values() if s.count is not None]
    if values["number-of-rows"] is not None:
        counts.append(values["number-of-rows"])
    return DatagenSource(
        columns, specs, min(counts) if counts else None, values["rows-per-second"], values["seed"]
    )


DATAGEN = Connector(
    "datagen",
    (
        Option("rows-per-second", number, 10_000.0, "how many rows are made in a second"),
        Option("number-of-rows", whole(0), None, "how many rows there are; nothing: without end"),
        Option("seed", whole(0, 2**63 - 1), 1, "chooses the random values"),
        choice("fields.#.kind", ("random", "sequence"), "random", "random values, or one after the other"),
        Option("fields.#.start", whole(-(2**63)), None, "the first value of a sequence"),
        Option(
            "fields.#.end", whole(-(2**63)), None, "the last value of a sequence; the source ends with it"
        ),
        Option("fields.#.min", float, None, "the least random value"),
        Option("fields.#.max", float, None, "the greatest random value"),
        Option(
            "fields.#.length",
            whole(1, 1 << 20),
            None,
            "how long random strings are (100), or collections (3)",
        ),
        Option("fields.#.var-len", flag, False, "whether random strings have any length up to that"),
        Option("fields.#.null-rate", float, 0.0, "the share of NULL among the values, from 0 to 1"),
        Option("fields.#.max-past", seconds, 0.0, "how far before now a timestamp may be"),
    ),
    source=_source,
)
