"""Accept tables in the forms that programs have them in, and make Polars frames of them.

Not here: reading files (connectors/), types that Thalweg does not know (`Schema.from_polars` says so).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from thalweg.api.place import caller
from thalweg.errors import ConfigError, DataError

_FORMS = (
    "a Polars or pandas frame, a PyArrow table, anything with the Arrow C interface, a dict of lists, "
    "or a list of dicts or dataclasses"
)


def to_frame(obj: Any) -> pl.DataFrame:  # any table-like object; the rest is refused by name
    """The rows of a table-like object.

    Takes Polars frames (lazy ones are collected), pandas frames (without their index), PyArrow tables,
    whatever has the Arrow C interface, dicts of columns, and lists of dicts or dataclasses.

    Raises:
        DataError: `data-no-frame` for anything else, and for rows that do not fit together.

    Example:
        >>> to_frame([{"a": 1}, {"a": None, "b": "x"}]).rows()
        [(1, None), (None, 'x')]
    """
    if isinstance(obj, pl.DataFrame):
        return obj
    if isinstance(obj, pl.LazyFrame):
        return obj.collect()
    if isinstance(obj, pl.Series):
        return obj.to_frame()
    try:
        return _converted(obj)
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        raise _refused(obj, str(error).splitlines()[0] if str(error) else None) from error


def _converted(obj: Any) -> pl.DataFrame:
    if type(obj).__module__.partition(".")[0] == "pandas":
        return _from_pandas(obj)
    if hasattr(obj, "__arrow_c_stream__") or hasattr(obj, "__arrow_c_array__"):
        return pl.DataFrame(obj)
    if isinstance(obj, Mapping):
        return pl.DataFrame(dict(obj))
    if isinstance(obj, Sequence) and not isinstance(obj, (str, bytes)):
        return _from_rows(obj)
    raise _refused(obj)


def _from_pandas(obj: Any) -> pl.DataFrame:
    try:
        made = pl.from_pandas(obj)
    except ImportError as error:
        raise missing_library(error) from error
    return made if isinstance(made, pl.DataFrame) else made.to_frame()


def _from_rows(rows: Sequence[Any]) -> pl.DataFrame:
    if rows and all(dataclasses.is_dataclass(r) and not isinstance(r, type) for r in rows):
        rows = [dataclasses.asdict(r) for r in rows]
    if not all(isinstance(r, Mapping) for r in rows):
        odd = next(r for r in rows if not isinstance(r, Mapping))
        raise _refused(rows, f"a row of Python type {type(odd).__name__}")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pl.DataFrame({n: [row.get(n) for row in rows] for n in names})


def _refused(obj: object, found: str | None = None) -> DataError:
    return DataError(
        f"a value of Python type {type(obj).__name__} cannot be read as a table",
        code="data-no-frame",
        where=caller(),
        expected=_FORMS,
        found=found,
    )


def missing_library(error: ImportError) -> ConfigError:
    """What to raise when a library is needed that is not installed."""
    name = error.name or str(error)
    return ConfigError(
        f'the library "{name}" is needed and not installed',
        code="config-missing-library",
        where=caller(),
        hint=f"pip install {name}",
    )
