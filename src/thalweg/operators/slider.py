"""Compute aggregates over the rows around rows that come in order: arguments as words, results from words.

What windows hold is counted by kernels (columnar/sliding.py); this module says which words they count, and
what the words that come back mean. Values that are no words (texts, decimals, lists) are numbered.

Not here: when rows are complete (over.py), rows that change (running_over.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from thalweg.base.types import Decimal
from thalweg.columnar.accumulate import from_ordered_words, ordered_words
from thalweg.columnar.buffers import is_plain, limbs, presence, to_polars, values_and_validity
from thalweg.columnar.eager import compute, gather_rows, numbers
from thalweg.columnar.index import KeyIndex
from thalweg.columnar.key_order import KeyOrder
from thalweg.columnar.keys import KeyCodec
from thalweg.columnar.sliding import NO_ORDER, Slid, SlidingWindows, Values
from thalweg.columnar.sliding_rows import (
    DISTINCT,
    FIRST_ROW,
    HIGH,
    IS_FLOAT,
    LEAST,
    LEAST_OF,
    LOW,
    MOST,
    MOST_OF,
    ORDERED,
    PLACED,
    SUMS,
    VALUES,
)
from thalweg.errors import DataError
from thalweg.expr import aggregates
from thalweg.expr.decimals import pack
from thalweg.expr.nodes import Aggregate, Column, Literal
from thalweg.expr.placed import PLACES
from thalweg.operators.event_times import event_times

if TYPE_CHECKING:
    from thalweg.operators.over import OverSpec

Array = np.ndarray[Any, Any]

_ROWS = "__rows"
_SIGN = np.int64(-(2**63))
_DIGITS = 38
_SUMS, _HIGH, _LOW, _VALUE, _PLACED, _ROW = "sums", "high", "low", "value", "placed", "row"
_EXTREMES = {"min": LEAST_OF, "max": MOST_OF}
_PLACES = {"first_value": LEAST_OF, "last_value": MOST_OF}


class _Entry(NamedTuple):
    """An argument as kernels count it.

    Attributes:
        argument: the column.
        family: what its words are: `sums` (of numbers and times in their order), the limbs of decimals
            (`high`, `low`), numbers of values that are compared (`value`), values as they are
            (`placed`, `row`).
        is_distinct: whether each value counts once.
    """

    argument: str
    family: str
    is_distinct: bool = False


def entries(call: Aggregate, columns: dict[str, pl.DataType]) -> Iterator[tuple[_Entry, int]]:
    """What a call counts of its argument."""
    if not call.args or not isinstance(call.args[0], Column):
        return
    name = str(call.args[0])
    held, function = columns[name], call.function
    is_number = is_plain(held) and held != pl.UInt64()
    is_distinct = call.distinct and function not in _EXTREMES
    flags = DISTINCT if is_distinct else 0
    is_float = IS_FLOAT if held.is_float() else 0
    if function in ("lag", "lead"):
        yield _Entry(name, _ROW), FIRST_ROW
    elif function in _PLACES:
        yield _Entry(name, _PLACED), PLACED | _PLACES[function]
    elif function in _EXTREMES and is_number:
        yield _Entry(name, _SUMS), _EXTREMES[function] | is_float
    elif function in _EXTREMES:
        yield _Entry(name, _VALUE), ORDERED | _EXTREMES[function]
    elif function == "count":
        yield _Entry(name, _SUMS, is_distinct), flags | is_float
    elif isinstance(held, pl.Decimal):
        yield _Entry(name, _HIGH, is_distinct), flags | SUMS
        yield _Entry(name, _LOW, is_distinct), flags | SUMS
    else:
        yield _Entry(name, _SUMS, is_distinct), flags | SUMS | is_float


class _Numbered:
    """Values of one column, each with a number; equal values share it."""

    def __init__(self, name: str, held: pl.DataType) -> None:
        self._name = name
        self._codec = KeyCodec({name: held})
        self.index = self._codec.new_index()

    def of(self, column: pl.Series) -> Array:
        """The numbers of values."""
        return self.index.insert(self._codec.encode(column.to_frame()))

    def order(self) -> KeyOrder:
        """How they compare, until more are numbered."""
        return self._codec.order(self.index.words, [(self._name, False, True)])

    def values(self, found: Array, some: Array) -> pl.Series:
        """The values of numbers, NULL where there is none."""
        known = self._codec.decode(self.index.rows(found[some]))
        if not some.all():
            nothing = pl.DataFrame({self._name: [None]}, schema=known.schema)
            places = np.where(some, np.cumsum(some) - 1, known.height)
            known = gather_rows(pl.concat([known, nothing]), places)
        return known.get_column(self._name)


class _Windows(NamedTuple):
    """Windows and the arguments that they count."""

    entries: list[_Entry]
    flags: list[int]
    windows: SlidingWindows


class Slider:
    """Computes the aggregates of rows that come in the order of their times."""

    def __init__(self, spec: OverSpec) -> None:
        self._spec = spec
        columns = dict(spec.columns)
        self._codec = KeyCodec({k: columns[k] for k in spec.partition})
        self.index = self._codec.new_index()
        wanted: dict[_Entry, int] = {}
        for _, call, _ in spec.calls:
            for entry, flags in entries(call, columns):
                wanted[entry] = wanted.get(entry, 0) | flags
        counted = {e: f for e, f in wanted.items() if e.family != _VALUE}
        # values that only their columns can compare have windows of their own, one for each column
        groups = [counted, *({e: f} for e, f in wanted.items() if e.family == _VALUE)]
        self._parts = [_Windows(list(g), list(g.values()), self._windows(list(g.values()))) for g in groups]
        self._numbered = {
            e.argument: _Numbered(e.argument, columns[e.argument])
            for e in wanted
            if e.is_distinct or self._is_numbered(e)
        }
        self._places: dict[str, Array] = {}
        self._different = {e: KeyIndex(1) for e in wanted if e.is_distinct}

    def _windows(self, flags: list[int]) -> SlidingWindows:
        frame = self._spec.frame
        return SlidingWindows(flags, is_rows=frame.is_rows, start=frame.reach, end=frame.end)

    def _is_numbered(self, entry: _Entry) -> bool:
        """Whether the words are numbers of values."""
        if entry.family == _VALUE:
            return True
        return entry.family in (_PLACED, _ROW) and not is_plain(self._spec.columns[entry.argument])

    @property
    def remembered(self) -> int:
        """How many values have a number, in use or not."""
        held = [n.index for n in self._numbered.values()]
        return max((i.count for i in (*held, *self._different.values())), default=0)

    def ordered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows in the order in which they are looked at."""
        spec = self._spec
        if spec.ties:
            return frame.sort([spec.order, *spec.ties])
        times = event_times(frame, spec.order)
        if len(times) < 2 or (times[1:] >= times[:-1]).all():
            return frame
        return gather_rows(frame, np.argsort(times, kind="stable"))

    def take(self, frame: pl.DataFrame) -> list[Slid]:
        """Rows in order, as they come; what their windows hold."""
        slots = self.index.insert(self._codec.encode(frame))
        return self._take(frame, slots, event_times(frame, self._spec.order), is_whole=False)

    def take_whole(self, frame: pl.DataFrame, times: Array) -> list[Slid]:
        """All rows, partition by partition and in order; `times` are what frames go by."""
        slots = self.index.insert(self._codec.encode(frame))
        if any({*PLACES} & {*aggregates.lookup(c.function).parts} for _, c, _ in self._spec.calls):
            self._places = dict(zip(PLACES, _places(slots, times), strict=True))
        return self._take(frame, slots, times, is_whole=True)

    def _take(self, frame: pl.DataFrame, slots: Array, times: Array, *, is_whole: bool) -> list[Slid]:
        numbered = {name: n.of(frame.get_column(name)) for name, n in self._numbered.items()}
        made = []
        for part in self._parts:
            values = self._values(part, frame, slots, numbered)
            slide = part.windows.slide_whole if is_whole else part.windows.slide
            made.append(slide(slots, times, values, self.index.capacity))
        return made

    def _values(
        self, part: _Windows, frame: pl.DataFrame, slots: Array, numbered: dict[str, Array]
    ) -> Values:
        height, width = frame.height, len(part.entries)
        words = np.zeros((height, width), np.int64)
        valid = np.ones((height, width), np.bool_)
        floats = np.zeros((height, width), np.float64)
        codes = np.zeros((height if self._different else 0, width), np.int64)
        codes_max, order = 0, NO_ORDER
        for at, (entry, flags) in enumerate(zip(part.entries, part.flags, strict=True)):
            column = frame.get_column(entry.argument)
            found = presence(column)
            if len(found):
                valid[:, at] = found
            if self._is_numbered(entry):
                words[:, at] = numbered[entry.argument]
            else:
                _fill(entry, column, words[:, at], floats[:, at])
            if entry.is_distinct:
                different = self._different[entry]
                pairs = np.stack([slots, numbered[entry.argument]], axis=1)
                codes[:, at] = different.insert(pairs)
                codes_max = max(codes_max, different.capacity)
            if flags & ORDERED:
                order = self._numbered[entry.argument].order()
        return Values(words, valid, floats, codes, codes_max, order)

    def expire(self, before: int) -> None:
        """Nothing looks back beyond this time any more."""
        # all windows have the same rows
        gone = [part.windows.expire(before, self.index.capacity) for part in self._parts].pop()
        if len(gone):
            self.index.free(gone)
            self._codec.compact(self.index.rows(self.index.live()))

    def results(self, slid: list[Slid]) -> list[pl.Series]:
        """The aggregates of the rows."""
        spec = self._spec
        held = {
            entry: _Held(flags, found.words[at], found.floats[at])
            for part, found in zip(self._parts, slid, strict=True)
            for at, (entry, flags) in enumerate(zip(part.entries, part.flags, strict=True))
        }
        frame = pl.DataFrame([numbers(_ROWS, slid[0].rows), *self._made(held)])
        exprs = []
        for number, (_, call, result) in enumerate(spec.calls):
            function = aggregates.lookup(call.function)
            columns = {k: pl.col(_part_name(k, call)) for k in function.parts}
            exprs.append(function.finish(columns, result).alias(f"= {number}"))
        try:
            made = compute(frame, exprs)
        except pl.exceptions.InvalidOperationError as error:
            raise self._overflow() from error
        return [s.alias(name) for s, (name, _, _) in zip(made.get_columns(), spec.calls, strict=True)]

    def _overflow(self) -> DataError:
        return aggregates.overflow([(call, held) for _, call, held in self._spec.calls])

    def _made(self, held: dict[_Entry, _Held]) -> Iterator[pl.Series]:
        """What the aggregates are made from, each once."""
        known = set()
        for _, call, _ in self._spec.calls:
            for kind in aggregates.lookup(call.function).parts:
                name = _part_name(kind, call)
                if name != _ROWS and name not in known:
                    known.add(name)
                    yield self._part(kind, call, held).alias(name)

    def _part(self, kind: str, call: Aggregate, held: dict[_Entry, _Held]) -> pl.Series:
        """One part of a call."""
        if kind in PLACES:
            return numbers("", self._places[kind])
        if isinstance(call.args[0], Literal):
            return numbers("", np.full(len(self._places["number"]), call.args[0].value, np.int64))
        entry = next(e for e, _ in entries(call, dict(self._spec.columns)))
        found = held[entry]
        counts, least, most = (found.words[i] for i in (VALUES, LEAST, MOST))
        some = counts > 0
        if kind == "count":
            return numbers("", counts.copy())
        if kind == "row":
            return self._value(entry, least, most != 0)
        if kind in ("first", "last"):
            return self._value(entry, least if kind == "first" else most, some)
        if kind in ("min", "max"):
            return self._value(entry, least if kind == "min" else most, some)
        if found.flags & IS_FLOAT:
            return to_polars("", pl.Float64(), found.floats.copy(), some)
        if entry.family == _HIGH:
            low = held[entry._replace(family=_LOW)]
            scale = self._spec.columns[entry.argument].scale  # type: ignore[attr-defined]  # of decimals
            return self._decimals(found, low, scale)
        return _wide_sum(found.words, some)

    def _value(self, entry: _Entry, words: Array, some: Array) -> pl.Series:
        """Values from their words."""
        if self._is_numbered(entry):
            return self._numbered[entry.argument].values(words, some)
        held, found = self._spec.columns[entry.argument], words.copy()
        if held.is_float():
            found = from_ordered_words(words) if entry.family == _SUMS else found.view(np.float64)
        return to_polars("", held, found, some)

    def _decimals(self, high: _Held, low: _Held, scale: int) -> pl.Series:
        """Sums of decimals from those of their limbs, of which the low ones are signed."""
        counts = high.words[VALUES]
        limbs_ = [_wide_sum(h.words, counts > 0).alias(n) for h, n in ((high, "high"), (low, "low"))]
        frame = pl.DataFrame([*limbs_, numbers("count", counts.copy())])
        far = pl.col("high").abs() >= (1 << 63) - (1 << 40)
        if compute(frame, [far.any()]).item():
            raise self._overflow()
        unsigned = pl.col("low") + pl.col("count").cast(pl.Int128) * (1 << 63)
        total = pl.col("high") * pl.lit(1 << 64, dtype=pl.Int128) + unsigned
        packed = pack(total, Decimal(_DIGITS, scale), sure=False)
        made = compute(frame, [total.alias("total"), packed.alias("packed")])
        if made.get_column("total").null_count() < made.get_column("packed").null_count():
            raise self._overflow()
        return made.get_column("packed")


