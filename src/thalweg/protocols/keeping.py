"""Say in words what an operator keeps, and for how long.

Not here: the state itself (state.py), how much memory it takes (job/state_report.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from thalweg.base.durations import shown

_NEVER_US = 1 << 61


@dataclass(frozen=True)
class Keeping:
    """What one state of an operator holds.

    Attributes:
        state: the name that the state is declared with.
        what: an entry, such as "one group by auction".
        until: when an entry is forgotten; None: never.
        is_limited: whether there are never more entries than a number that is known, whatever comes.
        cures: what the user can write so that entries are forgotten, where they never are.
    """

    state: str
    what: str
    until: str | None = None
    is_limited: bool = False
    cures: tuple[str, ...] = ()


@runtime_checkable
class Keeps(Protocol):
    """An operator's description that tells what is kept."""

    def keeps(self) -> Iterable[Keeping]:
        """Each state with what it holds."""
        ...


@runtime_checkable
class Judges(Protocol):
    """An operator's description that tells which rows are late for it."""

    def late(self) -> Iterable[str]:
        """When rows are late, in words."""
        ...


JOIN_ENDS = "the watermark passes the time until which the join below finds pairs"
"""When groups and numberings are forgotten whose keys get no more pairs from a join."""


def watermark_passes(what: str, slack_us: int | None = 0) -> str:
    """When the watermark has passed a time that may lag behind it so far.

    Example:
        >>> watermark_passes("window_end", 4_000_000), watermark_passes("window_end", 1 << 61)
        ('the watermark passes window_end + 4s', 'the input ends')
    """
    if slack_us is None or slack_us >= _NEVER_US:
        return "the input ends"
    return f"the watermark passes {what}{_later(slack_us)}"


def _later(shift_us: int) -> str:
    return "" if not shift_us else f" {'-' if shift_us < 0 else '+'} {shown(abs(shift_us))}"


def late_by(what: str, slack_us: int | None) -> str:
    """Which rows are late, where their time may lag so far; None: nothing is known of it.

    Example:
        >>> late_by("rows, with ts <", 4_000_000)
        'rows, with ts < the watermark of their split - 4s'
    """
    if slack_us is None:
        return "none: nothing says how late rows may come, and windows close when the input ends"
    return f"{what} the watermark of their split{_later(-slack_us)}"
