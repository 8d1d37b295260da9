"""Read what GROUP BY lists: keys, and sets of keys by GROUPING SETS, ROLLUP and CUBE.

Several items mean every choice of one set from each: `a, ROLLUP (b, c)` is (a, b, c), (a, b), (a).

Not here: what a key is (select.py), how sets are grouped by (plan/grouping_sets.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

from sqlglot import exp

from thalweg.plan.grouping_sets import check_count, cube, rollup
from thalweg.sql.source import span_of

_Set = tuple[exp.Expr, ...]


def has_sets(group: exp.Expr | None) -> bool:
    """Whether rows are grouped by more than one list of keys."""
    kinds = (exp.Rollup, exp.Cube, exp.GroupingSets, exp.Tuple)
    return group is not None and any(isinstance(item, kinds) for item in group.expressions)


def key_sets(group: exp.Expr | None) -> list[_Set]:
    """The sets of keys; of a GROUP BY without sets the one that there is."""
    every = [_sets(item) for item in (() if group is None else group.expressions)]
    if group is not None:
        check_count(prod(map(len, every)), span_of(group))
    return [_joined(chosen) for chosen in product(*every)]


def _sets(item: exp.Expr) -> list[_Set]:
    if isinstance(item, exp.GroupingSets):
        return [each for part in item.expressions for each in _sets(part)]
    if isinstance(item, exp.Rollup):
        return [_joined(chosen) for chosen in rollup([_keys(part) for part in item.expressions])]
    if isinstance(item, exp.Cube):
        parts = [_keys(part) for part in item.expressions]
        return [_joined(chosen) for chosen in cube(parts, span_of(item))]
    return [_keys(item)]


def _keys(item: exp.Expr) -> _Set:
    return tuple(item.expressions) if isinstance(item, exp.Tuple) else (item,)


def _joined(parts: Sequence[_Set]) -> _Set:
    return tuple(key for part in parts for key in part)
