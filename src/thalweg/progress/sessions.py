"""Describe sessions: windows that end when nothing has happened for a while.

A row opens the window from its time to its time plus the gap; windows of one key that touch, equality
included, are one. So a session ends at its last row plus the gap, and closes at `watermark > end`: the row
that comes at that very moment still belongs to it.

Not here: which rows are late (lateness.py), merging (columnar/sessions.py), fixed windows (windows.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from thalweg.base.durations import shown
from thalweg.errors import PlanError


@dataclass(frozen=True)
class SessionSpec:
    """Sessions of each key.

    Attributes:
        gap_us: how long nothing happens at the end of a session.
        partition: the columns of the key; without any there is one session at a time.

    Example:
        >>> print(SessionSpec(10_000_000, ("user",)))
        sessions of user, gap 10s
    """

    gap_us: int
    partition: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.gap_us <= 0:
            raise PlanError(
                "the gap of a session must be longer than nothing",
                code="plan-window-size",
                found=f"gap {shown(self.gap_us)}",
            )

    def __str__(self) -> str:
        of = f" of {', '.join(self.partition)}" if self.partition else ""
        return f"sessions{of}, gap {shown(self.gap_us)}"
