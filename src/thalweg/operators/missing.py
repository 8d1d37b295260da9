"""Report that a row is taken back which is not there.

Operators look at cuts: between two of them a removal may come before what it removes. Such a row means that a
step below gave other values for the same row when it came and when it went.

Used by: every operator that counts rows (running.py, join_side.py, running_rank.py, …).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.errors import DataError

Array = np.ndarray[Any, Any]
_SHOWN_MAX = 200


def check_present(counts: Array, rows: Callable[[Array], pl.DataFrame], what: str = "row") -> None:
    """Refuse rows that are there less than zero times.

    Args:
        counts: how often each row is there.
        rows: gives the columns of some of them, by their places in `counts`.
        what: what the columns are: a row, a key, a value of a group.

    Raises:
        DataError: `data-unknown-row`, with the first of them.
    """
    if not len(counts) or counts.min() >= 0:
        return
    place = int(np.argmax(counts < 0))
    frame = rows(np.array([place]))
    row = frame.row(0, named=True) if frame.width else {}
    offset = row.pop(OFFSET, None)
    split = row.pop(SPLIT, None)
    shown = ", ".join(f"{name} = {value!r}" for name, value in row.items() if not name.startswith("__arg "))
    raise DataError(
        f"a change removes a {what} that is not there",
        code="data-unknown-row",
        split=None if split is None else str(split),
        offset=offset,
        sample=(shown or "the group of all rows")[:_SHOWN_MAX],
        expected="at every cut, a removal only of what has come",
        found=f"{-int(counts[place])} more removed than came",
        hint="a Python function must give the same value for the same row each time it is called",
    )
