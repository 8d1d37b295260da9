"""Find columns that keep much more memory alive than they need, and give them their own.

Polars shares the bytes of strings: a few rows that were taken from a large frame keep all of its texts alive.

Not here: how bytes are copied (blocks.py).
"""

from __future__ import annotations

import polars as pl

from thalweg.columnar.arrow import to_frame
from thalweg.columnar.places import locate

_FEW_BYTES = 1 << 14
"""So much may be kept alive for nothing."""


def owned(frame: pl.DataFrame) -> pl.DataFrame:
    """The same rows, whose strings keep no more than about twice their own bytes alive.

    Example:
        >>> many = pl.DataFrame({"s": [f"a text of some length {n}" for n in range(10_000)]})
        >>> [sum(locate(f["s"]).sizes) < 1_000 for f in (many[:9], owned(many[:9]))]
        [False, True]
    """
    columns = [_owned(s) if isinstance(s.dtype, (pl.String, pl.Binary)) else s for s in frame.get_columns()]
    return to_frame(columns) if columns else frame


def _owned(series: pl.Series) -> pl.Series:
    pinned = sum(locate(series).sizes)
    if pinned <= _FEW_BYTES or pinned <= 2 * series.estimated_size():
        return series
    # imported here: it loads the compiler
    from thalweg.columnar.blocks import compacted

    return compacted(series)
