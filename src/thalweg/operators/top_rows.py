"""Keep the first rows of each key up to date, over rows that are never taken back.

What cannot be among the first is turned away before anything is kept, and already in each batch before
rows change tasks. Ties are broken by position.

Not here: rows that may go again, numbers without a limit, ties that share a number (running_rank.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.batch import OFFSET, OTHER_OFFSET, OTHER_SPLIT, SPLIT, WEIGHT, Batch
from thalweg.columnar.best import PLACE, BestRows
from thalweg.columnar.eager import beside, gather_rows, numbers, pick
from thalweg.columnar.groups import group_rows
from thalweg.columnar.keys import KeyCodec
from thalweg.columnar.order_words import has_words, order_words
from thalweg.operators.closing import ClosingTimes
from thalweg.operators.kept_rows import GROUP, KeptRows
from thalweg.operators.window_rank import turns_ties
from thalweg.plan.nodes import SortKey
from thalweg.protocols.keeping import JOIN_ENDS, Keeping
from thalweg.protocols.operator import Context, Output, Step
from thalweg.protocols.state import RowsSpec, RowStore, StateSpec

Array = np.ndarray[Any, Any]

_MOST = 128
"""Up to so many rows per key a sorted list is faster than sorting."""
_COMPACT_AFTER, _TRY_AGAIN = 64, 16


@dataclass(frozen=True)
class TopRowsSpec:
    """The first rows of each key.

    Attributes:
        id: the step's name.
        columns: the input's columns and types, positions included.
        partition: what to number within.
        order: the order of the numbers; position breaks ties.
        limit: how many rows per key.
        output: the column of the number, or None.
        is_first_phase: whether this is the step that only leaves out rows of a batch.
        closes: the column of the time at which a key gets no more rows, the same in all its rows, and a slack
            in microseconds.
    """

    id: str
    columns: Mapping[str, pl.DataType]
    partition: tuple[str, ...]
    order: tuple[SortKey, ...]
    limit: int
    output: str | None
    is_first_phase: bool = False
    closes: tuple[str, int] | None = None

    def __hash__(self) -> int:
        return hash(self.id)

    @staticmethod
    def can_keep(columns: Mapping[str, pl.DataType], order: Iterable[SortKey], limit: int | None) -> bool:
        """Whether lists of the first rows do for this order and limit."""
        return limit is not None and limit <= _MOST and all(has_words(columns[k.column]) for k in order)

    def states(self) -> Iterable[StateSpec]:
        """The first rows, and some that have been first; which is which follows from the rows."""
        if self.is_first_phase:
            return ()
        return [RowsSpec("rows", {**self.columns, GROUP: pl.Int64()}, GROUP, self.partition)]

    def keeps(self) -> Iterable[Keeping]:
        """The first rows of every key."""
        if not self.is_first_phase:
            what = f"at most {self.limit} rows" + (
                f" by {', '.join(self.partition)}" if self.partition else ""
            )
            cures = ("window_start and window_end in PARTITION BY",)
            until = None if self.closes is None else JOIN_ENDS
            yield Keeping("rows", what, until, not self.partition, cures)

    def build(self, context: Context) -> TopRowsOp | TopOfBatchOp:
        """The operator."""
        return TopOfBatchOp(self) if self.is_first_phase else TopRowsOp(self, context)

    def describe(self) -> str:
        """One line."""
        where = "of each batch " if self.is_first_phase else ""
        keys = ", ".join(self.partition) or "()"
        return f"first {self.limit} {where}by {keys} order {', '.join(map(str, self.order))}"

    def words(self, frame: pl.DataFrame) -> Array:
        """What rows are ordered by."""
        keys = [(k.column, k.descending, k.puts_nulls_first) for k in self.order]
        return order_words(frame, keys, self.ties, turned=turns_ties(self.order))

    @property
    def ties(self) -> tuple[str, ...]:
        """The position of a row, or of both rows of a pair."""
        return tuple(n for n in (SPLIT, OFFSET, OTHER_SPLIT, OTHER_OFFSET) if n in self.columns)

    @property
    def width(self) -> int:
        """How many words."""
        return 2 * len(self.order) + len(self.ties)

    def codec(self) -> KeyCodec:
        """What turns keys into words."""
        return KeyCodec({k: self.columns[k] for k in self.partition})


class TopRowsOp:
    """Keep the first rows of each key.

    Emits:      at each cut the rows that are first now with +1, those that no longer are with -1; with
                numbers, also rows whose number has changed.
    State:      at most `limit` rows per key, and for a while as many that have left; a key that gets no
                more rows is forgotten, what was shown of it stays.
    Late rows:  are rows like any other.
    Batch mode: one sort, and the first rows of each key.
    """

    def __init__(self, spec: TopRowsSpec, context: Context) -> None:
        self._spec = spec
        self._rows_max = context.rows_max
        self._names = list(spec.columns)
        self._codec = spec.codec()
        self._index = self._codec.new_index()
        self._best = BestRows(spec.width, spec.limit)
        self._closing = ClosingTimes(spec.closes)
        store: RowStore = context.state("rows")
        self._kept = KeptRows(store)
        for piece in store.groups():
            self._know(piece, store.rows(piece))
        self._best.differences(numbered=True)
        self._leave()

    def _know(self, piece: int, frame: pl.DataFrame) -> None:
        """Rows of the state: at a cut, those that are first are those that were shown."""
        rows, sources = self._insert(frame)
        owners = np.full(frame.height, -1, np.int64)
        owners[sources] = rows
        self._kept.know(piece, owners, self._best.cells)

    def _insert(self, frame: pl.DataFrame) -> tuple[Array, Array]:
        slots = self._index.insert(self._codec.encode(frame))
        self._closing.note(frame, slots, self._index.capacity)
        return self._best.insert(slots, self._spec.words(frame), self._index.capacity)

    def _leave(self) -> None:
        dead = self._best.take_dead()
        if len(dead):
            self._kept.leave(dead, self._best.cells)

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Keep rows that are among the first; what they change is emitted at the cut."""
        del port
        assert batch.weight is None, "the planner puts this step on rows that stay"
        rows, sources = self._insert(batch.frame)
        # before rows are moved: what has left is known by its place
        self._leave()
        if len(rows):
            frame = pick(batch.frame, self._names)
            some = frame if len(rows) == frame.height else gather_rows(frame, sources)
            self._kept.add(some, rows, self._best.cells)
        return iter(())

    def on_watermark(self, time: int) -> Iterator[Output]:
        """At the next cut, keys are forgotten that get no more rows."""
        self._closing.watermark = time
        return iter(())

    def on_cut(self, number: int) -> Iterator[Output]:
        """The changes since the last cut."""
        del number
        yield from self._changed()
        closed = self._closing.closed(self._index)
        if len(closed):
            self._best.forget(closed)
            self._index.free(closed)
            self._codec.compact(self._index.rows(self._index.live()))
            self._leave()

    def _changed(self) -> Iterator[Output]:
        output = self._spec.output
        changes = self._best.differences(numbered=output is not None)
        for at in range(0, len(changes.rows), self._rows_max):
            rows, weights, places = (c[at : at + self._rows_max] for c in changes)
            frame, order = self._kept.gather(self._best.cells[rows, PLACE])
            if order is not None:
                weights, places = weights[order], places[order]
            if output is not None:
                frame = beside(frame, [numbers(output, places.copy())])
            weight = None if changes.weights[0] > 0 else numbers(WEIGHT, weights.copy())
            yield Batch(frame, weight)
        self._best.forget_gone()
        self._leave()

    def on_end(self, port: int) -> Iterator[Output]:
        """The last changes."""
        del port
        return self.on_cut(0)


