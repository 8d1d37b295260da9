"""The wheel of open sessions gives those that are over, whatever times there are and however it is asked."""

from __future__ import annotations

import numpy as np
import pytest

from thalweg.columnar.sessions import FIRST, LAST, SLOT, OpenSessions

SPANS = (1, 7, 1000, 60_000_000)
"""Gaps: shorter than a bucket can be, and longer ones."""


class Plain:
    """Sessions as a list of stretches, merged by looking at all of them."""

    def __init__(self, gap: int) -> None:
        self.gap, self.open = gap, list[tuple[int, int, int]]()

    def merge(self, key: int, first: int, last: int) -> None:
        met = [s for s in self.open if s[0] == key and s[1] - self.gap <= last and first <= s[2] + self.gap]
        self.open = [s for s in self.open if s not in met]
        self.open.append((key, min([first, *(s[1] for s in met)]), max([last, *(s[2] for s in met)])))

    def close(self, until: int | None) -> list[tuple[int, int]]:
        over = [s for s in self.open if until is None or s[2] + self.gap < until]
        self.open = [s for s in self.open if s not in over]
        return sorted(s[1:] for s in over)

    @property
    def spans(self) -> list[tuple[int, int]]:
        return [s[1:] for s in self.open]

    @property
    def first_end(self) -> int | None:
        return min((s[2] + self.gap for s in self.open), default=None)


@pytest.mark.parametrize("gap", SPANS)
@pytest.mark.parametrize("seed", range(6))
def test_it_does_what_a_list_does(gap: int, seed: int) -> None:
    r = np.random.default_rng([seed, gap])
    sessions, plain = OpenSessions(gap), Plain(gap)
    base = int(r.integers(-(1 << 40), 1 << 40))
    spread = int(r.choice([2, 30, 20_000])) * gap
    until = base
    told: dict[int, tuple[int, int]] = {}
    slots = 0
    for _ in range(30):
        count = int(r.integers(1, 12))
        keys = r.integers(0, 5, count)
        # never before what was closed already, as no row is that is not late
        firsts = np.maximum(base + r.integers(-gap, spread, count), until)
        lasts = firsts + r.integers(0, gap + 1, count)
        new = sessions.merge(keys, firsts, lasts, keys_max=5).new
        sessions.cells[new, SLOT] = np.arange(slots, slots + len(new))
        slots += len(new)
        for key, first, last in zip(keys.tolist(), firsts.tolist(), lasts.tolist(), strict=True):
            plain.merge(key, first, last)
        if r.random() < 0.5:
            told |= {s: (f, t) for s, f, t in zip(*map(np.ndarray.tolist, sessions.changed()), strict=True)}
            assert set(plain.spans) <= set(told.values()), "what has not changed was told before"
        if r.random() < 0.5:
            assert sessions.first_end == plain.first_end
        if r.random() < 0.6:
            until = max(until, base + int(r.integers(0, spread)))
            base = max(base, until - gap)
            assert _closed(sessions, until, r) == plain.close(until)
            assert not sessions.is_due(until), "all that are over have been taken out"
    assert _closed(sessions, None, r) == plain.close(None)
    assert sessions.first_end is None


def _closed(sessions: OpenSessions, until: int | None, r: np.random.Generator) -> list[tuple[int, int]]:
    """All that are over, some at a time."""
    found: list[tuple[int, int]] = []
    while True:
        some, _ = sessions.close(until, int(r.integers(1, 5)))
        if not len(some):
            return sorted(found)
        found += [(int(row[FIRST]), int(row[LAST])) for row in some]


def test_a_session_that_grows_moves_on() -> None:
    sessions = OpenSessions(gap_us=10)
    key = np.array([0])
    for time in range(0, 100_000, 10):
        at = np.array([time])
        sessions.merge(key, at, at, keys_max=1)
        assert _closed(sessions, time, np.random.default_rng(0)) == []
    assert sessions.first_end == 100_000
    assert _closed(sessions, 100_001, np.random.default_rng(0)) == [(0, 99_990)]
