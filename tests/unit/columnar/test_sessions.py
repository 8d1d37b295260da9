"""Stretches of time merge into sessions as intervals do, however many a single one touches."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from thalweg.columnar.sessions import FIRST, LAST, SLOT, OpenSessions

GAP = 10


@pytest.mark.parametrize("count", [2, 100, 5000])
def test_one_stretch_takes_in_any_number_of_sessions(count: int) -> None:
    """As a stretch of a whole batch does that comes after rows with holes between them."""
    sessions = OpenSessions(GAP)
    times = 100 * np.arange(count)
    found = sessions.merge(np.zeros(count, np.int64), times, times, keys_max=1)
    sessions.cells[found.new, SLOT] = np.arange(count)
    merged = sessions.merge(np.zeros(1, np.int64), times[:1], times[-1:], keys_max=1)
    gone, into = merged.gone
    assert len(gone) == count - 1
    assert set(sessions.cells[gone, SLOT]) | set(sessions.cells[merged.targets, SLOT]) == set(range(count))
    assert set(into) == set(merged.targets)
    closed, _ = sessions.close(None, 10)
    assert closed[:, [FIRST, LAST]].tolist() == [[0, times[-1]]]


@pytest.mark.parametrize("seed", range(20))
def test_sessions_are_the_union_of_their_stretches(seed: int) -> None:
    r = Random(seed)
    sessions = OpenSessions(GAP)
    stretches: list[tuple[int, int, int]] = []
    for _ in range(r.randrange(1, 12)):
        some = []
        for _ in range(r.choice([1, 1, 2, 40])):
            first = r.randrange(2000)
            some.append((r.randrange(3), first, first + r.choice([0, 0, 5, 300, 1500])))
        stretches += some
        keys, firsts, lasts = (np.array(c, np.int64) for c in zip(*some, strict=True))
        new = sessions.merge(keys, firsts, lasts, keys_max=3).new
        sessions.cells[new, SLOT] = 0
    expected = []
    for key in range(3):
        spans: list[list[int]] = []
        for _, first, last in sorted(s for s in stretches if s[0] == key):
            if spans and first <= spans[-1][1] + GAP:
                spans[-1][1] = max(spans[-1][1], last)
            else:
                spans.append([first, last])
        expected += spans
    found, size = [], 1
    while size:
        closed, _ = sessions.close(None, 7)
        size = len(closed)
        found += closed[:, [FIRST, LAST]].tolist()
    assert sorted(found) == sorted(expected)
