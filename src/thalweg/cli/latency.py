"""Measure how long after its due time each event has reached a callback.

Events come on a fixed schedule, whether or not the job keeps up (an open loop), so that waiting in
queues counts. Event time is the schedule: an event `t` seconds into event time is due `t` seconds
after the origin. A result that was made of everything up to some event time therefore says which
events are done; every one of them gets its own latency, at most a millisecond too long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

_LEAD = 0.3
"""Seconds from the call to the first event, so that the start of the job is not measured."""


@dataclass(frozen=True)
class Latencies:
    """Milliseconds from due to done; NaN where no event was done."""

    count: int
    p50: float
    p99: float
    p999: float
    max: float


def distribution(seconds: np.ndarray[Any, Any]) -> Latencies:
    """The distribution of how many seconds each event took."""
    import numpy as np

    if not len(seconds):
        return Latencies(0, *[float("nan")] * 4)
    found = np.quantile(seconds * 1000, (0.5, 0.99, 0.999, 1.0))
    return Latencies(len(seconds), *(float(v) for v in found))


class Arrivals:
    """A callback that notes when which event time came."""

    def __init__(self, column: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._column, self._clock = column, clock
        self.noted: list[tuple[float, int]] = []

    def __call__(self, frame: pl.DataFrame) -> None:
        now = self._clock()
        latest = frame.get_column(self._column).to_physical().max()
        if isinstance(latest, int):
            self.noted.append((now, latest))


def latencies(noted: list[tuple[float, int]], origin: float, rate: float, skip: float) -> Latencies:
    """The latency of each event that is known to be done.

    Args:
        noted: when (seconds), and up to which event time (microseconds).
        origin: when the first event was due.
        rate: events per second, of both clocks.
        skip: leave out the events of so many first seconds.
    """
    import numpy as np

    from thalweg.connectors.nexmark.config import BASE_TIME_MS

    parts: list[np.ndarray[Any, Any]] = []
    done = int(skip * rate)
    for at, mark in noted:
        # event times are cut to milliseconds: of the last one, some events may still be to come
        upto = int((mark // 1000 - BASE_TIME_MS) * rate / 1000)
        if upto > done:
            parts.append(at - (origin + np.arange(done, upto) / rate))
            done = upto
    return distribution(np.concatenate(parts) if parts else np.zeros(0))


def measure(name: str, *, rate: int, seconds: float, parallelism: int = 2) -> Latencies:
    """Run one of the queries `filter` or `count` on a schedule."""
    from thalweg.cli.nexmark import events, nexmark_session, query
    from thalweg.connectors.sinks import CallbackSink
    from thalweg.plan.properties import properties

    origin = time.monotonic() + _LEAD
    session = nexmark_session(events(int(rate * seconds), rate=rate, paced=origin), parallelism=parallelism)
    plan = query(session, name)
    arrivals = Arrivals("latest" if name == "count" else "dateTime")
    session.write_sink(plan, CallbackSink(arrivals, has_ops=properties(plan).is_updating, key=("auction",)))
    session.run(f"latency-{name}", mode="stream")
    return latencies(arrivals.noted, origin, rate, min(1.0, seconds / 4))
