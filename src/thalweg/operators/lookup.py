"""Give rows what a table holds for them at the moment when they come.

Rows that stay are looked up at once. Rows that may be taken back are looked up at the cut, and keep what they
were answered as long as they are there: what is taken back is what was emitted, whatever became of the table.

Not here: caches, and whoever is asked (runtime/lookups.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.columnar.ascending import ascending
from thalweg.columnar.batch import WEIGHT, Batch, consolidate, join_batches
from thalweg.columnar.eager import beside, filter_rows, gather_rows, numbers, pick
from thalweg.errors import DataError
from thalweg.expr.evaluate import Predicate
from thalweg.expr.nodes import Expr
from thalweg.protocols.lookup import LookupTable
from thalweg.protocols.operator import Context, Output, Step
from thalweg.protocols.state import MultimapSpec, StateSpec

if TYPE_CHECKING:
    from thalweg.protocols.state import Multimap

Array = np.ndarray[Any, Any]

ANSWERS = "answers"
_HASH, _FOUND, _NTH = (SYSTEM_PREFIX + n for n in ("hash", "found", "nth"))


@dataclass(frozen=True)
class LookupSpec:
    """Join rows with a table that is looked up.

    Attributes:
        table: where they are looked up.
        kind: `left` also keeps rows that the table has none for.
        keys: the columns of the rows that equal the table's keys.
        left: the columns of the rows.
        residual: what else must be true of a pair.
        both: the columns of a pair.
        is_updating: whether rows may be taken back.
    """

    id: str
    table: LookupTable
    kind: Literal["inner", "left"]
    keys: tuple[str, ...]
    left: Mapping[str, pl.DataType]
    residual: Expr | None
    both: Schema
    is_updating: bool

    def __hash__(self) -> int:
        return hash(self.id)

    def lookups(self) -> Mapping[str, LookupTable]:
        """The table, by the name that the operator asks for it with."""
        return {"table": self.table}

    def states(self) -> Iterable[StateSpec]:
        """For rows that may be taken back, what each was answered."""
        if not self.is_updating:
            return ()
        columns = {**self.left, **self.table.columns}
        columns |= {_HASH: pl.Int64(), _FOUND: pl.Boolean(), _NTH: pl.Int64()}
        return (MultimapSpec(ANSWERS, columns, (_HASH,), partition=self.keys),)

    def build(self, context: Context) -> LookupOp | ChangesLookupOp:
        """The operator."""
        return ChangesLookupOp(self, context) if self.is_updating else LookupOp(self, context)

    def describe(self) -> str:
        """One line."""
        pairs = [f"{a} = {b}" for a, b in zip(self.keys, self.table.keys, strict=True)]
        pairs += [] if self.residual is None else [str(self.residual)]
        cache = self.table.cache.lower()
        return (
            f"{self.kind} look-up in {self.table.source.describe()} on {' AND '.join(pairs)}, cache {cache}"
        )


class _Asking:
    """Asks for the rows of a batch, and puts them beside its own."""

    def __init__(self, spec: LookupSpec, context: Context) -> None:
        self._spec, self._rows_max = spec, context.rows_max
        self._lookup = context.lookup("table")
        self._residual = None if spec.residual is None else Predicate(spec.residual, spec.both)
        self._nulls = {n: pl.Series(n, [], dtype=t) for n, t in spec.table.columns.items()}

    def pairs(self, frame: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, Array]]:
        """In bounded parts: rows with their answers, and the place in the frame of each row."""
        keys = pick(frame, list(self._spec.keys))
        known = _known(keys)
        if known is not None:
            frame_places = np.flatnonzero(known.to_numpy())
            keys = filter_rows(keys, known)
        keys.columns = list(self._spec.table.keys)
        if not keys.height:
            return
        table, slots = self._lookup.ask(keys)
        for places, rows in table.pairs(slots, self._rows_max):
            if known is not None:
                places = frame_places[places]
            made = beside(gather_rows(frame, places), table.frame(rows).get_columns())
            if self._residual is not None:
                mask = self._residual.mask(made)
                made, places = filter_rows(made, mask), places[mask.to_numpy()]
            if len(places):
                yield made, places

    def alone(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows that the table has none for."""
        return beside(frame, [s.extend_constant(None, frame.height) for s in self._fresh_nulls()])

    def _fresh_nulls(self) -> list[pl.Series]:
        return [s.clone() for s in self._nulls.values()]


def _known(keys: pl.DataFrame) -> pl.Series | None:
    """Which keys have no NULL; None if all are so."""
    known = None
    for column in keys.get_columns():
        if column.null_count():
            known = column.is_not_null() if known is None else known & column.is_not_null()
    return known


