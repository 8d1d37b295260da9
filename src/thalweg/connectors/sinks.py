"""Sinks that look at rows and keep none: black hole, checksum, callback, console.

Not here: collecting rows (memory.py), writing files (files/).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Literal

import numpy as np
import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import instance
from thalweg.columnar.batch import Batch
from thalweg.columnar.buffers import values_and_validity
from thalweg.columnar.outside import handed_out
from thalweg.connectors.changes import between_cuts, visible
from thalweg.protocols.sink import Delivery, Writer

Publish = Callable[[list[Batch]], None]
Emit = Literal["cut", "now"]


class HoldingWriter:
    """Holds batches back until the cut and hands them to a function then (at once, with `now`)."""

    def __init__(self, schema: Schema, publish: Publish, emit: Emit = "cut") -> None:
        self._schema, self._publish, self._is_eager = schema, publish, emit == "now"
        self._pending: list[Batch] = []

    def write(self, batch: Batch) -> None:
        """Hold rows."""
        if len(batch):
            self._pending.append(visible(batch, self._schema))
        if self._is_eager:
            self.end()

    def cut(self, number: int) -> None:
        """Publish what is held."""
        self.end()

    def end(self) -> None:
        """Publish what is held."""
        pending, self._pending = self._pending, []
        if pending:
            self._publish(pending)

    def close(self) -> None:
        """Forget what is held."""
        self._pending = []


@dataclass
class Checksum:
    """What a `ChecksumSink` or `BlackholeSink` has seen.

    Attributes:
        rows: the weights of all rows, added up.
        changes: how many rows with a weight came.
        sums: per column a sum modulo 2**64 over every value: of the numbers, for whole numbers and
            times; of a hash, otherwise. Neither the order of rows nor cuts change it.
        nulls: per column how many values are NULL.
    """

    rows: int = 0
    changes: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    nulls: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add_rows(self, batch: Batch) -> None:
        """Count rows."""
        with self._lock:
            self.changes += len(batch)
            self.rows += len(batch) if batch.weight is None else int(batch.weight.sum())

    def add_values(self, batch: Batch) -> None:
        """Count rows and add every value to its column's sum."""
        parts = [(name, *_column_sum(column, batch.weight)) for name, column in _leaves(batch.frame)]
        self.add_rows(batch)
        with self._lock:
            for name, total, nulls in parts:
                self.sums[name] = (self.sums.get(name, 0) + total) % (1 << 64)
                self.nulls[name] = self.nulls.get(name, 0) + nulls


@dataclass(frozen=True, eq=False)
class BlackholeSink:
    """Counts rows and forgets them."""

    seen: Checksum = field(default_factory=Checksum, repr=False)
    takes_updates: bool = True
    delivery: Delivery = "at_least_once"
    emit: Emit = "now"
    is_parallel: bool = True

    def describe(self) -> str:
        """Its name."""
        return "blackhole"

    def open(self, schema: Schema, task: int) -> Writer:
        """A writer that counts."""
        return LookingWriter(self.seen.add_rows, schema)


@dataclass(frozen=True, eq=False)
class ChecksumSink:
    """Reads every value of every row, and keeps sums: the black hole of benchmarks that count.

    Example:
        >>> sink, frame = ChecksumSink(), pl.DataFrame({"a": [1, None, 4]})
        >>> sink.open(Schema.from_polars(dict(frame.schema)), 0).write(Batch(frame))
        >>> sink.seen.rows, sink.seen.sums, sink.seen.nulls
        (3, {'a': 5}, {'a': 1})
    """

    seen: Checksum = field(default_factory=Checksum, repr=False)
    takes_updates: bool = True
    delivery: Delivery = "at_least_once"
    emit: Emit = "now"
    is_parallel: bool = True

    def describe(self) -> str:
        """Its name."""
        return "checksum"

    def open(self, schema: Schema, task: int) -> Writer:
        """A writer that adds values up."""
        return LookingWriter(self.seen.add_values, schema)


class LookingWriter:
    """Hands each batch to a function and keeps nothing."""

    def __init__(self, look: Callable[[Batch], None], schema: Schema) -> None:
        self._look, self._schema = look, schema

    def write(self, batch: Batch) -> None:
        """Look at rows."""
        self._look(visible(batch, self._schema))

    def cut(self, number: int) -> None:
        """Nothing is held."""

    def end(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, eq=False)
