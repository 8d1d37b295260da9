"""Lay out the rows and timers of some keys for a keyed function: key by key, each in the order of time.

Rows without timers, for a function of columns, are laid out in rounds: each has the next row of every key.

Used by: process_op.py, process_calls.py, process_columns.py, process_failed.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.arrow import to_frame
from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.columnar.buffers import values_and_validity
from thalweg.columnar.eager import below, gather_rows, renamed
from thalweg.columnar.groups import by_group, by_round, group_rows
from thalweg.columnar.time_order import time_order
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
        moments: how far event time is when each has its turn.
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
    moments: Array
    owners: Array
    due: Array

    def keys_of(self, numbers: Array) -> pl.DataFrame:
        """Keys by their numbers."""
        return gather_rows(self.keys, numbers)


@dataclass(frozen=True)
class Rounds:
    """The rows of some keys, each key's one after the other, where no timer comes between them.

    The number of a key is its slot.

    Attributes:
        kept: the state of the keys.
        rows: those of each input, of which one has some: the first of every key, the second, and so on.
        port: of that input.
        bounds: where the rows of each round begin; and where the last one's end.
        slots: of the state of each row's key.
        times: their event times in microseconds.
    """

    kept: BriefColumns
    rows: tuple[pl.DataFrame, ...]
    port: int
    bounds: Array
    slots: Array
    times: Array

    @property
    def order(self) -> Array:
        """The rows' numbers, in their order."""
        return np.arange(len(self.slots))

    @property
    def ports(self) -> Array:
        """The input of each."""
        return np.full(len(self.slots), self.port)

    def keys_of(self, numbers: Array) -> pl.DataFrame:
        """Keys by their numbers."""
        return self.kept.keys(numbers)


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
        in_turn(f, i.turn, i.ties) if is_ordered and i.turn is not None else f
        for f, i in zip(frames, inputs, strict=True)
    ]
    times = [_times(f, i.time) for f, i in zip(rows, inputs, strict=True)]
    moments = [
        t if i.turn == i.time else _times(f, i.turn) for t, f, i in zip(times, rows, inputs, strict=True)
    ]
    ports = np.repeat(np.arange(len(rows)), [f.height for f in rows])
    keys = _keys(rows, inputs, due)
    slots = kept.slots(keys)
    found = group_rows(slots.reshape(-1, 1))
    groups, owners = found.ids[: len(ports)], found.ids[len(ports) :]
    order, bounds = by_group(groups, found.height)
    together, at = (each[0] if len(each) == 1 else np.concatenate(each) for each in (times, moments))
    if len(rows) > 1 and is_ordered:
        # both are in order by themselves; of one time those of the first input come first
        order = np.lexsort([ports, at, groups])
    turn = np.argsort(due.times)
    turn = turn[by_group(owners[turn], found.height)[0]]
    return Work(
        gather_rows(keys, found.firsts),
        slots[found.firsts],
        tuple(rows),
        order,
        ports[order],
        bounds,
        together[order],
        at[order],
        owners[turn],
        due.times[turn],
    )


def in_rounds(
    frames: Sequence[pl.DataFrame],
    inputs: Sequence[ProcessInput],
    kept: BriefColumns,
    *,
    is_ordered: bool = True,
) -> Rounds:
    """The rows of the one input that has some, in rounds; arguments as of `laid_out`."""
    port = next(port for port, frame in enumerate(frames) if frame.height)
    frame, side = frames[port], inputs[port]
    if is_ordered and side.turn is not None:
        frame = in_turn(frame, side.turn, side.ties)
    slots = kept.slots(_named_keys(frame, side, inputs[0].keys))
    found = group_rows(slots.reshape(-1, 1))
    order, bounds = by_round(found.ids, found.height)
    rows = list(frames)
    rows[port] = gather_rows(frame, order)
    return Rounds(kept, tuple(rows), port, bounds, slots.take(order), _times(rows[port], side.time))


def in_parts(
    frames: Sequence[pl.DataFrame], inputs: Sequence[ProcessInput], rows_max: int
) -> Iterator[tuple[list[pl.DataFrame], int | None]]:
    """Many rows in the order of time, about so many at once: a function's rows are objects of Python.

    Rows of one time stay together where there are several inputs: those of the first one come before.

    Yields:
        The rows of each input; and the time before which timers are due with them, None with the last rows.
    """
    rows = [in_turn(f, _turn_of(i), i.ties) for f, i in zip(frames, inputs, strict=True)]
    times = [event_times(f, _turn_of(i)) for f, i in zip(rows, inputs, strict=True)]
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


def _turn_of(side: ProcessInput) -> str:
    assert side.turn is not None, "the planner finds the time"
    return side.turn


def _times(rows: pl.DataFrame, column: str | None) -> Array:
    return np.zeros(rows.height, np.int64) if column is None else event_times(rows, column)


def _keys(rows: Sequence[pl.DataFrame], inputs: Sequence[ProcessInput], due: Due) -> pl.DataFrame:
    """The keys of all rows, and then of all timers, under the names of the first input."""
    names = due.keys.columns
    if not names:
        return pl.DataFrame(height=sum(f.height for f in rows) + len(due.times))
    return below([*(_named_keys(f, i, names) for f, i in zip(rows, inputs, strict=True)), due.keys])


def _named_keys(rows: pl.DataFrame, side: ProcessInput, names: Sequence[str]) -> pl.DataFrame:
    """The keys of the rows of an input, under other names."""
    if not names:
        return pl.DataFrame(height=rows.height)
    return to_frame([renamed(rows.get_column(k), n) for k, n in zip(side.keys, names, strict=True)])


def in_turn(rows: pl.DataFrame, time: str, ties: Sequence[str]) -> pl.DataFrame:
    """The rows in the order of time, those of one time in that of their positions."""
    times = event_times(rows, time)
    if (np.diff(times) > 0).all():
        return rows
    if SPLIT in rows.columns:
        order = time_order(times, *(values_and_validity(rows.get_column(n))[0] for n in (SPLIT, OFFSET)))
        if order is not None:
            return gather_rows(rows, order)
    # such as several rows that one was unfolded into
    return rows.sort([time, *ties])
