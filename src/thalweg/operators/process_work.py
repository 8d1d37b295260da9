"""Lay out the rows and timers of some keys for a keyed function: key by key, each in the order of time.

Used by: process_op.py, process_calls.py, process_columns.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.columnar.eager import below, gather_rows, pick
from thalweg.columnar.groups import by_group, group_rows
from thalweg.operators.event_timers import Due
from thalweg.operators.event_times import event_times
from thalweg.protocols.state import KeyedColumns

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Work:
    """The rows and timers of some keys; keys are numbered.

    Attributes:
        keys: the keys, one after the other.
        slots: of their state.
        rows: in the order of time.
        order: the rows key by key, those of a key in the order of time.
        bounds: where in `order` each key begins; and where the last one ends.
        times: their event times in microseconds, key by key.
        owners: the number of each timer's key, ascending.
        due: the times of the timers that are due, those of a key ascending.
    """

    keys: pl.DataFrame
    slots: Array
    rows: pl.DataFrame
    order: Array
    bounds: Array
    times: Array
    owners: Array
    due: Array


def laid_out(
    rows: pl.DataFrame, due: Due, kept: KeyedColumns, *, time: str | None, ties: Sequence[str] | None
) -> Work:
    """Rows and timers by key, with the slots of the keys.

    Args:
        rows: in any order, or in theirs.
        due: the timers.
        kept: the state of the keys.
        time: the column of event time, if there is one.
        ties: what orders rows of equal time, their positions first, if they have any; None: rows stay in the
            order that they are in.
    """
    if time is not None and ties is not None:
        rows = in_turn(rows, time, ties)
    names = due.keys.columns
    keys = (
        below([pick(rows, names), due.keys]) if names else pl.DataFrame(height=rows.height + len(due.times))
    )
    slots = kept.slots(keys)
    found = group_rows(slots.reshape(-1, 1))
    groups, owners = found.ids[: rows.height], found.ids[rows.height :]
    order, bounds = by_group(groups, found.height)
    turn = np.lexsort([due.times, owners])
    return Work(
        gather_rows(keys, found.firsts),
        slots[found.firsts],
        rows,
        order,
        bounds,
        np.zeros(len(order), np.int64) if time is None else event_times(rows, time)[order],
        owners[turn],
        due.times[turn],
    )


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
