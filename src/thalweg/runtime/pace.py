"""Decide whether one thread steps all tasks of a job, or each thread its own.

Threads of one Python process hand its lock to and fro; while batches are small they wait for it more
than they work. So a job starts with one thread alone, which goes through all tasks; when a round takes
long, because it has many rows or waits for the outside, the others are let in; when batches are small
again, or all threads together work less than one core could, it goes on alone.

Reads:    how long rounds took, how many rows they had and how busy the threads were, handed in by the
          caller, with the time.
Changes:  only the object that was asked.
Not here: the threads (threads.py).
"""

from __future__ import annotations

ROUND_MAX = 0.002
"""Seconds of work in one round from which on it is worth sharing out."""
ROWS_MANY = 2048
"""Rows in one round below which sharing gains nothing: its calls are short, and mostly hold Python's lock."""
_LOOK_EVERY = 0.05
_LIGHT, _HEAVY = 0.5, 2
"""The share of one core below which one thread suffices; how many long rounds it takes to let others in."""


class Pace:
    """Whether the first thread goes alone.

    Example:
        >>> pace = Pace(now=0.0)
        >>> for _ in range(2):
        ...     pace.after_round(seconds=0.005, worked=0.005, rows=60_000)
        >>> pace.is_alone
        False
    """

    def __init__(self, *, now: float, threads: int = 2) -> None:
        self.is_alone = True
        self._single = threads == 1
        self._long_rounds = 0
        self._looked_at, self._busy_then = now, 0.0
        self._rows_then = self._rounds_then = 0

    def after_round(self, *, seconds: float, worked: float, rows: int) -> None:
        """A round over all tasks took so long, of which the processor worked so long, for so many rows."""
        if not self.is_alone or self._single:
            return
        gains = rows >= ROWS_MANY or worked < seconds / 2
        # one long round may be the first use of a kernel, or a pause of the machine
        self._long_rounds = self._long_rounds + 1 if seconds > ROUND_MAX and gains else 0
        if self._long_rounds >= _HEAVY:
            self.is_alone, self._long_rounds = False, 0

    def after_sharing(self, *, now: float, busy: float, rows: int, rounds: int, longest: float) -> None:
        """Since the beginning all threads were busy for so many seconds, in so many rounds with rows.

        Those are rounds that are over; the longest one that another thread is at lasts so long already.
        """
        passed = now - self._looked_at
        if passed < _LOOK_EVERY and not self.is_alone:
            return
        if longest > ROUND_MAX and not self.is_alone:
            # neither its rows nor its work are counted yet
            return
        share = (busy - self._busy_then) / max(passed, 1e-9)
        is_small = rows - self._rows_then < ROWS_MANY // 4 * max(rounds - self._rounds_then, 1)
        if not self.is_alone and (share < _LIGHT or (is_small and rows > self._rows_then)):
            self.is_alone = True
        self._looked_at, self._busy_then = now, busy
        self._rows_then, self._rounds_then = rows, rounds
