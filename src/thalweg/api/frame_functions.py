"""Wrap the user's functions of frames and of whole rows for the plan.

Both are called on arbitrary cuts of the data and must treat every row by itself.

Not here: functions of values (user_functions.py), how a stage calls them (operators/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import polars as pl

from thalweg.api.place import place_of
from thalweg.base.schema import Schema
from thalweg.columnar.outside import handed_out, taken_in
from thalweg.errors import DataError, did_you_mean
from thalweg.expr.python import carry
from thalweg.plan.nodes import FrameFunction

# Any: the values of the user's own columns
Row: TypeAlias = Mapping[str, Any] | Sequence[Any]
"""What a row function gives: values by name, or in the order of the declared schema."""


def frame_function(
    call: Callable[[pl.DataFrame], pl.DataFrame], given: Schema, result: Schema
) -> FrameFunction:
    """The user's function of frames."""
    return FrameFunction(_name(call), Outside(call, given, result), place_of(call))


def row_function(
    call: Callable[[dict[str, Any]], Iterable[Row]], given: Schema, result: Schema
) -> FrameFunction:
    """The user's function of rows, as one of frames."""
    return FrameFunction(_name(call), Outside(EachRow(call, result), given, result), place_of(call))


def _name(call: Callable[..., object]) -> str:
    return getattr(call, "__name__", type(call).__name__)


@dataclass(frozen=True)
class Outside:
    """Calls a function of frames with frames as programs see them."""

    call: Callable[[pl.DataFrame], pl.DataFrame]
    given: Schema
    result: Schema

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        made = self.call(handed_out(frame, self.given))
        # what is no frame is refused where the columns are checked
        return taken_in(made, self.result) if isinstance(made, pl.DataFrame) else made


@dataclass(frozen=True)
class EachRow:
    """Calls a function for each row of a frame, and collects the rows that it gives.

    Example:
        >>> from thalweg.api.types import schema_of
        >>> each = EachRow(lambda row: [(word,) for word in row["line"].split()], schema_of("word STRING"))
        >>> each(pl.DataFrame({"line": ["to be", ""]}))["word"].to_list()
        ['to', 'be']
    """

    call: Callable[[dict[str, Any]], Iterable[Row]]
    result: Schema

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        made = [self._values(row) for given in frame.iter_rows(named=True) for row in self.call(given)]
        columns = zip(*made, strict=True) if made else [()] * len(self.result)
        series = [self._column(f.name, list(c)) for f, c in zip(self.result, columns, strict=True)]
        return pl.DataFrame(series)

    def _values(self, row: Row) -> Sequence[Any]:
        names = self.result.names
        if isinstance(row, Mapping):
            unknown = [str(n) for n in row if n not in names]
            if unknown:
                raise self._wrong(f'the column "{unknown[0]}"', did_you_mean(unknown[0], names))
            return [row.get(n) for n in names]
        if isinstance(row, (str, bytes)) or not isinstance(row, Sequence):
            raise self._wrong(f"a row of Python type {type(row).__name__}", "a row is a dict or a tuple")
        if len(row) != len(names):
            raise self._wrong(f"a row of {len(row)} values")
        return row

    def _column(self, name: str, values: list[Any]) -> pl.Series:
        wanted = self.result.outer[name]
        try:
            return pl.Series(name, values, dtype=wanted, strict=True)
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
            raise self._wrong(f'column "{name}": {str(error).splitlines()[0]}') from error

    def _wrong(self, found: str, hint: str | None = None) -> Exception:
        error = DataError(
            f'the function "{_name(self.call)}" gave other rows than declared',
            code="data-python-result",
            where=place_of(self.call),
            expected=str(self.result),
            found=found,
            hint=hint,
        )
        # whoever calls the function reports its exceptions as the user's; this one is ours
        return carry(error)
