"""Tell of the rows that a function has failed on, and put back the state that a keyed one had before.

Used by: process_trial.py, process_columns.py, asynchronous_op.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.codecs import KEPT_NONE
from thalweg.columnar.arrow import to_frame
from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.columnar.eager import gather_rows, pick, renamed
from thalweg.columnar.spelled import json_rows
from thalweg.errors import DataError
from thalweg.operators.event_times import event_times
from thalweg.operators.process import LAST, ProcessInput
from thalweg.operators.process_work import Rounds, Work
from thalweg.plan.process import FAILED_ROWS
from thalweg.protocols.process import FunctionState
from thalweg.protocols.state import BriefColumns

Array = np.ndarray[Any, Any]
ROW_CODES = frozenset(
    {
        *("data-python-function", "data-timer-past", "data-python-state", "data-python-result"),
        "data-async-timeout",
    }
)
"""The errors that are one row's, and not those of the whole job."""


@dataclass(frozen=True)
class Failure:
    """A row that the function has failed on.

    Attributes:
        place: which of the rows of the work it is, in their order.
        error: with which the job would have ended.
    """

    place: int
    error: DataError


def failed_rows(
    failures: Sequence[Failure], work: Work | Rounds, inputs: Sequence[ProcessInput]
) -> pl.DataFrame:
    """What is told of such rows (`FAILED_ROWS`); splits are numbers."""
    places = np.array([f.place for f in failures], np.int64)
    firsts = np.cumsum([0, *(f.height for f in work.rows)])
    numbers, ports = work.order[places], work.ports[places]
    texts, splits, offsets = [""] * len(places), [None] * len(places), [None] * len(places)
    for port, (frame, side) in enumerate(zip(work.rows, inputs, strict=True)):
        mine = np.flatnonzero(ports == port)
        rows = gather_rows(frame, numbers[mine] - firsts[port])
        lines = json_rows(pick(rows, list(side.shown)))
        for held, column in ((splits, SPLIT), (offsets, OFFSET)):
            if column in rows.columns:
                _fill(held, mine, rows.get_column(column).to_list())
        _fill(texts, mine, lines)
    has_time = np.array([inputs[port].time is not None for port in ports.tolist()], np.bool_)
    times = pl.Series("event_time", work.times[places]).cast(pl.Datetime("us"))
    known = pl.select(pl.when(pl.Series(has_time)).then(times).otherwise(None)).to_series()
    where = pl.Series("split", splits, pl.Int64), pl.Series("position", offsets, pl.Int64)
    return _as_declared([*where, known.rename("event_time")], [f.error for f in failures], texts)


def failed_frame(
    rows: pl.DataFrame, shown: Sequence[str], time: str | None, errors: Sequence[DataError]
) -> pl.DataFrame:
    """The same of rows of one input.

    Args:
        rows: with their positions, if they have some.
        shown: the columns that the function sees.
        time: the column of event time.
        errors: of each row.
    """
    unknown = pl.Series([None], dtype=pl.Int64).new_from_index(0, rows.height)
    where = [
        renamed(rows.get_column(column) if column in rows.columns else unknown, name)
        for name, column in (("split", SPLIT), ("position", OFFSET))
    ]
    times = unknown if time is None else pl.Series(event_times(rows, time))
    at = renamed(times.cast(pl.Datetime("us")), "event_time")
    return _as_declared([*where, at], errors, json_rows(pick(rows, list(shown))))


def _as_declared(where: list[pl.Series], errors: Sequence[DataError], texts: list[str]) -> pl.DataFrame:
    places = [None if e.where is None else str(e.where) for e in errors]
    columns = [
        *where,
        pl.Series("code", [e.code for e in errors], pl.String),
        pl.Series("error", [e.message for e in errors], pl.String),
        pl.Series("place", places, pl.String),
        pl.Series("row", texts, pl.String),
    ]
    assert [c.name for c in columns] == list(FAILED_ROWS.names), "they are told as they are declared"
    return to_frame(columns)


def _fill(held: list[Any], places: Array, values: Sequence[Any]) -> None:
    for place, value in zip(places.tolist(), values, strict=True):
        held[place] = value


class Saved:
    """The state of some keys as it was: what a function does to it meanwhile can be taken back.

    Args:
        states: of the function.
        kept: where they are.
        slots: of the keys.
    """

    def __init__(self, states: Sequence[FunctionState], kept: BriefColumns, slots: Array) -> None:
        self._states, self._kept, self._slots = states, kept, slots
        self._plain = {s.name: kept.column(s.name)[slots] for s in states if s.fresh is None}
        # a list is changed where it is: its bytes are another one
        self._bytes = {s.name: self._encoded(s) for s in states if s.fresh is not None}
        self._lasts = kept.column(LAST)[slots] if any(s.ttl_us is not None for s in states) else None

    def _encoded(self, state: FunctionState) -> list[bytes | None]:
        codec = state.column.codec
        assert codec is not None, "objects have one"
        values = self._kept.column(state.name)[self._slots].tolist()
        held = (None if value is KEPT_NONE else value for value in values)
        return [None if v is None else codec.encode(h) for v, h in zip(values, held, strict=True)]

    def value(self, state: FunctionState, number: int) -> Any:
        """The value of one key, by its number; another one each time."""
        if state.fresh is None:
            return self._plain[state.name][number].item()
        codec, data = state.column.codec, self._bytes[state.name][number]
        assert codec is not None, "objects have one"
        return state.fresh() if data is None else codec.decode(data)

    def restore(self) -> None:
        """All as it was."""
        for state in self._states:
            values = [self.value(state, number) for number in range(len(self._slots))]
            held: Array = np.empty(len(values), self._kept.column(state.name).dtype)
            if state.fresh is not None:
                values = [KEPT_NONE if value is None else value for value in values]
            held[:] = values
            self._kept.column(state.name)[self._slots] = held
        if self._lasts is not None:
            self._kept.column(LAST)[self._slots] = self._lasts
