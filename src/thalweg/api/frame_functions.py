"""Wrap the user's functions of frames and of whole rows for the plan.

Both are called on arbitrary cuts of the data and must treat every row by itself.

Not here: functions of values (user_functions.py), how a stage calls them (operators/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from thalweg.api.place import place_of
from thalweg.base.schema import Schema
from thalweg.columnar.outside import handed_out, taken_in
from thalweg.errors import DataError
from thalweg.expr.python import carry
from thalweg.expr.python_rows import GivenRows, Row
from thalweg.plan.nodes import FrameFunction


def frame_function(
    call: Callable[[pl.DataFrame], pl.DataFrame],
    given: Schema,
    result: Schema,
    *,
    of: Callable[..., object] | None = None,
) -> FrameFunction:
    """The user's function of frames; `of`: the user's function, where `call` is one that calls it."""
    return FrameFunction(_name(of or call), Outside(call, given, result), place_of(of or call))


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
        made = [row for given in frame.iter_rows(named=True) for row in self.call(given)]
        try:
            return GivenRows(self.result, _name(self.call), place_of(self.call)).frame(made)
        except DataError as error:
            # whoever calls the function reports its exceptions as the user's; this one is ours
            raise carry(error) from error.__cause__
