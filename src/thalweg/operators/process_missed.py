"""Tell of the rows that came too late for windows said in Python: once for each window that was over.

Used by: process_calls.py, process_op.py. Not here: which rows these are (api/windowing/).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from thalweg.columnar.arrow import to_frame
from thalweg.columnar.batch import OFFSET, SPLIT, Batch
from thalweg.columnar.eager import gather_rows, pick, without
from thalweg.operators.process import ProcessInput
from thalweg.operators.process_work import Work
from thalweg.plan.shapes import WINDOW_END, WINDOW_START
from thalweg.protocols.operator import Side
from thalweg.protocols.process import MISSED_PORT

Missed = tuple[int, int, int, bool]
"""Which row it is, the start and the end of the window, and whether the row counts nowhere."""
_GONE = "__gone"


def missed_rows(missed: Sequence[Missed], work: Work, side: ProcessInput) -> pl.DataFrame:
    """The columns of `MissedRows`, with splits as numbers, and whether the row counts nowhere."""
    places, starts, ends = (np.array(column, np.int64) for column in list(zip(*missed, strict=True))[:3])
    rows = gather_rows(work.rows[0], work.order[places])
    names = list(side.shown)
    bounds = []
    for name, times in ((WINDOW_START, starts), (WINDOW_END, ends)):
        while name in names:
            name += "_"
        bounds.append(pl.Series(name, times).cast(pl.Datetime("us")))
    held = [c for c in (SPLIT, OFFSET) if c in rows.columns]
    nothing = pl.Series("", [None] * len(places), pl.Int64)
    found = {c: rows.get_column(c) for c in held}
    places_of = [found.get(c, nothing).alias(n) for c, n in ((SPLIT, "split"), (OFFSET, "position"))]
    gone = pl.Series(_GONE, [is_gone for *_, is_gone in missed])
    return to_frame([*pick(rows, names).get_columns(), *bounds, *places_of, gone])


def missed_side(frame: pl.DataFrame) -> Side:
    """Some of these rows for their port, with how many of them count nowhere."""
    gone = int(frame.get_column(_GONE).sum())
    return Side(MISSED_PORT, Batch(without(frame, _GONE)), frame.height, gone)
