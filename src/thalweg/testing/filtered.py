"""Check a source that takes conditions over: it leaves out no row that fulfils them.

The conditions follow from the rows themselves: each value of a few columns, compared in every way.

Reads:    the source, told conditions, through its readers and `lazy`.
Not here: the source without conditions (sources.py), the lines (protocols/conditions.py).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from thalweg.protocols.conditions import AnyOf, Comparison, Condition, Conditions, FilteringSource
from thalweg.protocols.source import LazySource, Source, Split
from thalweg.testing.contract import broken, check
from thalweg.testing.reading import Order, Reading, read_all
from thalweg.testing.tables import first_difference

_VALUES_MAX, _CONDITIONS_MAX = 3, 80
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def check_filtered(make: Callable[[], Source], whole: Mapping[str, Reading], rows: int | None) -> None:
    """Run a source against C1 and C2, if it takes conditions over; `whole` is what its splits give."""
    source = make()
    if not isinstance(source, FilteringSource) or rows is not None or not whole:
        return
    frame = pl.concat([w.frame for w in whole.values()])
    for condition in _conditions(frame):
        taken = source.taken((condition,))
        check(taken in ((), (condition,)), "C1", f"taken({condition})", found=taken)
        if taken:
            _check_condition(make, whole, condition)


def _check_condition(make: Callable[[], Source], whole: Mapping[str, Reading], condition: Condition) -> None:
    source = make()
    assert isinstance(source, FilteringSource), "it took conditions over a moment ago"
    told = source.filtered((condition,))
    order = Order(Split(""), source.schema.polars)
    for split in told.splits():
        unfiltered = whole[split.id]
        for size in (2, 4096):
            how = replace(order, split=split, rows_max=size)
            _compare(f"{how}, told {condition}", read_all(told, how), unfiltered, condition)
    # read as a plan, a bad row is an error
    if isinstance(told, LazySource) and not any(w.bad for w in whole.values()):
        given = told.lazy(None).collect()
        wanted = _fulfilling(pl.concat([w.frame for w in whole.values()]), condition)
        wrong = first_difference(_fulfilling(given, condition), wanted)
        check(wrong is None, "C2", f"lazy(), told {condition}", found=wrong)


def _compare(what: str, found: Reading, whole: Reading, condition: Condition) -> None:
    """What is given is given as it was; what is missing does not fulfil the condition."""
    places = {offset: row for row, offset in enumerate(whole.offsets)}
    unknown = [o for o in found.offsets if o not in places]
    if unknown:
        raise broken("C2", what, found=f"rows at {unknown[:10]}, where there are none")
    rows = [places[o] for o in found.offsets]
    wrong = first_difference(found.frame, whole.frame[rows])
    check(wrong is None, "C2", what, found=wrong)
    fulfilled = {
        o for o, row in zip(whole.offsets, _rows(whole.frame), strict=True) if _holds(condition, row)
    }
    missing = sorted(fulfilled - set(found.offsets))
    check(not missing, "C2", what, found=f"no rows at {missing[:10]}")


# -- conditions --------------------------------------------------------------------------------


def _conditions(frame: pl.DataFrame) -> list[Condition]:
    """Two comparisons of which one must hold; each column, and each member, compared with its values."""
    single: list[Condition] = []
    ends: list[tuple[Condition, ...]] = []
    for path, series in _columns(frame):
        values = [v for v in series.drop_nulls().unique().sort() if _is_comparable(v)]
        chosen = values[:: max(1, len(values) // _VALUES_MAX)]
        single += [Comparison(path, "is_null"), Comparison(path, "is_not_null")]
        # the keys are operators
        single += [Comparison(path, how, (v,)) for v in chosen for how in _COMPARED]  # type: ignore[arg-type]
        if chosen:
            single.append(Comparison(path, "in", tuple(chosen[::2])))
            ends += [(Comparison(path, "=", (v,)),) for v in (chosen[0], chosen[-1])]
    return ([AnyOf((ends[0], ends[-1]))] if ends else []) + single[:_CONDITIONS_MAX]


def _columns(frame: pl.DataFrame) -> Iterator[tuple[tuple[str, ...], pl.Series]]:
    for series in frame:
        if isinstance(series.dtype, pl.Struct):
            for member in series.struct.fields:
                yield (series.name, member), series.struct.field(member)
        elif not isinstance(series.dtype, (pl.List, pl.Array)):
            yield (series.name,), series


def _is_comparable(value: object) -> bool:
    return not isinstance(value, (dict, list, bytes)) and not (isinstance(value, float) and math.isnan(value))


def _rows(frame: pl.DataFrame) -> Iterator[dict[str, Any]]:
    return frame.iter_rows(named=True)


def _fulfilling(frame: pl.DataFrame, condition: Condition) -> pl.DataFrame:
    return frame.filter(pl.Series([_holds(condition, r) for r in _rows(frame)], dtype=pl.Boolean))


def _all_hold(conditions: Conditions, row: dict[str, Any]) -> bool:
    return all(_holds(c, row) for c in conditions)


def _holds(condition: Condition, row: dict[str, Any]) -> bool:
    if isinstance(condition, AnyOf):
        return any(_all_hold(case, row) for case in condition.cases)
    value: Any = row
    for name in condition.path:
        value = None if value is None else value[name]
    if condition.operator in ("is_null", "is_not_null"):
        return (value is None) == (condition.operator == "is_null")
    if value is None:
        return False
    if condition.operator == "in":
        return value in condition.values
    return _COMPARED[condition.operator](value, condition.values[0])