class _Held(NamedTuple):
    """What windows hold of one argument."""

    flags: int
    words: Array
    floats: Array


def _part_name(kind: str, call: Aggregate) -> str:
    if kind in PLACES:
        return kind
    return f"{kind} {'distinct ' if call.distinct else ''}{call.args[0]}" if call.args else _ROWS


def _places(slots: Array, ties: Array) -> tuple[Array, Array, Array, Array]:
    """What `PLACES` says of each row."""
    height = len(slots)
    first = np.ones(height + 1, np.bool_)
    first[1:-1] = slots[1:] != slots[:-1]
    leads = first.copy()
    leads[1:-1] |= ties[1:] != ties[:-1]
    starts, ends = _runs(first)
    peers, others = _runs(leads)
    return np.arange(height) - starts + 1, peers - starts + 1, others - starts, ends - starts


def _runs(marks: Array) -> tuple[Array, Array]:
    """Where the run of each row starts and ends, by marks of the first rows (and behind the last)."""
    at = np.flatnonzero(marks)
    lengths = np.diff(at)
    return np.repeat(at[:-1], lengths), np.repeat(at[1:], lengths)


def _fill(entry: _Entry, column: pl.Series, words: Array, floats: Array) -> None:
    """The words of a column, and its values where these are floats."""
    if entry.family in (_HIGH, _LOW):
        high, low, _ = limbs(column)
        words[:] = high if entry.family == _HIGH else low ^ _SIGN
    elif is_plain(column.dtype):
        values, _ = values_and_validity(column)
        if values.dtype != np.float64:
            words[:] = values
        elif entry.family == _SUMS:
            words[:], floats[:] = ordered_words(values), values
        else:
            words[:] = values.view(np.int64)


def _wide_sum(words: Array, some: Array) -> pl.Series:
    """Sums of integers from two limbs of 32 bits."""
    high, low = words[HIGH], words[LOW]
    carried = high + (low >> 32)
    if ((carried >= -(1 << 31)) & (carried < 1 << 31)).all():
        return to_polars("", pl.Int64(), (carried << 32) + (low & 0xFFFFFFFF), some).cast(pl.Int128)
    parts = pl.DataFrame(
        [numbers("high", high.copy()), numbers("low", low.copy()), numbers("some", some.copy())]
    )
    total = pl.col("high").cast(pl.Int128) * (1 << 32) + pl.col("low").cast(pl.Int128)
    return compute(parts, [pl.when(pl.col("some")).then(total).alias("")]).get_column("")
