"""Make batches fit for the outside: without the engine's columns, changes as inserts, updates and deletes.

Not here: the words for changes (operators/changelog.py), folding changes into a table (memory.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch, join_batches
from thalweg.columnar.eager import pick
from thalweg.errors import DataError
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


def handed_out(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The frame as it leaves the engine: maps, which are lists of entries inside, as maps.

    Args:
        schema: the types of the columns; a column that it lacks stays as it is.

    Raises:
        DataError: `data-null-key`: a map outside has no NULL among its keys.

    Example:
        >>> from thalweg.base.types import INT64, STRING, Map
        >>> held = pl.DataFrame({"m": [[{"key": "a", "value": 1}]]})
        >>> handed_out(held, Schema.of({"m": Map(STRING, INT64)})).rows()
        [({'a': 1},)]
    """
    outer = {f.name: schema.outer[f.name] for f in schema if schema.outer[f.name] != f.type.polars}
    if not outer:
        return frame
    try:
        return frame.with_columns(pl.col(name).cast(held) for name, held in outer.items())
    except pl.exceptions.InvalidOperationError as error:
        if "Map keys cannot be null" not in str(error):
            raise
        raise DataError(
            "a map has NULL among its keys",
            code="data-null-key",
            found=", ".join(f"{name} {schema.get(name)}" for name in outer),
            hint="COALESCE(key, …) gives such entries a key",
        ) from error
