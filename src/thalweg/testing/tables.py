"""Compare results as tables: rows with a count each, in no order.

Equality is the engine's: NULL = NULL, NaN = NaN, -0.0 = 0.0.

Not here: what must be equal (the kits).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping

import polars as pl

from thalweg.columnar.batch import Batch

Row = tuple[Hashable, ...]
Table = Counter[Row]
"""How often each row is there; less than zero if more were taken away than came."""


def rows_of(frame: pl.DataFrame) -> Iterator[Row]:
    """The rows as tuples that compare as the engine's keys do.

    Example:
        >>> list(rows_of(pl.DataFrame({"a": [-0.0, float("nan")], "l": [[1], None]})))
        [(0.0, (1,)), ('NaN', None)]
    """
    return (tuple(map(_canonical, row)) for row in frame.rows())


def _canonical(value: object) -> Hashable:
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value + 0.0
    if isinstance(value, (list, tuple)):
        return tuple(map(_canonical, value))
    if isinstance(value, Mapping):
        return tuple((str(k), _canonical(v)) for k, v in value.items())
    assert isinstance(value, Hashable), "Polars gives plain values"
    return value


def table_of(frame: pl.DataFrame) -> Table:
    """The rows of a frame, each as often as it is in it."""
    return Counter(rows_of(frame))


def add_batch(table: Table, batch: Batch) -> None:
    """Apply changes to a table, in place; rows that cancel are gone."""
    for row, weight in zip(rows_of(batch.frame), batch.weights().to_list(), strict=True):
        table[row] += weight
        if not table[row]:
            del table[row]


def difference(found: Table, expected: Table) -> str | None:
    """What is wrong, in one line; None if nothing is.

    Example:
        >>> difference(Counter({(1,): 2}), Counter({(1,): 1, (2,): 1}))
        'too many: (1,) x1; missing: (2,) x1'
    """
    if found == expected:
        return None
    more = {r: found[r] - expected[r] for r in found if found[r] > expected[r]}
    less = {r: expected[r] - found[r] for r in expected if expected[r] > found[r]}
    parts = [("too many", more), ("missing", less)]
    return "; ".join(f"{name}: {_some(rows)}" for name, rows in parts if rows)


def _some(rows: Mapping[Row, int], most: int = 3) -> str:
    shown = [f"{row} x{count}" for row, count in list(rows.items())[:most]]
    return ", ".join(shown) + (f", … ({len(rows)})" if len(rows) > most else "")


def first_difference(found: pl.DataFrame, expected: pl.DataFrame) -> str | None:
    """The first row, or the schema, in which two ordered results differ; None if they do not."""
    if found.schema != expected.schema:
        return f"columns {dict(found.schema)} instead of {dict(expected.schema)}"
    if found.equals(expected):
        return None
    pairs: Iterable[tuple[Row, Row]] = zip(rows_of(found), rows_of(expected), strict=False)
    for number, (ours, theirs) in enumerate(pairs):
        if ours != theirs:
            return f"row {number} is {ours} instead of {theirs}"
    if found.height != expected.height:
        return f"{found.height} rows instead of {expected.height}"
    return None
