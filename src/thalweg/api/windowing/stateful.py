"""Write functions of whole windows with state and side outputs: Flink's `ProcessWindowFunction`.

Not here: how such a function is called (calls.py), plain functions of windows (contents.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from thalweg.api.windowing.assigners import Bounds
from thalweg.expr.python_rows import Row
from thalweg.protocols.process import Turn

if TYPE_CHECKING:
    import polars as pl

_EPOCH = datetime(1970, 1, 1)
OF_KEY = "thalweg: of the key, over all of its windows"
Held = TypeVar("Held")
OfKey = Annotated[Held, OF_KEY]
"""The type of state that a key has over all of its windows: `best: tw.windowing.OfKey[int] = 0`."""


class WindowFunction:
    """A function of whole windows that keeps state; see `KeyedWindows.process`.

    Annotated attributes of the class are state of the window: it finds what it has left behind when the same
    window gives its result again, early or late, and it is forgotten with the window. Those of the type
    `OfKey` are state of the key, over all of its windows. Each begins with the value that is written there
    (lists, dicts and sets may be left out: they begin empty). Anything else on `self` is configuration.

    Example:
        >>> import polars as pl
        >>> import thalweg as tw
        >>> OfKey = tw.windowing.OfKey
        >>> class Numbered(tw.windowing.WindowFunction):
        ...     number: OfKey[int] = 0
        ...
        ...     def on_window(self, window, rows):
        ...         self.number += 1
        ...         yield self.key.k, self.number, sum(row.v for row in rows)
        >>> rows = tw.Session().from_polars(pl.DataFrame({"k": list("aabaa"), "v": [1, 2, 3, 4, 5]}))
        >>> pairs = rows.key_by("k").window(tw.windowing.Counts(2))
        >>> pairs.process(Numbered(), "k STRING, number INT, v BIGINT", order="arrival").collect().rows()
        [('a', 1, 3), ('a', 2, 9)]
    """

    turn: ClassVar[Turn]
    _now: ClassVar[datetime]

    def on_window(self, window: Bounds, rows: Any) -> Iterable[Row] | pl.DataFrame | None:
        """Take a window with its rows, in the order of event time; give any number of rows."""
        raise NotImplementedError

    def on_close(self, window: Bounds) -> None:
        """The window is forgotten now, and its state with it: no row can come for it any more."""
        raise NotImplementedError

    def on_merge(self, other: Any) -> None:
        """The window has become one with a later one: `other` has that one's state, and `self` what is kept.

        Functions with state of sessions have this method; `other` is read, and its values may be taken over.
        """
        raise NotImplementedError

    @property
    def key(self) -> Any:
        """The values of the key columns, a named tuple."""
        return self.turn.key

    @property
    def now(self) -> datetime:
        """How far event time is: before the end of a window a result is early."""
        return self._now

    @property
    def clock(self) -> datetime:
        """The processing time, in UTC: what depends on it is another result another time."""
        return (_EPOCH + timedelta(microseconds=self.turn.clock_us)).replace(tzinfo=UTC)

    def emit(self, port: str, row: Row) -> None:
        """Give a row to a side output; it stays, also where results are taken back."""
        self.turn.emit(port, row)
