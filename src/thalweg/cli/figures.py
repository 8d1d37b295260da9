"""Sum the figures of a job up by step, and draw them as a table.

Pure: what was counted comes in, text goes out.

Not here: when it is drawn (progress.py), what figures there are (protocols/metrics.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO

from thalweg.cli.counters import LAG_MAX, number
from thalweg.protocols import metrics as m
from thalweg.protocols.metrics import Metric, Metrics

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDE = 96
"""Terminals of fewer columns get no column for event time; the lag is there."""
_PAUSE_FACTOR = 100
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class StepFigures:
    """What one step has done, over all of its tasks.

    Attributes:
        step: its name.
        rows_in, rows_out: rows per second that came and went.
        late, bad: rows that were late, or kept apart, so far.
        watermark: event time that its tasks have reached, in seconds since 1970; None: none yet.
        lag: how far that is behind the time of day, in seconds.
        state_bytes: memory that its state holds; None: it has none.
        busy, blocked: of its tasks' time, the share that they worked, and waited for room on an edge.
    """

    step: str
    rows_in: float
    rows_out: float
    late: float
    bad: float
    watermark: float | None
    lag: float | None
    state_bytes: float | None
    busy: float
    blocked: float


def steps_of(now: Metrics, before: Metrics | None = None) -> list[StepFigures]:
    """Each step, sources first: its pace since an earlier look, or else since the run began."""
    before = before or Metrics(now.job)
    names = list(dict.fromkeys(s.labels[0] for s in now.of(m.ROWS_IN)))
    passed = now.total(m.UPTIME) - before.total(m.UPTIME)
    return [_step(name, now, before, passed) for name in names]


class Steps:
    """The text of the steps, looked at as often as that costs next to nothing.

    State of very many parts takes time to weigh, in which the job stands still: the longer a look takes, the
    longer it is until the next.
    """

    def __init__(self) -> None:
        self._recent = Recent()
        self._text, self._next = "", 0.0

    def text(self, clock: Callable[[], float], look: Callable[[], Metrics], *, width: int) -> str:
        """What there is to show."""
        begun = clock()
        if begun >= self._next:
            now = look()
            ended = clock()
            self._next = ended + _PAUSE_FACTOR * (ended - begun)
            self._text = as_text(now, self._recent.add(now), width=width)
        return self._text


class Recent:
    """The looks of the last seconds, so that the pace is that of now.

    Args:
        keep: how many.
    """

    def __init__(self, keep: int = 8) -> None:
        self._keep = keep
        self._looks: list[Metrics] = []

    def add(self, now: Metrics) -> Metrics | None:
        """Take a look; the oldest one kept, if there is another."""
        # a job that was restarted begins to count anew
        kept = [look for look in self._looks if look.total(m.UPTIME) <= now.total(m.UPTIME)]
        self._looks = [*kept[1 - self._keep :], now]
        return self._looks[0] if len(self._looks) > 1 else None


def _step(name: str, now: Metrics, before: Metrics, passed: float) -> StepFigures:
    def pace(metric: Metric) -> float:
        more = now.total(metric, step=name) - before.total(metric, step=name)
        return more / passed if passed > 0 else 0.0

    def found(metric: Metric) -> list[float]:
        return [s.value for s in now.of(metric, step=name)]

    tasks = len(found(m.ROWS_IN))
    states = found(m.STATE_BYTES)
    return StepFigures(
        name,
        pace(m.ROWS_IN),
        pace(m.ROWS_OUT),
        now.total(m.PAIRS_LATE, step=name),
        now.total(m.ROWS_QUARANTINED, step=name),
        min(found(m.WATERMARK), default=None),
        max(found(m.LAG), default=None),
        sum(states) if states else None,
        pace(m.BUSY) / tasks,
        pace(m.BACKPRESSURED) / tasks,
    )


def as_text(now: Metrics, before: Metrics | None = None, *, width: int = 110) -> str:
    """The steps as a table, and below it the newest checkpoint and the memory."""
    lines = [table(steps_of(now, before), width=width), checkpoint_line(now), memory_line(now)]
    return "\n".join(line for line in lines if line)


def table(steps: Sequence[StepFigures], *, width: int) -> str:
    """The steps as a table of at most so many columns."""
    # imported here: it takes as long as all the rest of the command line
    from rich.console import Console
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    is_wide = width >= _WIDE
    heads = ("STEP", "IN/S", "OUT/S", "LATE", "BAD", *(["EVENT TIME"] if is_wide else []))
    for head in (*heads, "LAG", "STATE", "BUSY", "BLOCKED"):
        is_text = head in ("STEP", "EVENT TIME")
        drawn.add_column(head, justify="left" if is_text else "right", no_wrap=True)
    for step in steps:
        time = [in_words(step.watermark)] if is_wide else []
        counts = (number(n) for n in (step.rows_in, step.rows_out, step.late, step.bad))
        state = "" if step.state_bytes is None else size(step.state_bytes)
        shares = f"{step.busy:.0%}", f"{step.blocked:.0%}"
        drawn.add_row(step.step, *counts, *time, lag(step.lag), state, *shares)
    text = StringIO()
    Console(file=text, width=width, color_system=None, markup=False, highlight=False, emoji=False).print(
        drawn
    )
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def checkpoint_line(now: Metrics) -> str:
    """The newest checkpoint in a line; nothing for a job that has no directory of them."""
    if not any(now.of(m.CHECKPOINTS)):
        return ""
    failed = now.total(m.CHECKPOINTS_FAILED)
    tail = f"; {number(failed)} failed" if failed else ""
    if not any(now.of(m.CHECKPOINT)):
        return f"no checkpoint yet{tail}"
    age, took = now.total(m.CHECKPOINT_AGE), now.total(m.CHECKPOINT_DURATION)
    held = size(now.total(m.CHECKPOINT_BYTES))
    return f"checkpoint {now.total(m.CHECKPOINT)}, {age:.1f} s ago, took {took:.2f} s, {held}{tail}"


def how_far(now: Metrics) -> list[str]:
    """How far event time and the newest checkpoint are behind, in lines; nothing of what there is not."""
    time = in_words(next((s.value for s in now.of(m.JOB_WATERMARK)), None))
    behind = lag(next((s.value for s in now.of(m.JOB_LAG)), None))
    reached = f"event time {time}{', lag ' if behind else ''}{behind}" if time else ""
    return [line for line in (reached, checkpoint_line(now)) if line]


def memory_line(now: Metrics) -> str:
    """Who holds how much memory, in a line."""
    held = {s.labels[0]: size(s.value) for s in now.of(m.MEMORY)}
    if not held:
        return ""
    spilled = now.total(m.SPILL)
    tail = f"; {size(spilled)} spilled to files" if spilled else ""
    return f"memory {held['process']}: edges {held['edges']}, state {held['state']}{tail}"


def size(count: float) -> str:
    """A number of bytes as people write it.

    Example:
        >>> size(0), size(1023), size(1536), size(3 << 30)
        ('0 B', '1023 B', '1.5 KiB', '3.0 GiB')
    """
    unit = 0
    while count >= 1024 and unit + 1 < len(_UNITS):
        count, unit = count / 1024, unit + 1
    return f"{count:.0f} {_UNITS[0]}" if not unit else f"{count:.1f} {_UNITS[unit]}"


def lag(seconds: float | None) -> str:
    """How far event time is behind the clock; nothing where it was not made now, so that it says nothing.

    Example:
        >>> lag(2.34), lag(-1.0), lag(1e9), lag(None)
        ('2.3 s', '', '', '')
    """
    is_said = seconds is not None and 0 <= seconds < LAG_MAX.total_seconds()
    return f"{seconds:.1f} s" if is_said else ""


def in_words(time: float | None) -> str:
    """An event time, given in seconds since 1970.

    Example:
        >>> in_words(1_767_225_600.0), in_words(None), in_words(1e15)
        ('2026-01-01 00:00:00', '', '1e+15 s')
    """
    if time is None:
        return ""
    try:
        return f"{_EPOCH + timedelta(seconds=time):%Y-%m-%d %H:%M:%S}"
    except OverflowError:
        return f"{time:g} s"
