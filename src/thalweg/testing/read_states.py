"""Check what a state gives to readers against its dump.

Not here: whether the dump is right (states.py, row_states.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import polars as pl

from thalweg.testing.contract import check
from thalweg.testing.tables import Table, difference, rows_of, table_of


def check_read(state: Any, names: Sequence[str], what: str) -> None:
    """All rows, those of some whole keys, and those of values of one key column; in parts of any size."""
    dump: pl.DataFrame = state.dump()
    r = Random(dump.height)  # noqa: S311 - no secret; not that of the script, which goes on as without reads
    _check(state, None, r.choice([1, 3, 1000]), table_of(dump), f"{what}: read")
    for some in (list(names), [r.choice(names)]) if names else ():
        keys = dump.select(some).unique()
        keys = keys[[n for n in range(keys.height) if r.random() < 0.4]]
        wanted = set(rows_of(keys))
        pairs = zip(rows_of(dump.select(some)), rows_of(dump), strict=True)
        expected = [row for key, row in pairs if key in wanted]
        _check(state, keys, r.choice([1, 2, 1000]), Table(expected), f"{what}: read of keys {some}")


def _check(state: Any, keys: pl.DataFrame | None, rows_max: int, expected: Table, what: str) -> None:
    parts = list(state.read(keys, rows_max))
    check(bool(parts), "S22", what, expected="at least one part", found=parts)
    sizes = [part.height for part in parts]
    check(max(sizes) <= rows_max, "S22", what, expected=f"at most {rows_max} rows in a part", found=sizes)
    wrong = difference(table_of(pl.concat(parts)), expected)
    check(wrong is None, "S22", what, found=wrong)
