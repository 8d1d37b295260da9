"""Timers of keys against a set of pairs."""

from __future__ import annotations

from random import Random

import numpy as np
import polars as pl
import pytest

from thalweg.operators.event_timers import EventTimers, timers_spec
from thalweg.state.memory import KeyedColumns


def made() -> EventTimers:
    return EventTimers(KeyedColumns(timers_spec({"k": pl.Int64()})))


@pytest.mark.parametrize("seed", range(30))
def test_the_next_one_is_known_whatever_happens(seed: int) -> None:
    r = Random(seed)
    timers = made()
    wanted: set[tuple[int, int]] = set()
    span = r.choice([3, 2_000, 10**10])
    for _ in range(200):
        pairs = [(r.randrange(5), r.randrange(span)) for _ in range(r.randrange(6))]
        what = r.choice(["set", "set", "delete", "delete some", "take", "look"])
        if what == "delete some":
            pairs = r.sample(sorted(wanted), len(wanted) // 2)
        keys = pl.DataFrame({"k": [k for k, _ in pairs]}, schema={"k": pl.Int64()})
        times = np.array([t for _, t in pairs], np.int64)
        if what == "set":
            timers.set(keys, times)
            wanted |= set(pairs)
        elif what.startswith("delete"):
            timers.delete(keys, times)
            wanted -= set(pairs)
        elif what == "take":
            until = r.choice([None, r.randrange(span), *(t + 1 for _, t in wanted)])
            due = timers.take(until)
            found = set(zip(due.keys["k"].to_list(), due.times.tolist(), strict=True))
            assert found == {(k, t) for k, t in wanted if until is None or t < until}
            wanted -= found
        if r.random() < 0.7:
            assert timers.least == min((t for _, t in wanted), default=None)
    assert timers.count == len(wanted)


def test_asking_for_the_next_one_again_looks_at_no_timer() -> None:
    timers = made()
    timers.set(pl.DataFrame({"k": range(1000)}), np.full(1000, 7))
    assert timers.least == 7
    timers._deadlines = None  # type: ignore[assignment]
    for key in range(999):
        timers.delete(pl.DataFrame({"k": [key]}), np.array([7]))
        assert timers.least == 7
