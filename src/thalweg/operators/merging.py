"""Merge sorted runs of rows into one order: no more than a range of it is sorted at once.

The ranges are found from rows at regular distances in each run, which bounds them: "Parallel sorting by
regular sampling", Shi and Schaeffer 1992. Rows that equal a bound are a range of their own, so that many
rows that tie cost nothing.

Not here: how runs come to be (folding.py), where they lie (state/).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.allocation import kept
from thalweg.columnar.eager import below, beside, numbers, pick
from thalweg.columnar.pinned import owned
from thalweg.operators.changelog import in_order
from thalweg.plan.nodes import SortKey

Array = np.ndarray[Any, Any]
_MARK = "__mark"
_BEFORE, _ROW, _BEHIND = range(3)


def merged(
    runs: Iterable[pl.DataFrame], order: Sequence[SortKey], *, count: int, range_rows: int
) -> Iterator[pl.DataFrame]:
    """The rows of all runs in one order, in frames one after the other; rows that tie come in any.

    Args:
        runs: rows, each in the order, with the same columns; each is kept when it has come.
        order: the order.
        count: at least as many runs as there are.
        range_rows: about how many rows are sorted at once; never more than twice as many.

    Example:
        >>> runs = [pl.DataFrame({"v": v}) for v in ([1, 4, 9], [2, 4, 8])]
        >>> pl.concat(merged(runs, [SortKey("v")], count=2, range_rows=2))["v"].to_list()
        [1, 2, 4, 4, 8, 9]
    """
    names = list(dict.fromkeys(key.column for key in order))
    marked = [*order, SortKey(_MARK)]
    samples: list[pl.DataFrame] = []
    held: list[pl.DataFrame] = []
    for run in runs:
        # before it is kept: of a mapped file each row would bring a large part into memory
        samples.append(owned(pick(run, names)[:: max(1, range_rows // count)]))
        held.append(kept(run))
    bounds = _bounds(samples, order, count)
    cuts = [_cuts(pick(run, names), bounds, marked) for run in held]
    for at in range(2 * bounds.height + 1):
        parts = [run[c[at] : c[at + 1]] for run, c in zip(held, cuts, strict=True) if c[at] < c[at + 1]]
        is_bound = at % 2 == 1
        if is_bound:
            yield from parts
        elif parts:
            yield in_order(below(parts), order)


def _bounds(samples: Sequence[pl.DataFrame], order: Sequence[SortKey], count: int) -> pl.DataFrame:
    """Values of the order that part the rows into ranges, in their order."""
    return in_order(below(samples), order)[count::count].unique(maintain_order=True)


def _cuts(keys: pl.DataFrame, bounds: pl.DataFrame, order: Sequence[SortKey]) -> list[int]:
    """Where a run is cut before and behind each bound, and its ends."""
    parts = ((bounds, _BEFORE), (keys, _ROW), (bounds, _BEHIND))
    whole = below([beside(f, [numbers(_MARK, np.full(f.height, mark))]) for f, mark in parts])
    marks = in_order(whole, order).get_column(_MARK).to_numpy()
    places = np.flatnonzero(marks != _ROW)
    return [0, *(places - np.arange(len(places))).tolist(), keys.height]
