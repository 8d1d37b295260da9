"""Do the arithmetic of fixed windows: which windows hold a time, and for which of them a row is late.

Fixed windows lie on a grid. All window ends of one kind are `step` apart, and panes, the longest stretches
that no window start or end cuts, lie between them; an operator that keeps one value per pane never keeps
a row twice. A window `[start, end)` closes at `watermark >= end`, and lateness is judged per
(row, window): a row that is late for some of its windows counts for the others.

Reads:    times and watermarks in microseconds, as Python integers or int64 arrays; negatives are times too.
Changes:  nothing; every function returns new values.
Not here: sessions and other windows that depend on neighbours (lateness.py judges their rows), calendar
          windows, and the values kept per pane (operators/).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from thalweg.base.durations import shown
from thalweg.errors import DataError, PlanError
from thalweg.progress.lateness import Flags, Micros, minus

WindowKind: TypeAlias = Literal["tumbling", "hopping", "cumulating"]

T = TypeVar("T", int, Micros)

_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True)
class WindowSpec:
    """Fixed windows of one kind, size and place on the time axis.

    Attributes:
        kind: tumbling (back to back), hopping (a window of `size_us` every `slide_us`) or cumulating
            (windows that start together every `size_us` and end `slide_us` apart).
        size_us: length of a window; of the longest one if cumulating.
        slide_us: distance between the ends of neighbouring windows.
        offset_us: a time at which a window starts.

    Example:
        >>> hop = WindowSpec.hopping(10, 4)
        >>> hop.pane_us, hop.pane_start(-1), list(hop.ends(-1))
        (2, -2, [2, 6])
        >>> hop.window_start(2), list(hop.panes(2))
        (-8, [-8, -6, -4, -2, 0])
    """

    kind: WindowKind
    size_us: int
    slide_us: int
    offset_us: int = 0

    def __post_init__(self) -> None:
        _check_spec(self)

    @staticmethod
    def tumbling(size_us: int, offset_us: int = 0) -> WindowSpec:
        """Windows back to back."""
        return WindowSpec("tumbling", size_us, size_us, offset_us)

    @staticmethod
    def hopping(size_us: int, slide_us: int, offset_us: int = 0) -> WindowSpec:
        """A window of `size_us` that starts every `slide_us`."""
        return WindowSpec("hopping", size_us, slide_us, offset_us)

    @staticmethod
    def cumulating(size_us: int, step_us: int, offset_us: int = 0) -> WindowSpec:
        """Windows that start together every `size_us` and grow by `step_us`."""
        return WindowSpec("cumulating", size_us, step_us, offset_us)

    def __str__(self) -> str:
        by = {"tumbling": "", "hopping": f" every {shown(self.slide_us)}"}
        step = by.get(self.kind, f" by {shown(self.slide_us)}")
        return f"{self.kind} {shown(self.size_us)}{step}" + (
            f" offset {shown(self.offset_us)}" if self.offset_us else ""
        )

    @property
    def pane_us(self) -> int:
        """Length of a pane: no window starts or ends within one."""
        return gcd(self.size_us, self.slide_us)

    # The functions below take what `check_times` accepts, as one integer or as an array.

    def pane_start(self, times: T) -> T:
        """Start of the pane that holds each time."""
        return _floor(times, self.pane_us, self.offset_us)

    def first_end(self, times: T) -> T:
        """The least end after each time: where the first window that holds it ends.

        As windows end at pane borders, a pane's start has the same windows as every time in it.
        Given a watermark, this is the earliest window end that is still open.
        """
        return _floor(times, self.slide_us, self.offset_us + self.size_us) + self.slide_us

    def last_end(self, times: T) -> T:
        """Where the last window that holds each time ends."""
        step = self.size_us if self.kind == "cumulating" else self.slide_us
        return _floor(times, step, self.offset_us) + self.size_us

    def window_start(self, ends: T) -> T:
        """Start of the window that ends at each of `ends`."""
        if self.kind == "cumulating":
            return _floor(ends - 1, self.size_us, self.offset_us)
        return ends - self.size_us

    def window_count(self, times: T) -> T:
        """How many windows hold each time."""
        return (self.last_end(times) - self.first_end(times)) // self.slide_us + 1

    def ends(self, time: int) -> range:
        """The ends of all windows that hold `time` (or the pane that starts there), in order."""
        return range(self.first_end(time), self.last_end(time) + 1, self.slide_us)

    def panes(self, end: int) -> range:
        """The starts of the panes that make up the window that ends at `end`, in order."""
        return range(self.window_start(end), end, self.pane_us)

    def closed_end(self, watermark: int) -> int:
        """The latest window end that `watermark` closes: windows close at `watermark >= end`."""
        return self.first_end(watermark) - self.slide_us

    def check_times(self, times: Micros) -> None:
        """Refuse times so near the ends of the int64 range that their windows would wrap around."""
        margin = 2 * (self.size_us + abs(self.offset_us))
        if len(times) == 0 or (
            int(times.min()) >= int(_INT64.min) + margin and int(times.max()) <= int(_INT64.max) - margin
        ):
            return
        bad = (times < int(_INT64.min) + margin) | (times > int(_INT64.max) - margin)
        row = int(np.argmax(bad))
        raise DataError(
            "the event time of a row is too far from 1970 to lie in a window",
            code="data-time-range",
            found=f"{int(times[row])} µs since 1970, in row {row} of the batch",
            hint="filter such rows out, or mend their time, before the window",
        )

    def judge(
        self, times: Micros, before: Micros, known: Flags | None = None, slack_us: int = 0
    ) -> WindowVerdict:
        """Judge each (row, window): late if the window's `end <= w - d`.

        Args:
            times: the time column of the rows, as `check_times` accepts it.
            before: each row's watermark before it, as carried from its split.
            known: False where there was no watermark yet; None if there was one for every row.
            slack_us: the slack d of the time column.

        Example:
            >>> hop = WindowSpec.hopping(10, 5)
            >>> verdict = hop.judge(np.array([7, 7, 7]), np.array([9, 10, 15]))
            >>> verdict.first_open.tolist(), verdict.is_late.tolist(), verdict.missed_count
            ([10, 15, 20], [False, False, True], 3)
        """
        first_open = self.first_end(times)
        reached = minus(before, slack_us)
        passed = first_open <= reached
        rows = np.flatnonzero(passed if known is None else passed & known)
        missed, is_late = np.zeros(len(times), np.int64), np.zeros(len(times), np.bool_)
        if len(rows):
            own, last = first_open[rows], self.last_end(times[rows])
            # Past the last window it does not matter how far; near the end of int64 it would wrap around.
            still_open = self.first_end(np.minimum(reached[rows], last))
            first_open[rows] = still_open
            missed[rows] = (still_open - own) // self.slide_us
            is_late[rows] = still_open > last
        return WindowVerdict(first_open, is_late, missed, int(missed.sum()))

    def missed_pairs(self, times: Micros, verdict: WindowVerdict) -> tuple[Micros, Micros]:
        """The (row, window) pairs that were missed: row numbers and window ends, by row and end.

        Example:
            >>> hop, times = WindowSpec.hopping(10, 5), np.array([7, 7])
            >>> rows, ends = hop.missed_pairs(times, hop.judge(times, np.array([10, 15])))
            >>> rows.tolist(), ends.tolist()
            ([0, 1, 1], [10, 10, 15])
        """
        missed = verdict.missed
        rows = np.repeat(np.arange(len(missed), dtype=np.int64), missed)
        first_pair = np.cumsum(missed) - missed
        step = np.arange(len(rows), dtype=np.int64) - first_pair[rows]
        return rows, self.first_end(times)[rows] + step * self.slide_us


@dataclass(frozen=True)
class WindowVerdict:
    """For which of their windows the rows of a batch come too late.

    A row with missed windows must not count in them even where the operator has them open still (another
    split may hold its watermark back): keep such rows by (pane, `first_open`), the others by pane.

    Attributes:
        first_open: for each row the end of the earliest of its windows that it is not late for;
            one step past its last window if it is late for all.
        is_late: rows that are late for all their windows.
        missed: number of windows that each row is late for.
        missed_count: the sum of `missed`.
    """

    first_open: Micros
    is_late: Flags
    missed: Micros
    missed_count: int


def _floor(values: T, step: int, origin: int) -> T:
    """The greatest `origin + k * step` that is not after each value."""
    return (values - origin) // step * step + origin


def _check_spec(spec: WindowSpec) -> None:
    """Refuse windows that don't cover the time axis or don't fit their kind."""
    if spec.size_us <= 0 or spec.slide_us <= 0:
        name, found = ("size", spec.size_us) if spec.size_us <= 0 else ("slide", spec.slide_us)
        raise _refusal(spec, "size", f"the {name} of a window must be longer than nothing", shown(found))
    if spec.slide_us > spec.size_us:
        raise _refusal(
            spec,
            "slide",
            "the slide of a window is longer than its size, so rows between windows would belong to none",
            f"size {shown(spec.size_us)}, slide {shown(spec.slide_us)}",
            hint="make the slide at most the size, or filter those rows out and use a longer size",
        )
    if spec.kind == "tumbling" and spec.slide_us != spec.size_us:
        raise _refusal(
            spec,
            "slide",
            "tumbling windows lie back to back and take no slide of their own",
            f"size {shown(spec.size_us)}, slide {shown(spec.slide_us)}",
            hint="use hopping windows",
        )
    if spec.kind == "cumulating" and spec.size_us % spec.slide_us:
        raise _refusal(
            spec,
            "step",
            "the size of cumulating windows must be a whole number of steps",
            f"size {shown(spec.size_us)}, step {shown(spec.slide_us)}",
        )


def _refusal(spec: WindowSpec, part: str, message: str, found: str, hint: str | None = None) -> PlanError:
    return PlanError(message, code=f"plan-window-{part}", found=f"{spec.kind} window, {found}", hint=hint)