class TopOfBatchOp(Step):
    """Leave out rows that are not even among the first of their batch.

    Emits:      for each batch, the first rows of each key in it.
    State:      none.
    Late rows:  are rows like any other.
    Batch mode: Polars does the same by itself.
    """

    def __init__(self, spec: TopRowsSpec) -> None:
        self._spec = spec
        self._codec = spec.codec()
        self._best = BestRows(spec.width, spec.limit)
        self._batches = self._skip = 0

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """The rows that may be among the first."""
        del port
        some = self.chosen(batch.frame)
        yield batch if some is None else batch.gather(some)

    @property
    def reads(self) -> list[str]:
        """The columns that it looks at."""
        spec = self._spec
        return list(dict.fromkeys((*spec.partition, *(k.column for k in spec.order), *spec.ties)))

    def chosen(self, frame: pl.DataFrame) -> Array | None:
        """Which rows may be among the first; None: all."""
        if self._skip or frame.height <= self._spec.limit:
            self._skip = max(0, self._skip - 1)
            return None
        words = self._codec.encode(frame)
        groups = group_rows(words)
        self._best.clear()
        _, sources = self._best.insert(groups.ids, self._spec.words(frame), groups.height)
        # where few rows are left out it does not pay, and is tried again later
        self._skip = _TRY_AGAIN if 8 * len(sources) > 7 * frame.height else 0
        self._batches += 1
        if self._batches % _COMPACT_AFTER == 0:
            self._codec.compact(words)
        return None if len(sources) == frame.height else sources
