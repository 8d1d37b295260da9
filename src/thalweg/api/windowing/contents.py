"""Keep what a window needs for its result: all of its rows, or one value that was made of them.

Not here: windows (panes.py), when they give a result (functions.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal, Protocol

import polars as pl

from thalweg.api.windowing.aggregators import Aggregator, Folded, kept_type, row_type
from thalweg.api.windowing.assigners import Bounds
from thalweg.api.windowing.evictors import Evictor
from thalweg.api.windowing.panes import Pane
from thalweg.api.windowing.times import micros_of, time_of
from thalweg.base.schema import Schema
from thalweg.errors import PlanError
from thalweg.expr.python_rows import GivenRows, Row, maker

# Any: rows are named tuples of the user's own columns
WindowCall = Callable[[Any, Bounds, Any], "Iterable[Row] | pl.DataFrame | None"]
"""A function of a whole window: of the key, the window, and its rows in the order of event time."""
By = Literal["row", "column"]


class Contents(Protocol):
    """What windows keep."""

    name: str

    @property
    def fields(self) -> dict[str, Any]:
        """What a pane has more for it: names and types, each with what it begins with."""
        ...

    def add(self, key: Any, bounds: Bounds, pane: Pane, time: int, row: Any) -> None:
        """A row more."""
        ...

    def join(self, first: Pane, second: Pane) -> None:
        """What the second one has comes to the first one."""
        ...

    def clear(self, pane: Pane) -> None:
        """Nothing any more."""
        ...

    def result(self, key: Any, bounds: Bounds, pane: Pane) -> Iterable[Row]:
        """The rows that the window gives."""
        ...


@dataclass
class AllRows:
    """All rows, with their times.

    Attributes:
        rows: their columns.
        function: makes the result; None: who asks for the rows does (calls.py).
        by: whether it takes named tuples, or a frame.
        evictor: says which rows count.
        name: what messages call the function.
    """

    rows: Schema
    function: WindowCall | None
    by: By
    evictor: Evictor | None
    name: str = ""

    def __post_init__(self) -> None:
        self.name = self.name or getattr(self.function, "__name__", type(self.function).__name__)
        self._to_row, self._frames = maker("Row", self.rows.names), GivenRows(self.rows, self.name)

    @property
    def fields(self) -> dict[str, Any]:
        """The rows."""
        each: Any = list.__class_getitem__(tuple.__class_getitem__((int, row_type(self.rows))))
        return {"rows": (each, list)}

    def add(self, key: Any, bounds: Bounds, pane: Pane, time: int, row: Any) -> None:
        """The row."""
        del key, bounds
        pane.rows.append((time, tuple(row)))
        pane.count += 1

    def join(self, first: Pane, second: Pane) -> None:
        """The rows of both."""
        first.rows.extend(second.rows)
        first.count += second.count

    def clear(self, pane: Pane) -> None:
        """No rows."""
        pane.rows.clear()
        pane.count = 0

    def result(self, key: Any, bounds: Bounds, pane: Pane) -> Iterable[Row]:
        """What the function makes of the rows that count."""
        shown = self.shown(pane)
        assert self.function is not None, "who has a function of its own asks for the rows"
        return () if shown is None else as_rows(self.function(key, bounds, shown))

    def shown(self, pane: Pane) -> Any:
        """The rows that count, as the function takes them; None: there are none."""
        # late rows come last, and those of windows that have become one
        pane.rows.sort(key=itemgetter(0))
        if self.evictor is not None:
            self._evict(self.evictor, pane)
        if not pane.count:
            return None
        values = [values for _, values in pane.rows]
        return self._frames.frame(values) if self.by == "column" else list(map(self._to_row, values))

    def _evict(self, evictor: Evictor, pane: Pane) -> None:
        rows = [(time_of(at), self._to_row(values)) for at, values in pane.rows]
        kept = evictor.keep(rows)
        if not isinstance(kept, Sequence):
            raise PlanError(
                "an evictor says which rows count",
                code="plan-window-evictor",
                expected="some of the rows, each with its time, in their order",
                found=f"a value of Python type {type(kept).__name__}",
            )
        if len(kept) != len(rows):
            pane.rows[:] = [(micros_of(at), tuple(row)) for at, row in kept]
            pane.count = len(kept)


def as_rows(made: Iterable[Row] | pl.DataFrame | None) -> Iterable[Row]:
    """What a function of a window gives, row by row."""
    if isinstance(made, pl.DataFrame):
        return made.rows(named=True)
    return () if made is None else made


@dataclass
class OneValue:
    """A value that was made of the rows as they came.

    Attributes:
        rows: their columns.
        aggregator: makes it.
    """

    rows: Schema
    aggregator: Aggregator
    name: str

    @property
    def fields(self) -> dict[str, Any]:
        """The value; None for a window without rows."""
        return {"held": (kept_type(self.aggregator, self.rows) | None, lambda: None)}

    def add(self, key: Any, bounds: Bounds, pane: Pane, time: int, row: Any) -> None:
        """The value with the row."""
        del time
        held = pane.held if pane.count else begun(self.aggregator, key, bounds)
        pane.held = added(self.aggregator, held, row)
        pane.count += 1

    def join(self, first: Pane, second: Pane) -> None:
        """One value of both."""
        if first.count and second.count:
            merge: Any = self.aggregator
            first.held = merge.merge(first.held, second.held)
        elif second.count:
            first.held = second.held
        first.count += second.count

    def clear(self, pane: Pane) -> None:
        """No value."""
        pane.held, pane.count = None, 0

    def result(self, key: Any, bounds: Bounds, pane: Pane) -> Iterable[Row]:
        """What the aggregator makes of the value."""
        return (self.aggregator.result(key, bounds, pane.held) or ()) if pane.count else ()


def aggregated(
    aggregator: Aggregator, rows: Schema, name: str, *, merges: bool, evictor: Evictor | None
) -> Contents:
    """The value by itself, where no evictor needs the rows and no merging of windows."""
    if evictor is None and (not merges or hasattr(aggregator, "merge")):
        return OneValue(rows, aggregator, name)

    def whole(key: Any, window: Bounds, found: Sequence[Any]) -> Iterable[Row] | None:
        held = begun(aggregator, key, window)
        for row in found:
            held = added(aggregator, held, row)
        return aggregator.result(key, window, held)

    whole.__name__ = name
    return AllRows(rows, whole, "row", evictor)


def begun(aggregator: Aggregator, key: Any, bounds: Bounds) -> Any:
    """The value of no rows."""
    return aggregator.begun(key, bounds) if isinstance(aggregator, Folded) else aggregator.create()


def added(aggregator: Aggregator, held: Any, row: Any) -> Any:
    """The value with one more row."""
    made = aggregator.add(held, row)
    if made is None:
        raise TypeError(f"add of {type(aggregator).__name__} gives None, and not the value with the row")
    return made
