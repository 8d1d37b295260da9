"""Count the rows of a run that did not go the usual way; nothing is dropped silently."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tally:
    """The rows that need a look.

    Attributes:
        late_count: rows that came too late, for windows one for each window that a row missed.
        bad_count: rows that could not be read, or have no event time, and were kept apart.
        ahead_count: rows too far ahead of their arrival, which did not move event time.

    Example:
        >>> Tally(late_count=2, bad_count=1).in_words()
        '2 late, 1 bad'
    """

    late_count: int = 0
    bad_count: int = 0
    ahead_count: int = 0

    def in_words(self) -> str:
        """What there is of each kind; nothing if there is nothing."""
        found = [
            (self.late_count, "late"),
            (self.bad_count, "bad"),
            (self.ahead_count, "too far ahead of the clock"),
        ]
        return ", ".join(f"{count:,} {kind}".replace(",", " ") for count, kind in found if count)
