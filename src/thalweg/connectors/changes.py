"""Say changes in the words of the outside: inserts, updates and deletes.

Inside, a change is a row and a weight. Outside, a row that goes and one of the same key that comes are
an update. Without a key only inserts and deletes can be told apart.

Not here: folding changes into a table (memory.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.batch import WEIGHT, Batch, consolidate, join_batches

OP = "op"
"""Name of the column that says what happened to a row."""
_PLACE = "__place"
INSERT, UPDATE_BEFORE, UPDATE_AFTER, DELETE = "+I", "-U", "+U", "-D"


def visible(batch: Batch, schema: Schema) -> Batch:
    """The batch without the columns that belong to the engine."""
    names = schema.names
    return batch if tuple(batch.frame.columns) == names else batch.with_frame(batch.frame.select(names))


def with_ops(batches: Sequence[Batch], key: Sequence[str] = ()) -> pl.DataFrame:
    """All changes between two cuts, with the column `op` first; a key's old row stands before its new one.

    Example:
        >>> old_new = Batch(pl.DataFrame({"k": [1, 1], "n": [4, 5]}), pl.Series([-1, 1]))
        >>> with_ops([old_new], key=["k"]).rows()
        [('-U', 1, 4), ('+U', 1, 5)]
    """
    batch = consolidate(join_batches(batches))
    if batch.is_append:
        return batch.frame.select(pl.lit(INSERT).alias(OP), pl.all())
    frame = repeated(batch).with_columns(_op(key).alias(OP))
    if key:
        first = pl.col(_PLACE).min().over(key)
        frame = frame.with_row_index(_PLACE).sort(first, pl.col(WEIGHT), maintain_order=True)
    return frame.select(OP, *batch.frame.columns)


def _op(key: Sequence[str]) -> pl.Expr:
    gains = pl.col(WEIGHT) > 0
    plain = pl.when(gains).then(pl.lit(INSERT)).otherwise(pl.lit(DELETE))
    if not key:
        return plain
    is_update = gains.any().over(key) & (~gains).any().over(key)
    update = pl.when(gains).then(pl.lit(UPDATE_AFTER)).otherwise(pl.lit(UPDATE_BEFORE))
    return pl.when(is_update).then(update).otherwise(plain)


def repeated(batch: Batch) -> pl.DataFrame:
    """One row per unit of weight, the weights cut to +1 and -1."""
    frame = batch.packed()
    times = np.abs(batch.weights().to_numpy())
    if (times != 1).any():
        frame = frame[np.repeat(np.arange(frame.height), times)]
    return frame.with_columns(pl.col(WEIGHT).sign())
