"""Let a source that is wholly silent follow the sources that its rows meet.

Rows of several sources meet where a step has several inputs, and its event time is the least of theirs.
While a source is idle, it announces the time of the others in its own name, so that it does not hold them
back. When it wakes, its rows are judged from what it has announced: so a row that is not late finds its
window open.

Reads:    the owners of the sources.
Changes:  the owner that is about to wake, open or find a split: it catches up.
Not here: the merging of the splits of one source (owner.py), locks and threads (runtime/owner.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from thalweg.progress.owner import WatermarkOwner


class Meeting:
    """The sources whose rows meet, each with an owner of its own.

    A source that may bring rows announces its own time, whatever the others do. An idle one announces the
    least time of those that may; where none may, the greatest of all, as the splits of one source do.

    Law: what is announced for a source is never after the start of a split that wakes, opens or is found.
    Checked by: tests/property/test_progress.py.

    Args:
        owners: all of them, before any has split; one that has none yet may still find some.

    Example:
        >>> first, second = WatermarkOwner(), WatermarkOwner()
        >>> meeting = Meeting([first, second])
        >>> for owner in (first, second):
        ...     owner.add_split("a")
        ...     start = owner.open("a")
        >>> first.report("a", 100); second.idle("a")
        >>> meeting.announced(second)
        100
        >>> meeting.catch_up(second); second.wake("a")
        100
    """

    def __init__(self, owners: Sequence[WatermarkOwner]) -> None:
        self._owners = tuple(owners)
        self._said: dict[WatermarkOwner, int] = {}

    def announced(self, owner: WatermarkOwner) -> int | None:
        """The time to announce in a source's name; it never falls."""
        found = owner.published if _may_bring_rows(owner) else self._followed(owner)
        said = self._said.get(owner)
        if found is None or (said is not None and found <= said):
            return said
        self._said[owner] = found
        return found

    def catch_up(self, owner: WatermarkOwner) -> None:
        """Let a source begin where it has announced to be; before a split wakes, opens or is found."""
        owner.catch_up(self.announced(owner))

    def held_by(self) -> tuple[WatermarkOwner, ...]:
        """The sources that idle ones wait for: those with the least time, or without one."""
        going = [o for o in self._owners if _may_bring_rows(o)]
        lowest = _least([o.published for o in going])
        return tuple(o for o in going if o.published in (None, lowest))

    def _followed(self, owner: WatermarkOwner) -> int | None:
        """The time that an idle source takes over; its own where that is later."""
        going = [o.published for o in self._owners if _may_bring_rows(o)]
        if going:
            time = _least(going)
        else:
            time = max((o.published for o in self._owners if o.published is not None), default=None)
        if time is None or owner.published is None:
            return owner.published if time is None else time
        return max(time, owner.published)


def _may_bring_rows(owner: WatermarkOwner) -> bool:
    return not owner.is_idle and not owner.is_ended


def _least(times: Sequence[int | None]) -> int | None:
    """The least time, or None where one of them is not known yet."""
    known = [t for t in times if t is not None]
    return min(known) if known and len(known) == len(times) else None
