"""Latency is counted from when an event was due, for every event that is known to be done."""

from __future__ import annotations

import polars as pl
import pytest

from thalweg.cli.latency import Arrivals, latencies
from thalweg.connectors.nexmark.config import BASE_TIME_MS


def mark(ms: int) -> int:
    """Event time so many milliseconds after the start."""
    return (BASE_TIME_MS + ms) * 1000


def test_each_event_has_its_own_latency() -> None:
    # 1000 events/s: one per millisecond, due at 10.000, 10.001, …
    found = latencies([(10.004, mark(2)), (10.010, mark(4))], origin=10.0, rate=1000, skip=0)
    assert found.count == 4
    assert found.max == pytest.approx(8.0)  # the third, due at 10.002
    assert found.p50 == pytest.approx((4 + 3 + 8 + 7) / 4, abs=1.6)


def test_what_is_done_already_is_not_counted_again() -> None:
    found = latencies([(10.004, mark(2)), (10.9, mark(1)), (10.9, mark(2))], origin=10.0, rate=1000, skip=0)
    assert (found.count, found.max) == (2, pytest.approx(4.0))


def test_of_the_last_millisecond_some_events_may_still_come() -> None:
    # ten events per millisecond, of which the first is in
    assert latencies([(10.0, mark(1))], origin=10.0, rate=10_000, skip=0).count == 10


def test_the_beginning_is_left_out() -> None:
    assert latencies([(10.004, mark(4))], origin=10.0, rate=1000, skip=0.003).count == 1


def test_nothing_done_is_no_latency() -> None:
    assert latencies([], origin=10.0, rate=1000, skip=0).count == 0


def test_arrivals_note_the_latest_event_time() -> None:
    arrivals = Arrivals("t", clock=lambda: 5.0)
    arrivals(pl.DataFrame({"t": [mark(2), mark(7), None]}, schema={"t": pl.Datetime("us")}))
    arrivals(pl.DataFrame(schema={"t": pl.Datetime("us")}))
    assert arrivals.noted == [(5.0, mark(7))]
