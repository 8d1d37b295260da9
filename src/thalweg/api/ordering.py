"""Say in which order rows are numbered, and how far they look.

Not here: the numbering (`Dataset.rank`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeAlias

from thalweg.api.columns import column_name
from thalweg.api.expressions import Expression, IntoColumn
from thalweg.base.durations import microseconds
from thalweg.plan.nodes import SortKey
from thalweg.plan.over import Reach

OrderBy: TypeAlias = "IntoColumn | SortKey | Sequence[IntoColumn | SortKey]"
"""What to order by: names of columns, or `asc(…)` and `desc(…)` of them."""


Span: TypeAlias = "str | timedelta"
"""A span of time, such as `"10s"`."""


def asc(column: IntoColumn, *, nulls_first: bool | None = None) -> SortKey:
    """Order by a column, least first; NULL comes first unless told otherwise.

    Example:
        >>> str(asc("price"))
        'price'
    """
    return SortKey(column_name(column), False, nulls_first)


def desc(column: IntoColumn, *, nulls_first: bool | None = None) -> SortKey:
    """Order by a column, greatest first; NULL comes last unless told otherwise.

    Example:
        >>> str(desc("price"))
        'price DESC'
    """
    return SortKey(column_name(column), True, nulls_first)


def sort_keys(by: OrderBy, *, descending: bool) -> tuple[SortKey, ...]:
    """The order; `descending` is for the names that do not say it themselves.

    Example:
        >>> [str(k) for k in sort_keys(["a", asc("b")], descending=True)]
        ['a DESC', 'b']
    """
    given = [by] if isinstance(by, (str, Expression, SortKey)) else by
    return tuple(k if isinstance(k, SortKey) else SortKey(column_name(k), descending) for k in given)


def reach_of(within: Span | tuple[Span | None, Span | None] | None) -> Reach | None:
    """Spans of time in microseconds.

    Example:
        >>> reach_of("2s"), reach_of(("1ms", None))
        (2000000, (1000, None))
    """
    if isinstance(within, tuple):
        before, behind = (None if w is None else microseconds(w) for w in within)
        return before, behind
    return None if within is None else microseconds(within)
