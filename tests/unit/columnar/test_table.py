"""Tables that grow in place against ones that are filled anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.columnar import table as tables
from thalweg.columnar.table import fill_table, grown_table, new_table

_PLACES = 64


def place(word: int, places: int) -> int:
    """Where the search for a word begins."""
    mixed = word * 0x9E3779B97F4A7C15 % 2**64
    return ((mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93 % 2**64 >> 32) % places


_BY_PLACE: dict[int, list[int]] = {}
for _word in range(40 * _PLACES):
    _BY_PLACE.setdefault(place(_word, _PLACES), []).append(_word)


def found(table: np.ndarray, word: int) -> int:
    """The number of a word, as a search finds it; 0 if it is not there."""
    at = place(word, len(table))
    while table[at, 1] > 0:
        if table[at, 0] == word:
            return int(table[at, 1])
        at = (at + 1) % len(table)
    return 0


# near both ends of the table, before and after it has grown, where searches go on at the beginning
_PLACE = st.sampled_from([0, 1, 7, 8, 14, 15, 16, 30, 31, 47, 48, 61, 62, 63])
_WORD = _PLACE.flatmap(lambda at: st.sampled_from(_BY_PLACE[at])) | st.integers(0, 40 * _PLACES - 1)


@pytest.mark.parametrize("smallest", [1, tables.SMALLEST])
@settings(deadline=None, max_examples=100)
@given(words=st.lists(_WORD, max_size=10, unique=True), capacity=st.sampled_from([20, 40, 85, 300]))
def test_what_was_there_is_found(words: list[int], capacity: int, smallest: int) -> None:
    entries = np.array([[w, n] for n, w in enumerate(words, 1)], np.int64).reshape(-1, 2)
    table = new_table(10)
    fill_table(entries, table)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tables, "SMALLEST", smallest)
        grown = grown_table(table, capacity)
    assert len(grown) == len(new_table(capacity))
    assert [found(grown, w) for w in words] == entries[:, 1].tolist()
    assert np.count_nonzero(grown[:, 1] > 0) == len(words)


def test_a_table_with_room_stays() -> None:
    table = new_table(10)
    assert grown_table(table, 10) is table
    assert grown_table(table, 3) is table
