"""Events come when they are due, and each has the latency of its own first arrival."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest

from thalweg.cli.bench.ticks import KEYS, Arrivals, Ticks, latencies


def test_nothing_comes_before_it_is_due() -> None:
    ticks = Ticks(10, 1.0, time.monotonic() + 100)
    reader = ticks.open(ticks.splits()[0], {}, None)
    chunk = reader.read(10)
    assert chunk.frame is None
    assert chunk.wait is not None
    assert 99 < chunk.wait <= 100


def test_both_splits_give_every_event_once() -> None:
    ticks = Ticks(25_001, 1_000_000.0, time.monotonic() - 10)
    ids, keys = [], []
    for split in ticks.splits():
        reader = ticks.open(split, {}, None)
        while not (chunk := reader.read(1000)).ended or chunk.frame is not None:
            assert chunk.frame is not None, "all of it is due"
            ids += chunk.frame["id"].to_list()
            keys += chunk.frame["key"].to_list()
            if chunk.ended:
                break
    assert sorted(ids) == list(range(25_001))
    assert len(set(keys[:5000])) == 5000
    assert len(set(keys)) == KEYS


def test_the_latency_of_an_event_is_that_of_its_first_arrival() -> None:
    times = iter([10.002, 10.005])
    arrivals = Arrivals("id", clock=lambda: next(times))
    arrivals(pl.DataFrame({"x": [0, 0], "id": [0, 1]}))
    arrivals(pl.DataFrame({"x": [0, 0], "id": [1, 2]}))
    found = latencies(arrivals.first(4), origin=10.0, rate=1000, skip=0)
    assert found.count == 3
    assert found.max == pytest.approx(3.0)  # event 2, due at 10.002
    assert found.p50 == pytest.approx(2.0)  # event 0; event 1 took 1.0


def test_arrivals_are_noted_however_many_they_are() -> None:
    clock = iter(range(100))
    arrivals = Arrivals("id", clock=lambda: float(next(clock)))
    for first in range(0, 3_000_000, 300_000):
        arrivals(pl.DataFrame({"id": np.arange(first, first + 300_000)}))
    arrivals(pl.DataFrame({"id": [0, 3_000_000]}))
    found = arrivals.first(3_000_002)
    assert found[:3_000_000].tolist() == [float(n // 300_000) for n in range(3_000_000)]
    assert found[3_000_000] == 10.0
    assert np.isnan(found[3_000_001])


def test_the_beginning_is_left_out() -> None:
    assert latencies(np.array([10.1, 10.2, 10.3]), origin=10.0, rate=10, skip=2).count == 1


def test_nothing_arrived() -> None:
    assert latencies(np.full(3, np.nan), origin=0.0, rate=1, skip=0).count == 0
