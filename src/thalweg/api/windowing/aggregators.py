"""Make one value of the rows of a window as they come, so that the window keeps the value and not the rows.

Not here: what is kept where (contents.py), sums of columns, which a query computes much faster (grouped.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, get_type_hints

from thalweg.api.python_types import python_type
from thalweg.api.windowing.assigners import Bounds
from thalweg.base.codecs import KEPT_TYPES, codec_of, type_name
from thalweg.base.schema import Schema
from thalweg.errors import PlanError
from thalweg.expr.python_rows import GivenRows, Row, maker


# Any: rows are named tuples of the user's own columns, and the value is for the user to say
class Aggregator(Protocol):
    """Makes a value of the rows of a window: an object of a class of yours.

    It may have a method `merge(first, second)`, which makes one value of those of two windows that have
    become one; sessions without it keep their rows.

    Example:
        >>> class Mean:
        ...     def create(self) -> tuple[int, float]:
        ...         return 0, 0.0
        ...
        ...     def add(self, held, row):
        ...         return held[0] + 1, held[1] + row.v
        ...
        ...     def result(self, key, window, held):
        ...         yield key.k, held[1] / held[0]
    """

    def create(self) -> Any:
        """The value of no rows; the annotation of the method says its type, and so how it is kept."""
        ...

    def add(self, held: Any, row: Any) -> Any:
        """The value with one more row."""
        ...

    def result(self, key: Any, window: Bounds, held: Any) -> Iterable[Row] | None:
        """The rows that the window gives."""
        ...


@dataclass
class Reduced:
    """One row that is made of all, two at a time."""

    function: Callable[[Any, Any], Any]
    rows: Schema

    def __post_init__(self) -> None:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        self._given, self._to_row = GivenRows(self.rows, name), maker("Row", self.rows.names)

    def create(self) -> Any:
        """Nothing: the first row is the value of itself."""
        return None

    def add(self, held: Any, row: Any) -> Any:
        """The row that is made of both."""
        if held is None:
            return tuple(row)
        return tuple(self._given.values(self.function(self._to_row(held), self._to_row(row))))

    def merge(self, first: Any, second: Any) -> Any:
        """The row that is made of both."""
        return self.add(first, second)

    def result(self, key: Any, window: Bounds, held: Any) -> Iterable[Row]:
        """The row."""
        del key, window
        return [held]


@dataclass
class Folded:
    """A row that begins as one says, and changes with every row of the window."""

    begin: Row | Callable[[Any, Bounds], Row]
    function: Callable[[Any, Any], Row]
    result_rows: Schema

    def __post_init__(self) -> None:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        self._given, self._to_row = GivenRows(self.result_rows, name), maker("Row", self.result_rows.names)

    def create(self) -> Any:
        """Nothing yet: what it begins with depends on the key and the window."""
        return None

    def begun(self, key: Any, window: Bounds) -> Any:
        """What it begins with."""
        made = self.begin(key, window) if callable(self.begin) else self.begin
        return tuple(self._given.values(made))

    def add(self, held: Any, row: Any) -> Any:
        """The row with one more row in it."""
        return tuple(self._given.values(self.function(self._to_row(held), row)))

    def result(self, key: Any, window: Bounds, held: Any) -> Iterable[Row]:
        """The row."""
        del key, window
        return [held]


def kept_type(aggregator: Aggregator, rows: Schema) -> Any:
    """The type of the value that is kept.

    Raises:
        PlanError: `plan-window-function`.
    """
    if isinstance(aggregator, Reduced):
        return row_type(rows)
    if isinstance(aggregator, Folded):
        return row_type(aggregator.result_rows)
    name = type(aggregator).__name__
    try:
        hint = get_type_hints(aggregator.create).get("return")
    except NameError as error:
        raise _wrong(name, f"create says a type that cannot be found: {error}") from None
    if hint is None:
        raise _wrong(name, "create says nothing of its type", hint=f"def create(self) -> …: of {KEPT_TYPES}")
    try:
        codec_of(hint)
    except TypeError as error:
        raise _wrong(name, f"{type_name(hint)}, with {error}") from None
    return hint


def check_aggregator(aggregator: object) -> None:
    """Refuse what cannot make a value of rows.

    Raises:
        PlanError: `plan-window-function`.
    """
    missing = [n for n in ("create", "add", "result") if not callable(getattr(aggregator, n, None))]
    if missing or isinstance(aggregator, type):
        found = repr(aggregator) if missing == [] else f"no {', '.join(missing)}"
        raise _wrong(getattr(aggregator, "__name__", type(aggregator).__name__), found)


def row_type(rows: Schema) -> Any:
    """The type of the values of a row; types that are made, of which no checker of types can know."""
    values: Any = tuple.__class_getitem__(tuple(python_type(f.type) for f in rows))
    return values


def _wrong(name: str, found: str, hint: str | None = None) -> PlanError:
    return PlanError(
        f"{name} does not make a value of the rows of a window",
        code="plan-window-function",
        expected="an object with create (which says its type), add and result",
        found=found,
        hint=hint,
    )
