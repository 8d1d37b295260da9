"""Merge the watermarks of a task's inputs into one.

A task with several inputs can trust only its slowest live input. This module keeps one mark per channel
and answers: up to which time has every channel that still counts promised its rows?

Reads:    what channels announce: a time, that they are idle, or that they have ended.
Changes:  only the merge that was asked to update.
Not here: the minimum over the splits of a source, with waking and finding splits (owner.py); barrier
          alignment, and the `End` that a task passes on once all channels have ended (runtime/).
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal, TypeAlias


class Idle(Enum):
    """The state of an input from which nothing is to be expected for now; never a number."""

    IDLE = "idle"

    def __repr__(self) -> str:
        return "IDLE"


IDLE: Final = Idle.IDLE

Progress: TypeAlias = int | Literal[Idle.IDLE]
"""What a watermark message says: a time in microseconds, or idle."""


class WatermarkMerge:
    """The minimum over the channels of a task; idle and ended channels hold nothing back.

    When no channel holds anything back any more, the merged time rises to the greatest time of any channel:
    that is what it would be had the faster channels fallen silent last. So the value depends on what
    the channels said, not on the order in which channels said it (waking up apart).

    Law: `time` never falls; updates of different channels commute as long as none wakes up.
    Checked by: tests/property/test_progress.py.

    Args:
        inputs: number of channels; they are numbered from 0.

    Example:
        >>> merge = WatermarkMerge(2)
        >>> merge.update(0, 10), merge.update(1, 7), merge.update(0, IDLE), merge.end(1)
        ((), (7,), (), (10, IDLE))
    """

    def __init__(self, inputs: int) -> None:
        assert inputs > 0, "a task without inputs has nothing to merge"
        self.time: int | None = None
        self.is_idle = False
        self._times: list[int | None] = [None] * inputs
        self._idle = [False] * inputs
        self._ended = [False] * inputs

    def update(self, channel: int, progress: Progress) -> tuple[Progress, ...]:
        """Take what a channel announced and return what the task is to announce, in this order.

        Nothing new gives `()`. A time that lies behind the channel's own last one counts as that one.
        """
        assert not self._ended[channel], f"input {channel} has ended and can't announce progress"
        if isinstance(progress, Idle):
            self._idle[channel] = True
        else:
            last = self._times[channel]
            self._times[channel] = progress if last is None else max(last, progress)
            self._idle[channel] = False
        return self._settle()

    def end(self, channel: int) -> tuple[Progress, ...]:
        """Note that a channel has ended; it holds nothing back from here on."""
        self._ended[channel] = True
        return self._settle()

    @property
    def is_ended(self) -> bool:
        """Whether every channel has ended."""
        return all(self._ended)

    def held_by(self) -> tuple[int, ...]:
        """The channels without which the merged time would be later, or that have not spoken yet."""
        holders = self._holders()
        lowest = _lowest([self._times[c] for c in holders])
        return tuple(c for c in holders if self._times[c] == lowest)

    def _holders(self) -> list[int]:
        return [c for c in range(len(self._times)) if not (self._idle[c] or self._ended[c])]

    def _settle(self) -> tuple[Progress, ...]:
        """Recompute, and list what changed."""
        before, was_idle = self.time, self.is_idle
        holders = self._holders()
        self.is_idle = not holders and not self.is_ended
        if holders:
            reached = _lowest([self._times[c] for c in holders])
        else:
            reached = max((t for t in self._times if t is not None), default=None)
        if reached is not None and (before is None or reached > before):
            self.time = reached
        changes: list[Progress] = []
        # Whoever was told "idle" must hear a time to count this task again, even an old one.
        woken = was_idle and not self.is_idle and not self.is_ended
        if self.time is not None and (self.time != before or woken):
            changes.append(self.time)
        if self.is_idle and not was_idle:
            changes.append(IDLE)
        return tuple(changes)


def _lowest(times: list[int | None]) -> int | None:
    """The least time, or None where one of them is not known yet."""
    known = [t for t in times if t is not None]
    return min(known) if known and len(known) == len(times) else None
