"""Make frames of the rows that a user's function gives: dicts, or tuples in the order of the columns.

Used by: functions of rows (api/frame_functions.py), keyed functions (operators/process_op.py).
Not here: values that a function gives for one column (python.py).
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeAlias

import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.outside import taken_in
from thalweg.errors import DataError, did_you_mean

# Any: the values of the user's own columns
Row: TypeAlias = Mapping[str, Any] | Sequence[Any]
"""What a row function gives: values by name, or in the order of the declared schema."""


def _copied(row: Any) -> Any:
    """A row of values that do not change."""
    if isinstance(row, dict):
        return {**row}
    return tuple(row) if type(row) is list else row


_SHOWN_MAX = 200
_HOW_TO_GIVE = "a row is a dict or a tuple; a function yields rows, or returns a list of them"


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _frozen(v) for k, v in value.items()}
    if type(value) in (list, set, frozenset):
        return [_frozen(v) for v in value]
    if isinstance(value, tuple):
        return tuple(map(_frozen, value))
    return value if isinstance(value, (str, bytes, int, float, type(None))) else deepcopy(value)


@dataclass(frozen=True)
class GivenRows:
    """What a function has declared that it gives.

    Attributes:
        result: the columns.
        name: what messages call the function.
        place: where it is written.

    Example:
        >>> from thalweg.base.types import INT64, STRING
        >>> given = GivenRows(Schema.of({"word": STRING, "n": INT64}), "count")
        >>> given.frame([("to", 1), {"word": "be"}]).rows()
        [('to', 1), ('be', None)]
    """

    result: Schema
    name: str
    place: str | None = None

    def take(self, rows: Iterable[Row], given: list[Row]) -> None:
        """Add rows to others as they are when they come, whatever becomes of their values afterwards.

        Raises:
            DataError: `data-python-result`: it is a single row, or no rows at all.
        """
        try:
            each = iter(rows)
        except TypeError:
            found = f"a value of Python type {type(rows).__name__}: {rows!r}"[:_SHOWN_MAX]
            raise self._wrong(found, _HOW_TO_GIVE) from None
        if self._is_nested:
            given.extend(_frozen(row) for row in each)
            return
        for row in each:
            # a loop: an expression that makes rows would cost three times as much where there are none
            given.append(row if type(row) is tuple else _copied(row))

    @cached_property
    def _is_nested(self) -> bool:
        return any(f.type.polars.is_nested() for f in self.result)

    def frames(self, rows: Sequence[Row], rows_max: int) -> Iterator[pl.DataFrame]:
        """The rows, so many at a time, as the engine holds them."""
        for first in range(0, len(rows), rows_max):
            yield taken_in(self.frame(rows[first : first + rows_max]), self.result)

    def checked(self, made: Any) -> pl.DataFrame:
        """A frame that the function gives, as the engine holds it.

        Raises:
            DataError: `data-python-result`.
        """
        if not isinstance(made, pl.DataFrame):
            raise self._wrong(f"a value of Python type {type(made).__name__}", "a polars.DataFrame is needed")
        frame = taken_in(made, self.result)
        if frame.schema != self.result.polars:
            raise self._wrong(str(dict(made.schema)))
        return frame

    def frame(self, rows: Sequence[Row]) -> pl.DataFrame:
        """The rows, as programs see them.

        Raises:
            DataError: `data-python-result`.
        """
        made = [self.values(row) for row in rows]
        columns = zip(*made, strict=True) if made else [()] * len(self.result)
        series = [self._column(f.name, list(c)) for f, c in zip(self.result, columns, strict=True)]
        return pl.DataFrame(series)

    def values(self, row: Row) -> Sequence[Any]:
        """The values of a row in the order of the columns.

        Raises:
            DataError: `data-python-result`.
        """
        names = self.result.names
        if type(row) is tuple and len(row) == len(names):
            return row
        if isinstance(row, Mapping):
            unknown = [str(n) for n in row if n not in names]
            if unknown:
                raise self._wrong(f'the column "{unknown[0]}"', did_you_mean(unknown[0], names))
            return [row.get(n) for n in names]
        if isinstance(row, (str, bytes)) or not isinstance(row, Sequence):
            found = f"a row of Python type {type(row).__name__}: {row!r}"[:_SHOWN_MAX]
            raise self._wrong(found, _HOW_TO_GIVE)
        if len(row) != len(names):
            raise self._wrong(f"a row of {len(row)} values: {row!r}"[:_SHOWN_MAX])
        return row

    def _column(self, name: str, values: list[Any]) -> pl.Series:
        wanted = self.result.outer[name]
        try:
            return pl.Series(name, values, dtype=wanted, strict=True)
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
            raise self._wrong(f'column "{name}": {str(error).splitlines()[0]}') from error

    def _wrong(self, found: str, hint: str | None = None) -> DataError:
        return DataError(
            f'the function "{self.name}" gave other rows than declared',
            code="data-python-result",
            where=self.place,
            expected=str(self.result),
            found=found,
            hint=hint,
        )


def maker(name: str, fields: Sequence[str]) -> Callable[[Iterable[Any]], Any]:
    """Makes named tuples; a column whose name is no name of Python is found by its place."""
    # their fields are data, which no checker of types can know
    kind: Any = namedtuple(name, list(fields), rename=True)  # type: ignore[misc]
    # a third of the time of its own `_make`, which is written in Python
    return partial(tuple.__new__, kind)
