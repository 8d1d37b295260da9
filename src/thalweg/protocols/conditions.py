"""Say in plain data what rows are wanted, so that a source can leave others out.

A condition compares a column, or a member of rows, with constants; that is what statistics and indexes can
answer. A source may leave out any row for which a condition is not true, and need not leave out all: the
plan filters again. So whoever is in doubt says that a row may be wanted.

Not here: which conditions of a query have this form (optimizer/conditions.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from thalweg.protocols.source import Source

Comparator = Literal["=", "<", "<=", ">", ">=", "in", "is_null", "is_not_null"]
Path = tuple[str, ...]
"""A column, or with more names a member of rows, at any depth."""


@dataclass(frozen=True)
class Comparison:
    """A column's value compared with constants.

    Attributes:
        operator: how; `is_null` and `is_not_null` have no values, `in` has any number, the rest one.
        values: int, float, str, bool, Decimal, date, time or datetime; never None, never NaN.

    Example:
        >>> print(Comparison(("bid", "price"), ">", (100,)))
        bid.price > 100
    """

    path: Path
    operator: Comparator
    values: tuple[Any, ...] = ()

    def __str__(self) -> str:
        name = ".".join(self.path)
        if self.operator in ("is_null", "is_not_null"):
            return f"{name} {self.operator.replace('_', ' ').upper()}"
        shown = [_shown(v) for v in self.values]
        return (
            f"{name} IN ({', '.join(shown)})"
            if self.operator == "in"
            else f"{name} {self.operator} {shown[0]}"
        )


@dataclass(frozen=True)
class AnyOf:
    """Several cases, one of which must hold; a case holds if all of its conditions do."""

    cases: tuple[tuple[Condition, ...], ...]

    def __str__(self) -> str:
        return f"({' OR '.join(' AND '.join(map(str, case)) for case in self.cases)})"


Condition = Comparison | AnyOf
Conditions = tuple[Condition, ...]
"""What must all be true of a row."""


@runtime_checkable
class FilteringSource(Protocol):
    """A source that can leave out rows.

    Contract:
        C1 `taken` gives those of the conditions that the source can use, in their order, unchanged.
        C2 `filtered` is the same source, which may leave out rows for which one of the conditions is not
           true, and no others; those that it gives keep their order and their offsets.

    Checked by: `thalweg.testing.check_source`.
    """

    def taken(self, conditions: Conditions) -> Conditions:
        """Those of the conditions by which the source can leave out rows."""
        ...

    def filtered(self, conditions: Conditions) -> Source:
        """The same source, without some of the rows that do not fulfil the conditions."""
        ...


@dataclass(frozen=True)
class Facts:
    """What is known of a column's values in some rows.

    Attributes:
        low, high: no value is less or greater; None: unknown.
        has_null: whether there may be a NULL.
        has_value: whether there may be something else.
    """

    low: Any = None
    high: Any = None
    has_null: bool = True
    has_value: bool = True


Known = Callable[[Path], Facts]
"""What is known of a column; `Facts()` for nothing."""


def may_hold(conditions: Conditions, known: Known) -> bool:
    """Whether the conditions can all be true of one of the rows.

    Example:
        >>> known = {("id",): Facts(1, 9, has_null=False)}.__getitem__
        >>> [may_hold((Comparison(("id",), "<", (n,)),), known) for n in (1, 2)]
        [False, True]
    """
    return all(_may(c, known) for c in conditions)


def paths_of(conditions: Iterable[Condition]) -> Iterator[Path]:
    """The columns that conditions compare."""
    for condition in conditions:
        if isinstance(condition, Comparison):
            yield condition.path
        else:
            for case in condition.cases:
                yield from paths_of(case)


def usable(conditions: Conditions, is_known: Callable[[Path], bool]) -> Conditions:
    """The conditions that say something once it is known of which columns anything is known."""
    return tuple(c for c in conditions if _is_usable(c, is_known))


def _is_usable(condition: Condition, is_known: Callable[[Path], bool]) -> bool:
    if isinstance(condition, Comparison):
        return is_known(condition.path)
    return all(usable(case, is_known) for case in condition.cases)


def _may(condition: Condition, known: Known) -> bool:
    if isinstance(condition, AnyOf):
        return any(may_hold(case, known) for case in condition.cases)
    facts = known(condition.path)
    if condition.operator == "is_null":
        return facts.has_null
    if condition.operator == "is_not_null" or not facts.has_value:
        return facts.has_value
    return any(_may_compare(condition.operator, facts.low, facts.high, v) for v in condition.values)


def _may_compare(operator: Comparator, low: Any, high: Any, value: Any) -> bool:
    try:
        return _compares(operator, low, high, value)
    except TypeError:
        # the bounds are of another kind than the value, as those of lengths of time are: nothing is known
        return True


def _compares(operator: Comparator, low: Any, high: Any, value: Any) -> bool:
    fits_low = low is None or (low < value if operator == "<" else low <= value)
    fits_high = high is None or (high > value if operator == ">" else high >= value)
    if operator in ("<", "<="):
        return bool(fits_low)
    return bool(fits_high) if operator in (">", ">=") else bool(fits_low and fits_high)


def _shown(value: Any) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)
