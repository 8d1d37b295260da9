"""Read the event time of rows that are put in order by it.

Used by: as_of.py, over.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.buffers import values_and_validity
from thalweg.errors import DataError

Array = np.ndarray[Any, Any]


def event_times(frame: pl.DataFrame, column: str) -> Array:
    """The times of a column in microseconds; a row without one is a bad row.

    Raises:
        DataError: a time is NULL; names the row.

    Example:
        >>> from datetime import datetime
        >>> event_times(pl.DataFrame({"ts": [datetime(1970, 1, 1, 0, 0, 1)]}), "ts").tolist()
        [1000000]
    """
    series = frame.get_column(column)
    if series.null_count():
        row = int(series.is_null().arg_max() or 0)
        raise DataError(
            f'the event time "{column}" is NULL, so that the row has no place in the order',
            code="data-null-time",
            offset=row,
            sample=str(frame.row(row, named=True)),
        )
    return values_and_validity(series)[0]
