"""Call a user's asynchronous function for rows, and emit what it gives when it is there.

Rows are numbered in the order in which they come, and held in blocks until they are answered. A watermark
ends a span of rows, and goes on when the last of them has. State is written at cuts only: a row that is
answered before the next one never is in it.

Not here: the description of the step (asynchronous.py), who makes the calls (runtime/calls.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.batch import BEFORE, WEIGHT, Batch
from thalweg.columnar.eager import below, beside, gather_rows, numbers, pick, renamed, without
from thalweg.columnar.outside import handed_out, taken_in
from thalweg.errors import DataError
from thalweg.expr.python_rows import maker
from thalweg.operators.asynchronous import COPIES, GROUP, ROWS, AsyncSpec
from thalweg.operators.process_failed import ROW_CODES, failed_frame
from thalweg.protocols.calls import Answer
from thalweg.protocols.messages import Watermark
from thalweg.protocols.operator import PAUSE, Context, Output, Side
from thalweg.protocols.process import FAILED_PORT
from thalweg.protocols.state import RowStore

Array = np.ndarray[Any, Any]
_UNKNOWN = pl.Series(BEFORE, [None], dtype=pl.Int64)
_BLOCK = 1024
_OPEN_MAX = 16
"""So many times the rows of the largest batch are taken, if whoever is above does not stop before."""


class _Block:
    """Rows that came one after the other; their numbers begin at a multiple of the size of blocks."""

    __slots__ = ("frame", "is_open", "is_stored", "left", "places")

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self.places: Array | None = None
        """Where each row is in the frame, once that has been made smaller."""
        self.is_open = np.ones(frame.height, np.bool_)
        self.left = frame.height
        self.is_stored = False

    def rows(self, places: Array) -> Array:
        """Where rows are in the frame."""
        return places if self.places is None else self.places[places]

    def shrink(self) -> pl.DataFrame:
        """The rows that are open; the others are forgotten where they are the most."""
        open_rows = self.rows(np.flatnonzero(self.is_open))
        if len(open_rows) == self.frame.height:
            return self.frame
        kept = gather_rows(self.frame, open_rows)
        if 2 * len(open_rows) < self.frame.height:
            self.frame, self.places = kept, np.cumsum(self.is_open) - 1
        return kept


@dataclass
class _Span:
    """The rows between two watermarks.

    Attributes:
        end: more than the number of any of its rows.
        left: how many of them have not gone on.
        ready: answers that go on as soon as the spans before have.
        time: the watermark behind them; None: rows may still come.
    """

    end: int | None = None
    left: int = 0
    ready: list[Answer] = field(default_factory=list)
    time: int | None = None


class AsyncOp:
    """Call an asynchronous function for each row.

    Emits:      what the function gives for a row, when it is there: in the order of the rows, or as answers
                come, but never across a watermark.
    State:      the rows without an answer; they are asked for again by whoever takes the state over.
    Late rows:  are rows like any other; their watermark column travels along.
    Batch mode: the same; the end waits for all answers.
    """

    def __init__(self, spec: AsyncSpec, context: Context) -> None:
        self._spec, self._rows_max = spec, context.rows_max
        self._store: RowStore = context.state(ROWS)
        self._calls = context.calls(spec.function)
        self._to_row = maker("Row", spec.given.names)
        self._carried = [*spec.carry, *(n for n in spec.held if n in (BEFORE, COPIES))]
        self._open_max = max(_OPEN_MAX * spec.function.at_once, spec.function.at_once + context.rows_max)
        self._spans: deque[_Span] = deque([_Span()])
        self._blocks: dict[int, _Block] = {}
        self._changed: dict[int, _Block] = {}
        """The blocks that the state knows otherwise, or not at all."""
        self._answers: dict[int, Answer] = {}
        """Those whose turn has not come, where there is an order."""
        self._next = 0
        """The number of the next answer, where there is an order."""
        self.open_count = 0
        # what another instance has left is numbered anew, behind the groups that it is in until the next cut
        self._gone = self._store.groups()
        self._next_block = self._gone[-1] + 1 if self._gone else 0
        self._next = self._next_block * _BLOCK
        for group in self._gone:
            self._hold(without(self._store.rows(group), GROUP))

    # -- rows that come ------------------------------------------------------------------------

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Hold rows, and have them asked for."""
        del port
        frame, spec = batch.frame, self._spec
        held = pick(frame, list(spec.columns))
        added = []
        if spec.is_judged:
            # without one, all rows are in time
            known = BEFORE in frame.columns
            added.append(frame.get_column(BEFORE) if known else _UNKNOWN.new_from_index(0, frame.height))
        if spec.is_updating:
            added.append(renamed(batch.weights(), COPIES))
        self._hold(beside(held, added) if added else held)
        while self.open_count > _OPEN_MAX * self._rows_max:
            yield from self._awaited()

    def _hold(self, frame: pl.DataFrame) -> None:
        for part in frame.iter_slices(_BLOCK):
            block, first = _Block(part), self._next_block * _BLOCK
            self._blocks[self._next_block] = self._changed[self._next_block] = block
            self._next_block += 1
            self._spans[-1].left += part.height
            self.open_count += part.height
            given = handed_out(pick(part, list(self._spec.given.names)), self._spec.given)
            self._calls.ask(enumerate(map(self._to_row, given.iter_rows()), first))

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Event time goes on when the rows before have."""
        last = self._spans[-1]
        if last.left:
            last.time, last.end = time, self._next_block * _BLOCK
            self._spans.append(_Span())
        elif len(self._spans) > 1:
            # nothing came since the one before, which waits
            self._spans[-2].time = time
        else:
            yield Watermark(time)

    def on_cut(self, number: int) -> Iterator[Output]:
        """Nothing is owed: rows without an answer are state."""
        del number
        for group in self._gone:
            self._store.take(group)
        for group, block in self._changed.items():
            if block.is_stored:
                self._store.take(group)
            block.is_stored = block.left > 0
            if block.is_stored:
                rows = block.shrink()
                self._store.add(beside(rows, [numbers(GROUP, np.full(rows.height, group, np.int64))]))
        self._gone, self._changed = [], {}
        return iter(())

    def on_end(self, port: int) -> Iterator[Output]:
        """Wait for all answers."""
        del port
        while self.open_count:
            yield from self._awaited()

    def _awaited(self) -> Iterator[Output]:
        if not self._calls.is_answered:
            yield PAUSE
        yield from self.on_answers()

    # -- answers -------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether as many rows wait for a call as are asked for at once, or too many for their turn."""
        return self._calls.waiting >= self._spec.function.at_once or self.open_count >= self._open_max

    @property
    def is_answered(self) -> bool:
        """Whether there are answers that it has not looked at."""
        return self._calls.is_answered

    def on_answers(self) -> Iterator[Output]:
        """Emit what the function gave, and watermarks behind which nothing is left."""
        answers = self._calls.take()
        if self._spec.is_ordered:
            self._answers.update((a.number, a) for a in answers)
            answers = list(self._in_turn())
        else:
            answers.sort(key=lambda a: a.number)
        spans = iter(self._spans)
        span = next(spans)
        for answer in answers:
            while span.end is not None and answer.number >= span.end:
                span = next(spans)
            span.ready.append(answer)
        yield from self._released()

    def _in_turn(self) -> Iterator[Answer]:
        """The answers that follow those which were given before."""
        while self._answers:
            answer = self._answers.pop(self._next, None)
            if answer is None:
                return
            yield answer
            self._next += 1
            block = self._blocks[answer.number // _BLOCK]
            if self._next % _BLOCK == len(block.is_open):
                self._next = (answer.number // _BLOCK + 1) * _BLOCK

    def _released(self) -> Iterator[Output]:
        """The answers of the first span, and of those behind it as far as watermarks pass."""
        while True:
            span = self._spans[0]
            ready, span.ready = span.ready, []
            if ready:
                span.left -= len(ready)
                self.open_count -= len(ready)
                yield from self._emitted(ready)
            if span.left or span.time is None:
                return
            self._spans.popleft()
            yield Watermark(span.time)

    def _emitted(self, answers: Sequence[Answer]) -> Iterator[Output]:
        """What follows from answers, in ascending order; their rows are held no more."""
        failed = [a for a in answers if a.error is not None]
        if failed and not self._spec.is_tolerant:
            assert failed[0].error is not None, "these have failed"
            raise failed[0].error
        good = [a for a in answers if a.error is None] if failed else answers
        for batch in self._made(good, failed):
            yield from batch.slices(self._rows_max)
        if failed:
            yield Side(FAILED_PORT, Batch(self._told(failed)), 0, 0)
        self._forget(answers)

    def _made(self, answers: Sequence[Answer], failed: list[Answer]) -> Iterator[Batch]:
        """The rows of answers; those that are no rows as declared are added to the failed ones."""
        if not answers:
            return
        output = self._spec.output
        rows = [row for a in answers for row in a.rows]
        try:
            frame = taken_in(output.frame(rows), output.result)
        except DataError as error:
            if not self._spec.is_tolerant or error.code not in ROW_CODES:
                raise
            if len(answers) == 1:
                failed.append(Answer(answers[0].number, error=error))
                return
            middle = len(answers) // 2
            yield from self._made(answers[:middle], failed)
            yield from self._made(answers[middle:], failed)
            return
        if frame.height:
            yield self._beside_rows(frame, answers)

    def _beside_rows(self, frame: pl.DataFrame, answers: Sequence[Answer]) -> Batch:
        """What a function gave, behind the columns of its rows that are carried, with their weights."""
        if not self._carried:
            return Batch(frame)
        rows = self._rows(answers, self._carried)
        counts = np.fromiter((len(a.rows) for a in answers), np.int64, len(answers))
        if (counts != 1).any():
            rows = gather_rows(rows, np.repeat(np.arange(len(answers)), counts))
        weight = renamed(rows.get_column(COPIES), WEIGHT) if COPIES in rows.columns else None
        marks = [] if BEFORE not in rows.columns else [rows.get_column(BEFORE)]
        made = beside(pick(rows, list(self._spec.carry)), frame.get_columns()) if self._spec.carry else frame
        # a batch in which all rows are in time has no such column
        marks = [m for m in marks if m.null_count() < len(m)]
        return Batch(beside(made, marks) if marks else made, weight)

    def _told(self, failed: list[Answer]) -> pl.DataFrame:
        failed.sort(key=lambda a: a.number)
        rows = self._rows(failed, list(self._spec.columns))
        errors = [a.error for a in failed if a.error is not None]
        return failed_frame(rows, self._spec.given.names, self._spec.time, errors)

    # -- where the rows are --------------------------------------------------------------------

    def _rows(self, answers: Sequence[Answer], names: list[str]) -> pl.DataFrame:
        """Columns of the rows that were answered."""
        parts = [
            gather_rows(pick(block.frame, names), block.rows(places))
            for block, places, _ in self._runs(answers)
        ]
        return parts[0] if len(parts) == 1 else below(parts)

    def _runs(self, answers: Sequence[Answer]) -> Iterator[tuple[_Block, Array, int]]:
        """The answers by block: the places in it of their rows, and its number."""
        every = np.fromiter((a.number for a in answers), np.int64, len(answers))
        groups = every // _BLOCK
        ends = [*(np.flatnonzero(np.diff(groups)) + 1).tolist(), len(answers)]
        first = 0
        for end in ends:
            group = int(groups[first])
            yield self._blocks[group], every[first:end] - group * _BLOCK, group
            first = end

    def _forget(self, answers: Sequence[Answer]) -> None:
        """The rows of answers are no longer open."""
        for block, places, group in self._runs(answers):
            block.is_open[places] = False
            block.left -= len(places)
            self._changed[group] = block
            if not block.left:
                del self._blocks[group]

    def close(self) -> None:
        """Nobody waits for answers any more."""
        self._calls.close()
