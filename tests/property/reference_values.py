"""Aggregate values in plain Python, and put them in order: what reference.py needs for groups.

Not here: which rows are in a group (reference.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.property.recording import canonical
from thalweg.expr import aggregates
from thalweg.expr.nodes import Aggregate

Kept = tuple[Sequence[int], Any]
"""A value with the position of its row."""


def of_values(call: Aggregate, kept: list[Kept], *, by_place: bool) -> Any:
    """The aggregate of values, some of which may be NULL."""
    if aggregates.lookup(call.function).is_ordered:
        return _listed(call, kept, by_place=by_place)
    values = [v for _, v in kept if v is not None]
    if call.distinct:
        values = _different(values)
    if call.function == "count":
        return len(values)
    if not values:
        return None
    if call.function in ("min", "max"):
        return {"min": min, "max": max}[call.function](values, key=order_of)
    total = _sum(values)
    return total if call.function == "sum" else _average(total, len(values))


def _different(values: list[Any]) -> list[Any]:
    return list({canonical(v): v for v in values}.values())


def _listed(call: Aggregate, kept: list[Kept], *, by_place: bool) -> Any:
    """A list of values, or the first or the last one: by the position of rows, or by value."""
    has_end = call.function in ("first_value", "last_value")
    by_place = by_place and (has_end or not call.distinct)
    if call.function != "array_agg":
        kept = [(p, v) for p, v in kept if v is not None]
    kept = sorted(kept, key=lambda pair: (pair[0] if by_place else (), _nullable(pair[1])))
    values = [v for _, v in kept]
    if not values:
        return None
    if has_end:
        return values[0] if call.function == "first_value" else values[-1]
    if call.distinct:
        values = _different(values)
    return ",".join(values) if call.function == "listagg" else values


def _sum(values: list[Any]) -> Any:
    if not isinstance(values[0], float):
        return sum(values[1:], values[0])
    odd = [v for v in values if not math.isfinite(v)]
    return sum(odd) if odd else math.fsum(values)


def _average(total: Any, count: int) -> Any:
    if isinstance(total, int):
        return abs(total) // count * (1 if total >= 0 else -1)
    if isinstance(total, Decimal):
        places = max(6, -int(total.as_tuple().exponent))
        return (total / count).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return total / count


def order_of(v: Any) -> Any:
    """A key by which values compare; NaN is the greatest number."""
    return (math.isnan(v), 0.0 if math.isnan(v) else v) if isinstance(v, float) else (False, v)


def _nullable(v: Any) -> Any:
    """The same with NULL before all values."""
    return (False, False, 0) if v is None else (True, *order_of(v))
