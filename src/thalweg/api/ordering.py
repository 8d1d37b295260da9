"""Say in which order rows are numbered.

Not here: the numbering (`Dataset.rank`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from thalweg.api.columns import column_name
from thalweg.api.expressions import Expression, IntoColumn
from thalweg.plan.nodes import SortKey

OrderBy: TypeAlias = "IntoColumn | SortKey | Sequence[IntoColumn | SortKey]"
"""What to order by: names of columns, or `asc(…)` and `desc(…)` of them."""


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
