"""Choose which rows of a state a reader wants, and cut them into bounded parts.

Not here: how the rows are kept (memory.py, multimap.py, rows.py), who reads (runtime/looks.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

Array = np.ndarray[Any, Any]
_PLACE = "__state_place"


def bounded(numbers: Array, rows_max: int) -> Iterator[Array]:
    """So many numbers at a time; none at all are one part, so that whoever reads learns the columns.

    Example:
        >>> [part.tolist() for part in bounded(np.arange(5), 2)]
        [[0, 1], [2, 3], [4]]
    """
    for first in range(0, max(1, len(numbers)), rows_max):
        yield numbers[first : first + rows_max]


def matching(frame: pl.DataFrame, keys: pl.DataFrame) -> Array:
    """The places of the rows whose values in the columns of `keys` are those of one of its rows.

    Example:
        >>> matching(pl.DataFrame({"k": [1, None, 1]}), pl.DataFrame({"k": [1]})).tolist()
        [0, 2]
    """
    names = keys.columns
    placed = frame.select(names).with_row_index(_PLACE)
    found = placed.join(keys, on=names, how="semi", nulls_equal=True, maintain_order="left")
    return found.get_column(_PLACE).cast(pl.Int64).to_numpy()
