"""Number only as many rows as are kept.

    Filter (rn <= 3)
      Rank row_number by k order price DESC
    becomes
    Rank row_number <= 3 by k order price DESC

A rank with a limit keeps the best rows instead of all rows as state. Other parts of the condition stay in
the filter; a projection in between is no hindrance, as push_filter_down brings the filter below it.
"""

from __future__ import annotations

from dataclasses import replace

from thalweg.expr.nodes import Call, Column, Expr, Literal, conjunction, conjuncts
from thalweg.plan.nodes import Filter, Plan, Rank

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}


def merge_rank_filter(plan: Plan) -> Plan:
    """The numbering with a limit, and what is left of the filter."""
    if not isinstance(plan, Filter) or not isinstance(plan.input, Rank) or plan.input.output is None:
        return plan
    rank, output = plan.input, plan.input.output
    rest: list[Expr] = []
    limit = rank.limit
    parts = conjuncts(plan.condition)
    for part in parts:
        found = _bounds(part, output)
        if found is None or found[1] < 1:
            rest.append(part)
            continue
        least, most = found
        limit = most if limit is None else min(limit, most)
        if least > 1:
            rest.append(part)
    if limit == _NO_LIMIT:
        limit = None
    if limit == rank.limit and len(rest) == len(parts):
        return plan
    below = replace(rank, limit=limit)
    return replace(plan, input=below, condition=conjunction(rest)) if rest else below


_NO_LIMIT = 1 << 62


def _bounds(part: Expr, output: str) -> tuple[int, int] | None:
    """The least and the greatest number for which a comparison is true; None for other conditions."""
    if not isinstance(part, Call) or part.function not in _MIRRORED:
        return None
    operator, (column, bound) = part.function, part.args
    if isinstance(column, Literal):
        operator, column, bound = _MIRRORED[operator], bound, column
    if column != Column(output) or not isinstance(bound, Literal) or type(bound.value) is not int:
        return None
    value = bound.value
    return {
        "<": (1, value - 1),
        "<=": (1, value),
        "=": (value, value),
        ">=": (value, _NO_LIMIT),
        ">": (value + 1, _NO_LIMIT),
    }[operator]
