"""Join two inputs that both may change, and emit how the result changes.

Pairs are found when rows come: those of a batch are looked up in what is kept of the other input. What
depends on a row having no partner (the padded rows of outer joins, semi and anti joins) is settled at the
cut, so that a partner that comes before the cut costs nothing.

Not here: how rows are kept and found (state/multimap.py), the description of the step (join_spec.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.batch import WEIGHT, Batch, consolidate, join_batches
from thalweg.columnar.eager import beside, gather_rows, numbers, pick
from thalweg.expr.evaluate import Predicate
from thalweg.expr.nodes import columns_of
from thalweg.operators.join_side import JoinSide, Taken
from thalweg.operators.join_spec import MATCHES, SHOWN, JoinSpec
from thalweg.operators.top_rows import TopOfBatchOp
from thalweg.protocols.operator import Context, Output, Side

Array = np.ndarray[Any, Any]
LATE = "late"

_Names = tuple[list[str], list[str]]


class JoinOp:
    """Put rows of two inputs together by key, and keep the result up to date.

    Emits:      pairs as they are found, at once if no row can be taken back, else netted at the cut; at the
                cut the rows that lost or found their partners, with the weights that undo and do; where time
                says when a row can find none any more, only then, and for good.
    State:      the rows of both inputs by key, as long as they can find partners; of a semi or anti join's
                right input what is looked at only.
    Late rows:  where time bounds the state, go to a port of their input; else they are rows like any other.
    Batch mode: one join.
    """

    def __init__(self, spec: JoinSpec, context: Context) -> None:
        self._spec, self._rows_max = spec, context.rows_max
        self._residual = None if spec.residual is None else Predicate(spec.residual, spec.both)
        self._read_by_residual = self._of_sides(() if spec.residual is None else columns_of(spec.residual))
        if self._residual is not None and (self._residual.is_checked or not any(self._read_by_residual)):
            # a row that fails is shown whole, and one without columns would not count
            self._read_by_residual = self._of_sides(spec.both.names)
        self._best = None if spec.best is None else TopOfBatchOp(spec.best)
        self._read_by_best = self._of_sides(() if self._best is None else self._best.reads)
        self._sides = [
            JoinSide(
                context.state(side.name),
                side,
                is_judged=judged,
                counts=spec.counts_pairs,
                is_final=spec.emits_once,
            )
            for side, judged in ((spec.left, spec.keeps_left), (spec.right, spec.keeps_right))
        ]
        self._emits_pairs = spec.kind not in ("semi", "anti")
        self._counts_pairs = spec.counts_pairs and (spec.keeps_left or spec.keeps_right)
        self._defers = spec.left.is_updating or spec.right.is_updating
        self._watermark: int | None = None
        self._ended: set[int] = set()
        self._waiting: list[Batch] = []
        self._waiting_rows = 0

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Take rows, and look them up in the other input."""
        side, other = self._sides[port], self._sides[1 - port]
        late = side.late(batch)
        if late is not None:
            yield Side(f"{LATE} {port + 1}", batch.filter(late), int(late.sum()))
            batch = batch.filter(~late)
        taken = side.take(batch)
        if taken.without_key is not None and side.is_judged and self._spec.kind != "semi":
            yield from self._emitted(self._padded(port, taken.without_key))
        if not taken.frame.height:
            return
        if other.is_judged and not self._counts_pairs:
            side.note_keys(taken)
        taken = side.keep(taken)
        if self._emits_pairs or self._counts_pairs:
            yield from self._matched(port, taken)

    def _matched(self, port: int, taken: Taken) -> Iterator[Output]:
        """The pairs of the rows just taken."""
        side, other = self._sides[port], self._sides[1 - port]
        found = other.state.find(taken.keys)
        for places, rows in other.state.pairs(found, self._rows_max):
            places, rows = self._wanted(port, taken, places, rows)
            if not len(rows):
                continue
            if self._counts_pairs:
                side.count_own(taken, places, other.state.weights(rows))
                other.count(rows, taken.weights_at(places))
            if self._emits_pairs:
                frame = self._pair(port, gather_rows(taken.frame, places), other.state.frame(rows))
                weights = taken.weights_at(places) * other.state.weights(rows) if self._defers else None
                yield from self._emitted(_batch(frame, weights))

    def _wanted(self, port: int, taken: Taken, places: Array, rows: Array) -> tuple[Array, Array]:
        """The pairs that are emitted, told by the columns that say so: the others are not even read."""
        if self._residual is not None:
            looked_at = self._columns(port, taken, places, rows, self._read_by_residual)
            hits = self._residual.mask(looked_at).to_numpy()
            places, rows = places[hits], rows[hits]
        if self._best is not None and len(rows):
            some = self._best.chosen(self._columns(port, taken, places, rows, self._read_by_best))
            if some is not None:
                places, rows = places[some], rows[some]
        return places, rows

    def _columns(self, port: int, taken: Taken, places: Array, rows: Array, names: _Names) -> pl.DataFrame:
        """Some columns of pairs."""
        mine = gather_rows(pick(taken.frame, names[port]), places)
        return self._pair(port, mine, self._sides[1 - port].state.frame(rows, names[1 - port]))

    def _of_sides(self, names: Iterable[str]) -> _Names:
        """Which columns of each input are among these."""
        wanted = set(names)
        left, right = ([n for n in s.columns if n in wanted] for s in (self._spec.left, self._spec.right))
        return left, right

    def _pair(self, port: int, mine: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
        """Rows side by side, the left input's first."""
        return beside(mine, others.get_columns()) if port == 0 else beside(others, mine.get_columns())

    def _padded(self, port: int, rows: Batch) -> Batch:
        """Rows without a partner as the output has them."""
        if not self._emits_pairs:
            return rows
        missing = self._sides[1 - port].nulls(len(rows))
        return rows.with_frame(self._pair(port, rows.frame, missing))

    def _emitted(self, batch: Batch) -> Iterator[Output]:
        """Emit at once what stays; keep back what may be undone before the cut, up to a limit."""
        if not self._defers:
            yield from batch.slices(self._rows_max)
            return
        self._waiting.append(batch)
        self._waiting_rows += len(batch)
        if self._waiting_rows >= 4 * self._rows_max:
            yield from self._released()

    def _released(self) -> Iterator[Output]:
        if not self._waiting:
            return
        batch = consolidate(join_batches(self._waiting))
        self._waiting, self._waiting_rows = [], 0
        if len(batch):
            yield from batch.slices(self._rows_max)

    def on_watermark(self, time: int) -> Iterator[Output]:
        """At the next cut, rows are forgotten that can find no partner any more."""
        self._watermark = time
        return iter(())

    def on_cut(self, number: int) -> Iterator[Output]:
        """What has become of rows without a partner, and all that was kept back."""
        del number
        for port, side in enumerate(self._sides):
            if side.is_judged:
                judge = self._due if self._spec.emits_once else self._judged
                for change in judge(port, side):
                    yield from self._emitted(change)
        yield from self._released()
        for side in self._sides:
            side.settle(self._watermark)

    def _judged(self, port: int, side: JoinSide) -> Iterator[Batch]:
        """The rows of a side whose partners came or went, or that changed themselves."""
        other = self._sides[1 - port]
        if not self._counts_pairs:
            side.note_chains(other.flipped_keys(), self._rows_max)
        rows = side.touched()
        if not len(rows):
            return
        if not self._counts_pairs:
            has_partner = other.present(side.keys_of_rows(rows))
        else:
            has_partner = side.state.counter(MATCHES)[rows] > 0
        wanted = np.where(has_partner == (self._spec.kind == "semi"), side.state.weights(rows), 0)
        shown = side.state.counter(SHOWN)
        change = wanted - shown[rows]
        shown[rows] = wanted
        places = change.nonzero()[0]
        side.state.touch(rows[places])
        yield from self._changes(port, rows[places], change[places])

    def _due(self, port: int, side: JoinSide) -> Iterator[Batch]:
        """The rows of a side that had no partner and can find none any more."""
        rows = side.due(self._watermark, is_end=len(self._ended) == len(self._sides))
        alone = rows[side.state.counter(MATCHES)[rows] == 0]
        yield from self._changes(port, alone, side.state.weights(alone))

    def _changes(self, port: int, rows: Array, weights: Array) -> Iterator[Batch]:
        """Rows of a side with weights, in bounded batches."""
        for start in range(0, len(rows), self._rows_max):
            some = slice(start, start + self._rows_max)
            held = None if (weights[some] == 1).all() else weights[some]
            yield self._padded(port, _batch(self._sides[port].state.frame(rows[some]), held))

    def on_end(self, port: int) -> Iterator[Output]:
        """The last changes."""
        self._ended.add(port)
        yield from self.on_cut(0)


def _batch(frame: pl.DataFrame, weights: Array | None) -> Batch:
    return Batch(frame, None if weights is None else numbers(WEIGHT, weights))
