"""Lay out the rows and timers of some keys for a keyed function: key by key, each in the order of time.

Used by: process_op.py, process_calls.py, process_columns.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.arrow import to_frame
from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.columnar.eager import below, gather_rows, pick, renamed
from thalweg.columnar.groups import by_group, group_rows
from thalweg.operators.event_timers import Due
from thalweg.operators.event_times import event_times
from thalweg.operators.process import ProcessInput
from thalweg.protocols.state import BriefColumns

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Work:
    """The rows and timers of some keys; keys are numbered.

    Attributes:
        keys: the keys, one after the other.
        slots: of their state.
        rows: those of each input, numbered through.
        order: the rows key by key, those of a key in the order of time.
        ports: the input of each row, in that order.
        bounds: where in `order` each key begins; and where the last one ends.
        times: their event times in microseconds, in that order.
        owners: the number of each timer's key, ascending.
        due: the times of the timers that are due, those of a key ascending.
    """

    keys: pl.DataFrame
    slots: Array
    rows: tuple[pl.DataFrame, ...]
    order: Array
    ports: Array
    bounds: Array
    times: Array
    owners: Array
    due: Array


def laid_out(
    frames: Sequence[pl.DataFrame],
    inputs: Sequence[ProcessInput],
    due: Due,
    kept: BriefColumns,
    *,
    is_ordered: bool = True,
) -> Work:
    """Rows and timers by key, with the slots of the keys.

    Args:
        frames: the rows of each input.
        inputs: what is known of them.
        due: the timers.
        kept: the state of the keys.
        is_ordered: whether rows are to come in the order of time, or stay in theirs.
    """
    rows = [
        in_turn(f, i.time, i.ties) if is_ordered and i.time is not None else f
        for f, i in zip(frames, inputs, strict=True)
    ]
    times = [_times(f, i) for f, i in zip(rows, inputs, strict=True)]
    ports = np.repeat(np.arange(len(rows)), [f.height for f in rows])
    keys = _keys(rows, inputs, due)
    slots = kept.slots(keys)
    found = group_rows(slots.reshape(-1, 1))
    groups, owners = found.ids[: len(ports)], found.ids[len(ports) :]
    order, bounds = by_group(groups, found.height)
    together = times[0] if len(times) == 1 else np.concatenate(times)
    if len(rows) > 1 and is_ordered:
        # both are in order by themselves; of one time those of the first input come first
        order = np.lexsort([ports, together, groups])
    turn = np.lexsort([due.times, owners])
    return Work(
        gather_rows(keys, found.firsts),
        slots[found.firsts],
        tuple(rows),
        order,
        ports[order],
        bounds,
        together[order],
        owners[turn],
        due.times[turn],
    )


def in_parts(
    frames: Sequence[pl.DataFrame], inputs: Sequence[ProcessInput], rows_max: int
) -> Iterator[tuple[list[pl.DataFrame], int | None]]:
    """Many rows in the order of time, about so many at once: a function's rows are objects of Python.

    Rows of one time stay together where there are several inputs: those of the first one come before.

    Yields:
        The rows of each input; and the time before which timers are due with them, None with the last rows.
    """
    rows = [in_turn(f, _time_of(i), i.ties) for f, i in zip(frames, inputs, strict=True)]
    times = [event_times(f, _time_of(i)) for f, i in zip(rows, inputs, strict=True)]
    begins, total = [0] * len(rows), sum(f.height for f in rows)
    while total - sum(begins) > rows_max:
        rest = np.concatenate([t[at : at + rows_max + 1] for t, at in zip(times, begins, strict=True)])
        next_time = int(np.partition(rest, rows_max)[rows_max])
        ends = [int(np.searchsorted(t, next_time)) for t in times]
        if len(rows) == 1:
            # also between rows of one time: they are in order, and timers of that time wait
            ends = [begins[0] + rows_max]
        elif ends == begins:
            ends = [int(np.searchsorted(t, next_time, "right")) for t in times]
            next_time += 1
        if sum(ends) == total:
            break
        yield [f[at:end] for f, at, end in zip(rows, begins, ends, strict=True)], next_time
        begins = ends
    yield [f[at:] for f, at in zip(rows, begins, strict=True)], None


def _time_of(side: ProcessInput) -> str:
    assert side.time is not None, "the planner finds the time"
    return side.time


def _times(rows: pl.DataFrame, side: ProcessInput) -> Array:
    return np.zeros(rows.height, np.int64) if side.time is None else event_times(rows, side.time)


def _keys(rows: Sequence[pl.DataFrame], inputs: Sequence[ProcessInput], due: Due) -> pl.DataFrame:
    """The keys of all rows, and then of all timers, under the names of the first input."""
    names = due.keys.columns
    if not names:
        return pl.DataFrame(height=sum(f.height for f in rows) + len(due.times))
    mine = [pick(f, list(i.keys)) for f, i in zip(rows, inputs, strict=True)]
    named = [to_frame([renamed(c, n) for c, n in zip(f.get_columns(), names, strict=True)]) for f in mine]
    return below([*named, due.keys])


def in_turn(rows: pl.DataFrame, time: str, ties: Sequence[str]) -> pl.DataFrame:
    """The rows in the order of time, those of one time in that of their positions."""
    times = event_times(rows, time)
    if (np.diff(times) > 0).all():
        return rows
    places = [rows.get_column(n).to_numpy() for n in (SPLIT, OFFSET) if n in rows.columns]
    if places:
        order = np.lexsort([*reversed(places), times])
        keys = [times[order], *(p[order] for p in places)]
        if np.logical_or.reduce([k[1:] != k[:-1] for k in keys]).all():
            return gather_rows(rows, order)
    # such as several rows that one was unfolded into
    return rows.sort([time, *ties])