class CallbackSink:
    """Calls a function with each frame of results.

    Attributes:
        function: takes a frame; with `has_ops` its first column is `op`: +I, -U, +U or -D.
        has_ops: whether the function wants changes; without it updating results are refused.
        key: columns that identify a row, so that updates can be told from inserts and deletes.
        emit: at cuts, or as soon as rows are there.
        delivery: `idempotent`, if being called again with rows that it had changes nothing.
    """

    function: Callable[[pl.DataFrame], object]
    has_ops: bool = False
    key: tuple[str, ...] = ()
    emit: Emit = "cut"
    delivery: Delivery = "at_least_once"
    is_parallel: bool = False

    @property
    def takes_updates(self) -> bool:
        """Whether the function wants changes."""
        return self.has_ops

    @property
    def alternative(self) -> str:
        """How the function gets results that change, for the message that refuses them."""
        return "changes=True (every change, with a column op)"

    def describe(self) -> str:
        """The function's name."""
        return f"callback {getattr(self.function, '__qualname__', repr(self.function))}"

    def open(self, schema: Schema, task: int) -> Writer:
        """A writer that calls the function."""

        def publish(batches: list[Batch]) -> None:
            if self.has_ops:
                self.function(handed_out(between_cuts(batches, self.key), schema))
                return
            for batch in batches:
                self.function(handed_out(batch.frame, schema))

        return HoldingWriter(schema, publish, self.emit)


@dataclass(frozen=True, eq=False)
class PrintSink:
    """Prints one line per change, as Flink does: `+I[1, hello]`.

    Attributes:
        identifier: what each line begins with.
        is_error: whether lines go to the standard error stream.
        key: columns that identify a row, so that updates can be told from inserts and deletes.
        emit: at cuts, or as soon as rows are there.
    """

    identifier: str = ""
    is_error: bool = False
    key: tuple[str, ...] = ()
    emit: Emit = "cut"
    takes_updates: bool = True
    delivery: Delivery = "at_least_once"
    is_parallel: bool = False

    def describe(self) -> str:
        """Its name."""
        return f"print {self.identifier}".rstrip()

    def open(self, schema: Schema, task: int) -> Writer:
        """A writer to the stream that is current now."""
        stream = sys.stderr if self.is_error else sys.stdout
        prefix = f"{self.identifier}> " if self.identifier else ""

        def publish(batches: list[Batch]) -> None:
            changes = handed_out(between_cuts(batches, self.key), schema)
            lines = [f"{prefix}{line}\n" for line in change_lines(changes)]
            stream.write("".join(lines))
            stream.flush()

        return HoldingWriter(schema, publish, self.emit)


def change_lines(changes: pl.DataFrame) -> Iterator[str]:
    """One line per change.

    Example:
        >>> list(change_lines(pl.DataFrame({"op": ["+I"], "a": [1], "s": [None]})))
        ['+I[1, null]']
    """
    assert changes.columns[0] == "op", "the operation comes first"
    types = changes.dtypes[1:]
    for op, *values in changes.iter_rows():
        yield f"{op}[{', '.join(_text(v, t) for v, t in zip(values, types, strict=True))}]"


def _text(value: object, held: pl.DataType) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(held, pl.Map) and isinstance(value, Mapping):
        key, item = instance(held.key), instance(held.value)
        return f"{{{', '.join(f'{_text(k, key)}={_text(v, item)}' for k, v in value.items())}}}"
    if isinstance(held, pl.Struct) and isinstance(value, Mapping):
        types = [instance(f.dtype) for f in held.fields]
        return f"({', '.join(_text(v, t) for v, t in zip(value.values(), types, strict=True))})"
    if isinstance(held, pl.List) and isinstance(value, (list, tuple, pl.Series)):
        return f"[{', '.join(_text(v, instance(held.inner)) for v in value)}]"
    return str(value)


def _leaves(frame: pl.DataFrame, prefix: str = "") -> Iterator[tuple[str, pl.Series]]:
    """Every column without structs: members are named `column.member`."""
    for column in frame.iter_columns():
        name = f"{prefix}{column.name}"
        if isinstance(column.dtype, pl.Struct):
            yield from _leaves(column.struct.unnest(), f"{name}.")
        else:
            yield name, column


def _column_sum(column: pl.Series, weight: pl.Series | None) -> tuple[int, int]:
    null_count = 0
    if column.null_count():
        nulls = column.is_null()
        null_count = int(nulls.sum() if weight is None else weight.filter(nulls).sum())
        column = column.filter(~nulls)
        weight = None if weight is None else weight.filter(~nulls)
    words = _words(column)
    if weight is not None:
        words = words * weight.to_numpy().view(np.uint64)
    return int(np.add.reduce(words, dtype=np.uint64)), null_count


def _words(column: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """64 bits for each value."""
    dtype = column.dtype
    if dtype.is_integer() or dtype.is_temporal() or dtype == pl.Boolean:
        return values_and_validity(column)[0].astype(np.int64, copy=False).view(np.uint64)
    return column.hash(seed=0).to_numpy()
