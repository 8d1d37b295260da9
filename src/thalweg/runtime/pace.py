"""Decide whether one thread steps all tasks of a job, or each thread its own.

Threads of one Python process hand its lock to and fro; while batches are small they wait for it more
than they work. So a job starts with one thread alone, which goes through all tasks; when a round takes
long, the others are let in; when together they could do their work on less than one core, it goes on alone.

Reads:    how long rounds took and how busy the threads were, handed in by the caller, with the time.
Changes:  only the object that was asked.
Not here: the threads (threads.py).
"""

from __future__ import annotations

ROUND_MAX = 0.002
"""Seconds of work in one round from which on it is worth sharing out."""
_LOOK_EVERY = 0.05
_LIGHT, _HEAVY = 0.5, 2
"""The share of one core below which one thread suffices; how many long rounds it takes to let others in."""


class Pace:
    """Whether the first thread goes alone.

    Example:
        >>> pace = Pace(now=0.0)
        >>> pace.is_alone, pace.after_round(0.005), pace.after_round(0.005), pace.is_alone
        (True, None, None, False)
    """

    def __init__(self, *, now: float, threads: int = 2) -> None:
        self.is_alone = True
        self._single = threads == 1
        self._long_rounds = 0
        self._looked_at, self._busy_then = now, 0.0

    def after_round(self, seconds: float) -> None:
        """A round over all tasks took so long, waiting not included."""
        if not self.is_alone or self._single:
            return
        # one long round may be the first use of a kernel, or a pause of the machine
        self._long_rounds = self._long_rounds + 1 if seconds > ROUND_MAX else 0
        if self._long_rounds >= _HEAVY:
            self.is_alone, self._long_rounds = False, 0

    def after_sharing(self, now: float, busy: float) -> None:
        """All threads together have been busy for so many seconds since the beginning."""
        if self.is_alone:
            self._looked_at, self._busy_then = now, busy
            return
        passed = now - self._looked_at
        if passed < _LOOK_EVERY:
            return
        share = (busy - self._busy_then) / passed
        self._looked_at, self._busy_then = now, busy
        if share < _LIGHT:
            self.is_alone = True