class LookupOp(Step):
    """Look up rows that stay.

    Emits:      each row with its answers, at once; `left` also rows without an answer.
    State:      none: what was answered is in the rows that were emitted.
    Late rows:  are rows like any other, and carry on what says that they are late.
    Batch mode: a join.
    """

    def __init__(self, spec: LookupSpec, context: Context) -> None:
        self._asking, self._keeps_all = _Asking(spec, context), spec.kind == "left"
        self._rows_max = context.rows_max

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Rows with their answers."""
        del port
        found = np.zeros(len(batch), np.bool_)
        for made, places in self._asking.pairs(batch.frame):
            found[places] = True
            yield Batch(made, None if batch.weight is None else batch.weight.gather(places))
        if self._keeps_all and not found.all():
            rows = batch.filter(pl.Series(~found))
            yield from rows.with_frame(self._asking.alone(rows.frame)).slices(self._rows_max)


class ChangesLookupOp(Step):
    """Look up rows that may be taken back.

    Emits:      at the cut, the net changes of the rows, each with what its row was answered when it came.
    State:      every row that is there, with its answers; equal rows are asked for once.
    Late rows:  there are none: changes have no time.
    Batch mode: a join.
    """

    def __init__(self, spec: LookupSpec, context: Context) -> None:
        self._spec, self._rows_max = spec, context.rows_max
        self._asking = _Asking(spec, context)
        self._state: Multimap = context.state(ANSWERS)
        self._left = list(spec.left)
        self._output = [*self._left, *spec.table.columns]
        self._waiting: list[Batch] = []
        self._waiting_rows = 0
        self._gone: list[Array] = []

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Take changes; there may be more of the same rows before the cut."""
        del port
        self._waiting.append(Batch(pick(batch.frame, self._left), batch.weight))
        self._waiting_rows += len(batch)
        if self._waiting_rows >= 4 * self._rows_max:
            # a row may be taken back before it comes: such changes wait for the cut
            yield from self._settled(is_cut=False)

    def on_cut(self, number: int) -> Iterator[Output]:
        """The net changes."""
        del number
        yield from self._settled(is_cut=True)
        self._state.compact()

    def on_end(self, port: int) -> Iterator[Output]:
        """The last changes."""
        del port
        return self.on_cut(0)

    def _settled(self, *, is_cut: bool) -> Iterator[Output]:
        if not self._waiting:
            return
        total = consolidate(join_batches(self._waiting))
        self._waiting, self._waiting_rows = [], 0
        for part in total.slices(self._rows_max):
            yield from self._changed(part, is_cut=is_cut)

    def _changed(self, batch: Batch, *, is_cut: bool) -> Iterator[Output]:
        """The changes of some different rows."""
        from thalweg.columnar.hash import hash_rows

        weights = batch.weights().to_numpy()
        hashes = numbers(_HASH, hash_rows(batch.frame, self._left).view(np.int64))
        is_there = np.zeros(len(batch), np.bool_)
        self._gone = []
        slots = self._state.find(hashes.to_frame())
        for places, rows in self._state.pairs(slots, self._rows_max):
            held = self._state.frame(rows)
            same = _same_rows(held, gather_rows(batch.frame, places), self._left)
            places, held = places[same], filter_rows(held, pl.Series(same))
            is_there[places] = True
            yield from self._kept(held, weights[places])
        # not before all answers were found: they are chained
        for rows in self._gone:
            self._state.free(rows)
        is_new = ~is_there & (weights > 0)
        if is_new.any():
            places = np.flatnonzero(is_new)
            yield from self._asked(gather_rows(batch.frame, places), weights[places], hashes.gather(places))
        is_early = ~is_there & (weights < 0)
        if is_early.any():
            self._keep_early(batch.filter(pl.Series(is_early)), is_cut=is_cut)

    def _keep_early(self, early: Batch, *, is_cut: bool) -> None:
        if is_cut:
            row = early.frame.row(0, named=True)
            raise DataError(
                "a change removes a row that is not there",
                code="data-unknown-row",
                sample=str(row),
                found=str(row),
            )
        self._waiting.append(early)
        self._waiting_rows += len(early)

    def _asked(self, frame: pl.DataFrame, weights: Array, hashes: pl.Series) -> Iterator[Output]:
        """Rows that were not there: what they are answered is kept with them."""
        counts = np.zeros(frame.height, np.int64)
        for made, places in self._asking.pairs(frame):
            yield from self._answered(made, places, weights, hashes, counts)
        alone = np.flatnonzero(counts == 0)
        if len(alone):
            made = self._asking.alone(gather_rows(frame, alone))
            yield from self._answered(made, alone, weights, hashes, None)

    def _answered(
        self, made: pl.DataFrame, places: Array, weights: Array, hashes: pl.Series, counts: Array | None
    ) -> Iterator[Output]:
        nth = np.zeros(len(places), np.int64) if counts is None else _numbered(places, counts)
        found = pl.Series(_FOUND, [counts is not None]).new_from_index(0, len(places))
        held = beside(made, [hashes.gather(places), found, numbers(_NTH, nth)])
        yield from self._kept(held, weights[places])

    def _kept(self, held: pl.DataFrame, weights: Array) -> Iterator[Output]:
        """Answers with weights: into the state, and out."""
        state = self._state
        rows = state.add(held, state.slots(held.select(_HASH)), np.ascontiguousarray(weights))
        gone = ascending(rows[state.weights(rows) == 0])
        if len(gone):
            self._gone.append(gone)
        if self._spec.kind == "inner":
            found = held.get_column(_FOUND)
            held, weights = filter_rows(held, found), weights[found.to_numpy()]
        if held.height:
            yield Batch(pick(held, self._output), numbers(WEIGHT, np.ascontiguousarray(weights)))


def _same_rows(held: pl.DataFrame, frame: pl.DataFrame, columns: list[str]) -> Array:
    """Which rows are equal in all columns, NULL to NULL and NaN to NaN."""
    same = np.ones(held.height, np.bool_)
    for name in columns:
        same &= held.get_column(name).eq_missing(frame.get_column(name)).to_numpy()
    return same


def _numbered(places: Array, counts: Array) -> Array:
    """The number of each answer of its row, going on from `counts`, which is moved on."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    firsts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sizes = np.diff(np.r_[firsts, len(ordered)])
    nth = np.empty(len(places), np.int64)
    nth[order] = np.arange(len(ordered)) - np.repeat(firsts, sizes) + counts[ordered]
    counts[ordered[firsts]] += sizes
    return nth
