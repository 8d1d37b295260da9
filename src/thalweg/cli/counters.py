"""Read how far a run is, tell its pace, and notice when nothing comes out.

Pure apart from `sample`, which looks at a run: the caller brings the time.

Not here: the thread that looks, and the terminal (progress.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from thalweg.runtime.tally import Tally

if TYPE_CHECKING:
    from thalweg.runtime.task import Task
    from thalweg.session.handle import JobHandle

LAG_MAX = timedelta(days=2)
"""Event time that is further behind the clock was not made now, so that its lag says nothing."""


@dataclass(frozen=True)
class Sample:
    """What a run had done at one time.

    Attributes:
        at: seconds of any steady clock.
        rows: rows read from all sources.
        output: a number that grows whenever something reaches a sink.
        watermark: event time in microseconds.
        tally: rows that were late, bad, or too far ahead.
    """

    at: float
    rows: int
    output: int
    watermark: int | None = None
    tally: Tally = field(default_factory=Tally)


def sample(run: JobHandle, at: float) -> Sample:
    """How far the run is; may be called from any thread."""
    written = sum(_written(t) for t in run.tasks if t.writer is not None)
    return Sample(at, run.rows_read, written, run.watermark, run.tally)


def _written(task: Task) -> int:
    counts = list(task.chain.counts.values())
    if counts:
        return counts[-1].rows_out
    # without operators nothing counts rows; batches do as well for "more than before"
    return sum(task.batch_rows.values())


class Pace:
    """Rows per second, smoothed over a few samples.

    Example:
        >>> pace = Pace()
        >>> pace.add(Sample(0.0, 0, 0)), pace.add(Sample(2.0, 1000, 0))
        (0.0, 500.0)
    """

    def __init__(self, keep: int = 8) -> None:
        self._keep = keep
        self._samples: list[Sample] = []

    def add(self, now: Sample) -> float:
        """Take a sample; the rows per second since the oldest one kept."""
        self._samples = [*self._samples[1 - self._keep :], now]
        first = self._samples[0]
        return 0.0 if now.at <= first.at else (now.rows - first.rows) / (now.at - first.at)


class Silence:
    """Notices input without output.

    Args:
        seconds: how long nothing must come out, after rows came in, before it is worth a word.

    Example:
        >>> silence = Silence(10.0)
        >>> [silence.add(Sample(t, rows, 0)) for t, rows in ((0.0, 0), (5.0, 7), (14.0, 7), (15.0, 7))]
        [False, False, False, True]
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: Sample | None = None
        self._since: float | None = None
        self._said = False

    def add(self, now: Sample) -> bool:
        """Take a sample; whether the silence should be explained now: once per silence."""
        last, self._last = self._last, now
        if last is None or now.output != last.output:
            self._since, self._said = None, False
            return False
        if self._since is None and now.rows != last.rows:
            self._since = now.at
        if self._said or self._since is None or now.at - self._since < self._seconds:
            return False
        self._said = True
        return True


def line(now: Sample, pace: float, clock: datetime) -> str:
    """One line about a run.

    Example:
        >>> now = Sample(3.0, 12_000, 4, 1_767_225_600_000_000)
        >>> line(now, 4000.0, datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC))
        '12 000 rows, 4 000 rows/s, event time 2026-01-01 00:00:00, lag 5.0 s'
    """
    parts = [f"{number(now.rows)} rows", f"{number(pace)} rows/s"]
    if now.watermark is not None:
        time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now.watermark)
        parts.append(f"event time {time:%Y-%m-%d %H:%M:%S}")
        if timedelta(0) <= clock - time < LAG_MAX:
            parts.append(f"lag {(clock - time).total_seconds():.1f} s")
    odd = now.tally.in_words()
    return ", ".join([*parts, odd] if odd else parts)


def number(value: float) -> str:
    """A whole number with its digits in groups.

    Example:
        >>> number(1234567.8)
        '1 234 568'
    """
    return f"{value:,.0f}".replace(",", " ")


def explained(waits: list[tuple[str, str]], seconds: float) -> str:
    """What each task waits for, after a silence."""
    head = f"rows came in, and nothing has come out for {seconds:.0f} s:"
    width = max((len(name) for name, _ in waits), default=0)
    return "\n".join([head, *(f"  {name:<{width}}  {text}" for name, text in waits)])
