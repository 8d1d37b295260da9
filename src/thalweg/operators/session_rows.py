"""Give rows the session that they belong to, once it is over.

Rows wait in groups by stretches of time of one gap. When sessions close, the stretches up to there are read,
and the rows of sessions that stay open are put back: sessions much longer than the gap cost more here than
where they are grouped at once.

Not here: groupings of sessions by their own key (session_group.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from thalweg.columnar.batch import MOMENT, Batch
from thalweg.columnar.buffers import values_and_validity
from thalweg.columnar.eager import beside, numbers, pick
from thalweg.columnar.sessions import FIRST, LAST
from thalweg.operators.aggregation import key_frame
from thalweg.operators.session_table import SessionTable, session_states
from thalweg.plan.nodes import WINDOW_END, WINDOW_START, WINDOW_TIME
from thalweg.plan.properties import WINDOW_TIME_US, bound_types
from thalweg.protocols.keeping import Keeping, watermark_passes
from thalweg.protocols.operator import Context, Output
from thalweg.protocols.state import RowsSpec, RowStore, StateSpec

_STRETCH = "__stretch"


@dataclass(frozen=True)
class SessionRowsSpec:
    """Rows with their sessions.

    Attributes:
        id: the step's name.
        columns: the input's columns and types (positions included, where rows carry them).
        keys: the columns of the key.
        gap_us: the gap that ends a session.
        slack_us: how far the time may lag behind the watermark.
        time: the type of the bounds.
    """

    id: str
    columns: Mapping[str, pl.DataType]
    keys: tuple[str, ...]
    gap_us: int
    slack_us: int
    time: pl.DataType

    def __hash__(self) -> int:
        return hash(self.id)

    def states(self) -> Iterable[StateSpec]:
        """Open sessions, and their rows."""
        yield from session_states(self.key_types, {})
        columns = {**self.columns, MOMENT: pl.Int64(), _STRETCH: pl.Int64()}
        yield RowsSpec("rows", columns, _STRETCH, self.keys)

    @property
    def key_types(self) -> dict[str, pl.DataType]:
        """The columns of the key with their types."""
        return {k: self.columns[k] for k in self.keys}

    def keeps(self) -> Iterable[Keeping]:
        """Open sessions, the keys that have some, and their rows."""
        until = watermark_passes("the end of the session", self.slack_us)
        keys = ", ".join(self.keys) or "()"
        yield Keeping("sessions", f"one open session by {keys}", until)
        yield Keeping("keys", f"one key with open sessions by {keys}", until)
        yield Keeping("rows", "rows of open sessions", until)

    def build(self, context: Context) -> SessionRowsOp:
        """The operator."""
        return SessionRowsOp(self, context)

    def describe(self) -> str:
        """One line."""
        return f"rows in sessions of {', '.join(self.keys) or '()'}"


class SessionRowsOp:
    """Keep the rows of open sessions.

    Emits:      the rows of a session with its bounds, once the watermark has passed its end.
    State:      the rows of open sessions, and the bounds of these.
    Late rows:  were turned away before the exchange.
    Batch mode: `End` closes every session.
    """

    def __init__(self, spec: SessionRowsSpec, context: Context) -> None:
        self._spec, self._rows_max = spec, context.rows_max
        self._table = SessionTable(context, spec.key_types, spec.gap_us)
        self._rows: RowStore = context.state("rows")

    @property
    def due(self) -> int | None:
        """The watermark that closes the next session."""
        end = self._table.open.first_end
        return None if end is None else end + self._spec.slack_us + 1

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Keep rows."""
        del port
        assert batch.weight is None, "the planner puts this step on final input only"
        if len(batch):
            owners = self._table.keys.slots(key_frame(batch.frame, self._spec.keys))
            times = values_and_validity(batch.frame.get_column(MOMENT))[0]
            _, gone, _ = self._table.take(owners, times, times)
            if len(gone):
                self._table.state.free(gone)
            frame = pick(batch.frame, [*self._spec.columns, MOMENT])
            self._rows.add(beside(frame, [numbers(_STRETCH, times // self._spec.gap_us)]))
        return iter(())

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Emit the rows of sessions that are over."""
        until = time - self._spec.slack_us
        end = self._table.open.first_end
        return self._close(until) if end is not None and end < until else iter(())

    def _close(self, until: int | None) -> Iterator[Output]:
        for stretch in self._rows.groups():
            if until is None or (stretch + 1) * self._spec.gap_us < until:
                yield from self._emit(self._rows.take(stretch), until)
        for _ in self._table.closed(until, self._rows_max):
            pass

    def _emit(self, frame: pl.DataFrame, until: int | None) -> Iterator[Output]:
        """The rows of sessions that are over; the others are kept."""
        spec, table = self._spec, self._table
        owners = table.keys.find(key_frame(frame, spec.keys))
        found = table.open.find(owners, values_and_validity(frame.get_column(MOMENT))[0])
        starts, ends = table.open.cells[found, FIRST], table.open.cells[found, LAST] + spec.gap_us
        if until is not None:
            is_over = ends < until
            if not is_over.all():
                self._rows.add(frame.filter(pl.Series(~is_over)))
                frame, starts, ends = frame.filter(pl.Series(is_over)), starts[is_over], ends[is_over]
        bounds = {WINDOW_START: starts, WINDOW_END: ends, WINDOW_TIME: ends - WINDOW_TIME_US}
        held = bound_types(spec.time)
        added = [numbers(n, np.ascontiguousarray(b)).cast(held[n]) for n, b in bounds.items()]
        if frame.height:
            yield from Batch(beside(pick(frame, list(spec.columns)), added)).slices(self._rows_max)

    def on_cut(self, number: int) -> Iterator[Output]:
        """Nothing is owed: open sessions are state."""
        del number
        self._table.settle()
        return iter(())

    def on_end(self, port: int) -> Iterator[Output]:
        """Every session is complete."""
        del port
        return self._close(None)
