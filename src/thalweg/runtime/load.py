"""Know how long a task has worked, and how long it waited for room on an output edge.

Changes:  only the object that was told; the caller brings the time.
Not here: who steps tasks and looks at the clock (rounds.py).
"""

from __future__ import annotations

from typing import Literal

Doing = Literal["rests", "works", "blocked"]


class Load:
    """The seconds of one task, by what it did.

    One thread notes, any other reads: what is known is one tuple, so that nobody sees half of a change, and
    no lock is needed. Read with a time taken before, seconds never become fewer.

    Example:
        >>> load = Load()
        >>> load.begin(1.0)
        >>> load.end(3.0, is_blocked=True)
        >>> load.at(7.0)
        (2.0, 4.0)
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: tuple[float, float, Doing, float] = (0.0, 0.0, "rests", 0.0)

    def begin(self, now: float) -> None:
        """A step begins."""
        worked, blocked, doing, since = self._known
        if doing == "blocked":
            blocked += now - since
        self._known = (worked, blocked, "works", now)

    def end(self, now: float, *, is_blocked: bool) -> None:
        """It has ended; whether the task waits for room now."""
        worked, blocked, _, since = self._known
        self._known = (worked + now - since, blocked, "blocked" if is_blocked else "rests", now)

    def at(self, now: float) -> tuple[float, float]:
        """Seconds of work, and of waiting for room, until now."""
        worked, blocked, doing, since = self._known
        more = max(0.0, now - since)
        if doing == "works":
            return worked + more, blocked
        return worked, blocked + more if doing == "blocked" else blocked
