"""Make batches fit for the outside: without the engine's columns, changes as inserts, updates and deletes.

Not here: the words for changes (operators/changelog.py), folding changes into a table (memory.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch, join_batches
from thalweg.columnar.eager import pick
from thalweg.operators.changelog import with_ops


def visible(batch: Batch, schema: Schema) -> Batch:
    """The batch without the columns that belong to the engine."""
    names = schema.names
    return batch if tuple(batch.frame.columns) == names else batch.with_frame(pick(batch.frame, names))


def between_cuts(batches: Sequence[Batch], key: Sequence[str] = ()) -> pl.DataFrame:
    """All changes between two cuts as one, with the column `op` first.

    Example:
        >>> old = Batch(pl.DataFrame({"k": [1], "n": [4]}), pl.Series([-1]))
        >>> between_cuts([old, Batch(pl.DataFrame({"k": [1], "n": [5]}))], key=["k"]).rows()
        [('-U', 1, 4), ('+U', 1, 5)]
    """
    batch = join_batches(batches)
    return with_ops(batch, tuple(batch.frame.columns), tuple(key))
