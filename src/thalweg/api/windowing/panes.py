"""Hold a window of a key: its bounds, what it keeps, and what its trigger remembers.

Not here: what is kept of the rows (contents.py), how windows come and go (functions.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from thalweg.api.windowing.assigners import Bounds
from thalweg.api.windowing.times import time_of


@dataclass
class Pane:
    """A window of a key.

    Attributes:
        start, end: in microseconds; None: the global window.
        count: how many rows it has.
        memory: what the trigger keeps.
        wakes: the times at which the trigger is to be asked.
        rows: the time and the values of each row.
        held: the value that was made of the rows.
        clocks: the processing times at which the trigger is to be asked.
        given: the result that it has given, where that may be taken back.
        kept: the state of the function, by its attributes.
    """

    start: int | None
    end: int | None
    count: int = 0
    memory: dict[str, float] = field(default_factory=dict)
    wakes: list[int] = field(default_factory=list)

    if TYPE_CHECKING:
        # what panes of some kinds have more
        rows: list[tuple[int, tuple[Any, ...]]] = field(default_factory=list)
        held: Any = None
        clocks: list[int] = field(default_factory=list)
        given: list[tuple[Any, ...]] = field(default_factory=list)
        kept: Any = None

    @property
    def bounds(self) -> Bounds:
        """The window as programs see it."""
        return _bounds(self.start, self.end)


@lru_cache(maxsize=4096)
def _bounds(start: int | None, end: int | None) -> Bounds:
    """They are asked for with every row; many keys have the same."""
    return Bounds(*(None if at is None else time_of(at) for at in (start, end)))


def pane_type(more: dict[str, tuple[Any, Callable[[], Any]]]) -> type[Pane]:
    """The type of panes that have more fields: their types, and what makes the values they begin with."""
    fields = [(name, hint, field(default_factory=make)) for name, (hint, make) in more.items()]
    made: type[Pane] = make_dataclass("Pane", fields, bases=(Pane,))
    return made
