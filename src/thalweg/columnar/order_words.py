"""Turn columns to order by into rows of int64 words that order alike.

The rows of a table in an order are the words in lexicographic order: for each column a word that says
where NULL stands, then the value, turned around where the greatest comes first. NaN is above everything,
as in Flink, and -0.0 is 0.0.

Not here: keys, where only equality counts (keys.py); columns without such words (texts, nested values).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.accumulate import ordered_words
from thalweg.columnar.buffers import is_plain, values_and_validity
from thalweg.columnar.key_order import Order

Array = np.ndarray[Any, Any]
_SIGN = np.int64(-(2**63))


def has_words(dtype: pl.DataType) -> bool:
    """Whether values of the type have words that order as they do."""
    return is_plain(dtype) and not isinstance(dtype, (pl.Categorical, pl.Enum))


def order_words(
    frame: pl.DataFrame, order: Sequence[Order], ties: Sequence[str], *, turned: bool = False
) -> Array:
    """The words of each row: two per column of the order, then one per column that breaks ties.

    Args:
        frame: the rows.
        order: what to order by first.
        ties: whole numbers without NULL, upwards.
        turned: whether those go downwards.

    Example:
        >>> rows = pl.DataFrame({"v": [1, 3, None], "at": [0, 1, 2]})
        >>> words = order_words(rows, [("v", True, False)], ["at"])
        >>> np.lexsort(words.T[::-1]).tolist()
        [1, 0, 2]
    """
    words = np.zeros((frame.height, 2 * len(order) + len(ties)), np.int64)
    for at, (name, descending, nulls_first) in enumerate(order):
        column = frame.get_column(name)
        values, validity = values_and_validity(column)
        held = ordered_words(values) if values.dtype == np.float64 else values
        if column.dtype == pl.UInt64:
            held = held ^ _SIGN
        words[:, 2 * at + 1] = ~held if descending else held
        if validity is not None:
            words[:, 2 * at] = ~validity if not nulls_first else validity
            words[~validity, 2 * at + 1] = 0
        elif nulls_first:
            words[:, 2 * at] = 1
    for at, name in enumerate(ties, 2 * len(order)):
        values = values_and_validity(frame.get_column(name))[0]
        words[:, at] = ~values if turned else values
    return words
