"""Group rows that carry the bounds of their window as columns, and emit a window when it closes."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from thalweg.columnar.batch import Batch
from thalweg.columnar.eager import filter_rows, pick, plain
from thalweg.operators.aggregation import GroupingSpec, least_key
from thalweg.protocols.operator import Context, Output
from thalweg.protocols.state import KeyedColumns


class WindowGroupOp:
    """One row per key and window.

    Emits:      the groups of a window once the watermark passes the window's end.
    State:      the parts of each group of an open window; forgotten when it is emitted.
    Late rows:  were turned away where the window was assigned.
    Batch mode: `End` closes every window, so the result equals grouping the whole table.
    """

    def __init__(self, spec: GroupingSpec, context: Context) -> None:
        assert spec.window is not None, "the planner puts this on windows"
        self._spec, self._layout, self._slack_us = spec, spec.layout, spec.window.slack_us
        self._end = spec.window.end
        self._state: KeyedColumns = context.state("groups")
        self._values = spec.values(context)
        self._rows_max = context.rows_max
        self._next_end = self._least_end(self._state.keys(self._state.live()))

    @property
    def due(self) -> int | None:
        """The watermark that closes the next window."""
        return None if self._next_end is None else self._next_end + self._slack_us

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Take rows."""
        del port
        slots = self._spec.take(self._state, batch)
        if batch.parts is None:
            for values in self._values:
                values.update(batch, slots)
        least = least_key(self._spec, batch, self._end)
        if least is not None and (self._next_end is None or least < self._next_end):
            self._next_end = least
        return iter(())

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Emit the windows that are complete."""
        until = time - self._slack_us
        if self._next_end is not None and self._next_end <= until:
            yield from self._close(until)

    def _close(self, until: int | None) -> Iterator[Output]:
        live = self._state.live()
        keys = self._state.keys(live)
        if until is not None:
            closing = plain(keys.get_column(self._end)) <= until
            self._next_end = self._least_end(filter_rows(keys, ~closing))
            live, keys = live[closing.to_numpy()], filter_rows(keys, closing)
        else:
            self._next_end = None
        if not len(live):
            return
        for values in self._values:
            values.forget_gone()
        kept = {k: v for values in self._values for k, v in values.values(live).items()}
        outputs = self._layout.outputs(self._state, self._layout.take(self._state, live), kept)
        made = pick(keys.hstack(outputs), self._spec.columns)
        for values in self._values:
            values.forget(live)
        self._state.free(live)
        yield from Batch(made).slices(self._rows_max)

    def on_cut(self, number: int) -> Iterator[Output]:
        """Nothing is owed: open windows are state."""
        return iter(())

    def on_end(self, port: int) -> Iterator[Output]:
        """Every window is complete."""
        del port
        return self._close(None)

    def _least_end(self, keys: pl.DataFrame) -> int | None:
        """The end of the window that closes first, in microseconds."""
        if not keys.height:
            return None
        least = plain(keys.get_column(self._end)).min()
        assert isinstance(least, int), "a window has an end"
        return least
