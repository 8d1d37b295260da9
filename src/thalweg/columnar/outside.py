"""Turn frames of the engine into those that programs see, and back.

They differ in one type: a map is a list of entries inside, and a map outside.

Not here: which Polars types these are (base/types.py).
"""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from thalweg.base.schema import Schema
from thalweg.errors import DataError


def handed_out(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The frame as it leaves the engine: maps, which are lists of entries inside, as maps.

    Args:
        schema: the types of columns; those that it lacks stay as they are.

    Raises:
        DataError: `data-null-key`: a map outside has no NULL among its keys.

    Example:
        >>> from thalweg.base.types import INT64, STRING, Map
        >>> held = pl.DataFrame({"m": [[{"key": "a", "value": 1}]]})
        >>> handed_out(held, Schema.of({"m": Map(STRING, INT64)})).rows()
        [({'a': 1},)]
    """
    if not schema.differing:
        return frame
    outer = {n: schema.outer[n] for n in schema.differing if n in frame.columns}
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


def taken_in(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The frame as the engine holds it; a column that is of another type stays as it is.

    Example:
        >>> from thalweg.base.types import INT64, STRING, Map
        >>> held = pl.DataFrame({"m": [{"a": 1}]}, schema={"m": pl.Map(pl.String, pl.Int64)})
        >>> taken_in(held, Schema.of({"m": Map(STRING, INT64)})).rows()
        [([{'key': 'a', 'value': 1}],)]
    """
    outer = [n for n in schema.differing if frame.schema.get(n) == schema.outer[n]]
    return frame.with_columns(pl.col(n).cast(schema.polars[n]) for n in outer) if outer else frame


def python_values(column: pl.Series) -> list[Any]:
    """The values of a column as those of Python; times in a quarter of the time that Polars takes.

    Example:
        >>> python_values(pl.Series([0, None]).cast(pl.Datetime("us")))
        [datetime.datetime(1970, 1, 1, 0, 0), None]
    """
    if column.dtype in (pl.Date, pl.Datetime("us")) and len(column):
        # times that Python has not would come as numbers
        least, most = column.min(), column.max()
        if isinstance(least, date) and isinstance(most, date):
            found: list[Any] = column.to_numpy().tolist()
            return found
    return column.to_list()
