"""Follow the bounds of windows through the columns of a plan, whatever these are called.

A row may lie in several windows: those of both inputs of a join, or a window and the windows of windows
before it. Of each it may have the bounds in several columns.

Not here: when windows are complete (properties.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal as Choice

from thalweg.expr.nodes import Column, Named

Bound = Choice["start", "end", "time"]


@dataclass(frozen=True)
class WindowColumns:
    """The columns of one window of each row.

    Attributes:
        starts: hold its start.
        ends: hold its end.
        times: hold its last millisecond.
    """

    starts: frozenset[str] = frozenset()
    ends: frozenset[str] = frozenset()
    times: frozenset[str] = frozenset()

    @classmethod
    def named(cls, start: str, end: str, time: str) -> WindowColumns:
        """A window with one column of each."""
        return cls(frozenset([start]), frozenset([end]), frozenset([time]))

    @cached_property
    def bounds(self) -> dict[str, Bound]:
        """What each column holds, in an order that depends on their names only."""
        found: dict[str, Bound] = dict.fromkeys(sorted(self.starts), "start")
        found |= dict.fromkeys(sorted(self.ends), "end")
        return found | dict.fromkeys(sorted(self.times), "time")

    @property
    def is_whole(self) -> bool:
        """Whether both bounds are known, so that the columns tell windows apart."""
        return bool(self.starts and self.ends)

    def among(self, names: Iterable[str]) -> WindowColumns:
        """Those columns that are among some."""
        kept = frozenset(names)
        return WindowColumns(self.starts & kept, self.ends & kept, self.times & kept)

    def meet(self, other: WindowColumns) -> WindowColumns:
        """The columns that hold the same bound of another window too."""
        return WindowColumns(self.starts & other.starts, self.ends & other.ends, self.times & other.times)

    def projected(self, items: Iterable[Named]) -> WindowColumns:
        """The columns behind a projection."""
        names = copies(items)

        def through(columns: frozenset[str]) -> frozenset[str]:
            return frozenset(new for old in columns for new in names.get(old, ()))

        return WindowColumns(through(self.starts), through(self.ends), through(self.times))


def copies(items: Iterable[Named]) -> Mapping[str, set[str]]:
    """For each column that a projection passes on, its new names."""
    found: dict[str, set[str]] = {}
    for item in items:
        if isinstance(item.expr, Column):
            found.setdefault(item.expr.name, set()).add(item.name)
    return found
