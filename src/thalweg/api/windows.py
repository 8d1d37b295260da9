"""Describe windows for `Dataset.window`: fixed stretches of event time, and sessions.

Not here: the arithmetic of windows (progress/windows.py), merging sessions (columnar/sessions.py).
"""

from __future__ import annotations

from datetime import timedelta

from thalweg.api.columns import Names, column_names
from thalweg.api.place import caller, located
from thalweg.base.durations import microseconds
from thalweg.progress.sessions import SessionSpec
from thalweg.progress.windows import WindowSpec

WINDOW = ("window_start", "window_end")
"""The columns that tell windows apart: what to group, partition or join by inside windows."""


def tumbling(size: str | timedelta, *, offset: str | timedelta = "0s") -> WindowSpec:
    """Windows back to back: each row falls into one.

    Args:
        size: length of a window, such as `"10s"` or `"1h30m"`.
        offset: when a window starts, counted from midnight UTC of 1970.

    Example:
        >>> tumbling("1m").size_us
        60000000
    """
    with located(caller()):
        return WindowSpec.tumbling(microseconds(size), microseconds(offset))


def hopping(size: str | timedelta, *, every: str | timedelta, offset: str | timedelta = "0s") -> WindowSpec:
    """Windows of one size that start at regular distances, and overlap.

    Args:
        size: length of a window.
        every: distance between the starts of neighbouring windows, at most `size`.
        offset: when a window starts.

    Example:
        >>> hopping("10s", every="2s").slide_us
        2000000
    """
    with located(caller()):
        return WindowSpec.hopping(microseconds(size), microseconds(every), microseconds(offset))


sliding = hopping
"""Another name for `hopping`."""


def cumulating(size: str | timedelta, *, step: str | timedelta, offset: str | timedelta = "0s") -> WindowSpec:
    """Windows that start together and grow by a step, until the longest is complete and all start anew.

    Args:
        size: length of the longest window, a whole number of steps.
        step: by how much each window is longer than the one before.
        offset: when windows start.

    Example:
        >>> cumulating("1d", step="1h").slide_us
        3600000000
    """
    with located(caller()):
        return WindowSpec.cumulating(microseconds(size), microseconds(step), microseconds(offset))


def sessions(gap: str | timedelta, *, by: Names = ()) -> SessionSpec:
    """Windows that end when nothing has happened for a while; rows that a gap does not part share one.

    Args:
        gap: how long nothing happens at the end of a session, such as `"10s"`.
        by: the columns whose values have sessions of their own.

    Example:
        >>> print(sessions("10s", by="user"))
        sessions of user, gap 10s
    """
    with located(caller()):
        return SessionSpec(microseconds(gap), column_names(by))
