"""Keys that travel as words: the same hash as their frame, and the same words at the other end."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from thalweg.columnar.hash import hash_rows
from thalweg.columnar.index import KeyIndex
from thalweg.columnar.key_cells import KeyCells
from thalweg.columnar.keys import KeyCodec

COLUMNS = {
    "n": pl.Series([1, -5, 2**63 - 1, None], dtype=pl.Int64),
    "u": pl.Series([0, 2**64 - 1, None, 7], dtype=pl.UInt64),
    "i": pl.Series([None, 3, -3, 3], dtype=pl.Int8),
    "f": pl.Series([float("nan"), -0.0, None, 1.5]),
    "d": pl.Series([Decimal("-1.25"), None, Decimal("9" * 30), Decimal(0)], dtype=pl.Decimal(38, 2)),
    "b": pl.Series([True, None, False, True]),
    "t": pl.Series([datetime(2020, 1, 1, tzinfo=UTC), None, None, datetime(1960, 1, 1, tzinfo=UTC)]),
    "a": pl.Series([date(2020, 1, 1), None, None, date(1960, 1, 1)]),
    "z": pl.Series([None] * 4, dtype=pl.Null),
}
FRAME = pl.DataFrame(COLUMNS)
SETS = [["n"], ["f"], ["d"], ["n", "d", "u"], list(COLUMNS), list(reversed(COLUMNS)), []]


def carried(frame: pl.DataFrame, hashed: list[str]) -> tuple[KeyCells, np.ndarray]:  # type: ignore[type-arg]
    keys = KeyCells(frame.schema, hashed)
    cells = np.full((keys.height + 1, frame.height), 99)
    keys.fill(KeyCodec(dict(frame.schema)).encode(frame), cells)
    assert (cells[-1] == 99).all()
    return keys, cells


@pytest.mark.parametrize("names", SETS, ids=",".join)
@pytest.mark.parametrize("rows", [slice(None), slice(0, 1), slice(3, 4), slice(0, 0)])
def test_hash_and_words(names: list[str], rows: slice) -> None:
    frame = FRAME[rows].select(names) if names else pl.DataFrame(height=FRAME[rows].height)
    for hashed in (names, names[1:], names[::-1]):
        keys, cells = carried(frame, hashed)
        assert cells[0].view(np.uint64).tolist() == hash_rows(frame, hashed).tolist()
        other = KeyCodec(dict(frame.schema))
        assert other.decode(keys.words(cells)).equals(frame, null_equal=True)


def test_wider_and_narrower_keys_meet() -> None:
    """One task has met NULL, another has not: the same key has one slot."""
    index, frame = KeyIndex(1), pl.DataFrame({"n": [5, None]})
    keys, cells = carried(frame, ["n"])
    first = index.insert(keys.words(cells)).tolist()
    keys, cells = carried(pl.DataFrame({"n": [6, 5]}), ["n"])
    assert first == [0, 1]
    assert index.insert(keys.words(cells)).tolist() == [2, 0]


def test_texts_do_not_travel_as_words() -> None:
    assert not KeyCells.can_hold({"n": pl.Int64(), "s": pl.String()})
    assert not KeyCells.can_hold({"l": pl.List(pl.Int64())})
    assert KeyCells.can_hold(dict(FRAME.schema))
