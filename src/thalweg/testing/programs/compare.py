"""Say which rows of two tables differ; numbers that only differ by how a sum was rounded do not.

Not here: where the tables come from (collected.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl

_CLOSE = 1e-9
Row = dict[str, Any]


def differing(expected: pl.DataFrame, got: pl.DataFrame) -> tuple[list[Row], list[Row]]:
    """The rows that are missing, and those that are there instead.

    Example:
        >>> differing(pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [2, 2]}))
        ([{'a': 1}], [{'a': 2}])
    """
    rows: dict[Any, Row] = {}
    counts: Counter[Any] = Counter()
    for frame, sign in ((expected, 1), (got, -1)):
        for row in frame.iter_rows(named=True):
            key = tuple(_frozen(v) for v in row.values())
            rows[key] = row
            counts[key] += sign
    lost = [k for k, n in counts.items() for _ in range(n)]
    more = [k for k, n in counts.items() for _ in range(-n)]
    _drop_close(lost, more)
    return [rows[k] for k in lost], [rows[k] for k in more]


def _drop_close(lost: list[Any], more: list[Any]) -> None:
    """Take pairs away that only differ by rounding."""
    by_rest: dict[Any, list[Any]] = {}
    for key in more:
        by_rest.setdefault(_without_floats(key), []).append(key)
    for key in list(lost):
        partners = by_rest.get(_without_floats(key), [])
        partner = next((p for p in partners if _is_close(key, p)), None)
        if partner is not None:
            partners.remove(partner)
            lost.remove(key)
            more.remove(partner)


def _frozen(value: Any) -> Any:
    """Something that is equal where the value is, and hashes; NaN equals itself."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value + 0.0
    if isinstance(value, Mapping):
        return frozenset((_frozen(k), _frozen(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(v) for v in value)
    return value


def _without_floats(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_without_floats(v) for v in value)
    return "float" if isinstance(value, float) else value


def _is_close(a: Any, b: Any) -> bool:
    if isinstance(a, tuple):
        return all(map(_is_close, a, b))
    if isinstance(a, float):
        return math.isclose(a, b, rel_tol=_CLOSE, abs_tol=_CLOSE)
    return bool(a == b)
