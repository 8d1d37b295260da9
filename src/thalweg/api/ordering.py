"""Say in which order rows are numbered, and how far they look.

Not here: the numbering (`Dataset.rank`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from types import NoneType
from typing import TypeAlias

from thalweg.api.columns import column_name
from thalweg.api.expressions import IntoColumn
from thalweg.base.durations import microseconds
from thalweg.errors import PlanError
from thalweg.plan.nodes import SortKey
from thalweg.plan.over import Reach

OrderBy: TypeAlias = "IntoColumn | SortKey | Sequence[IntoColumn | SortKey]"
"""What to order by: names of columns, or `asc(…)` and `desc(…)` of them."""


Span: TypeAlias = "str | timedelta"
"""A span of time, such as `"10s"`."""
RowsReach: TypeAlias = "int | tuple[int | None, int | None] | None"
"""How many rows before the current one; or how many before it, and how many behind it."""


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
    given = by if isinstance(by, Sequence) and not isinstance(by, str) else [by]
    return tuple(k if isinstance(k, SortKey) else SortKey(column_name(k), descending) for k in given)


def reach_of(within: Span | tuple[Span | None, Span | None] | None) -> Reach | None:
    """Spans of time in microseconds; those of a pair may be less than nothing.

    Raises:
        PlanError: `plan-over-frame` for what is neither a span of time nor a pair of them.
        ConfigError: `config-duration` for a text that is no span of time.

    Example:
        >>> reach_of("2s"), reach_of(("1ms", None)), reach_of(("3s", "-1s"))
        (2000000, (1000, None), (3000000, -1000000))
    """
    if isinstance(within, tuple) and len(within) == 2 and all(map(_may_be_span, within)):
        before, behind = (None if w is None else _signed(w) for w in within)
        return before, behind
    if isinstance(within, tuple) or not _may_be_span(within):
        raise PlanError(
            "within=… is neither a span of time nor a pair of them",
            code="plan-over-frame",
            found=f"within={within!r}",
            expected='a text or a timedelta, such as "10s"; or a pair, such as ("3s", "1s") or (None, "-1s")',
            hint="rows=… counts rows",
        )
    return None if within is None else _signed(within)


def _may_be_span(given: object) -> bool:
    return given is None or isinstance(given, (str, timedelta))


def _signed(span: Span) -> int:
    """The microseconds of a span, which has a sign if it is less than nothing."""
    if isinstance(span, str) and span.strip().startswith("-"):
        return -microseconds(span.strip()[1:])
    return microseconds(span)


def checked_rows(rows: RowsReach) -> RowsReach:
    """How many rows a frame reaches.

    Raises:
        PlanError: `plan-over-frame` for what is neither a whole number nor a pair of them.

    Example:
        >>> checked_rows(2), checked_rows((3, -1))
        (2, (3, -1))
    """
    pair = rows if isinstance(rows, tuple) else (rows, None)
    if len(pair) != 2 or any(isinstance(n, bool) or not isinstance(n, (int, NoneType)) for n in pair):
        raise PlanError(
            "rows=… is neither a whole number nor a pair of them",
            code="plan-over-frame",
            found=f"rows={rows!r}",
            expected="a number, such as 10; or a pair, such as (1, 1) or (None, -1)",
            hint='within="10s" is a frame of time',
        )
    return rows
