"""Follow the increments of a state, and compare what they make with what is there.

Not here: which calls are made in between (states.py, row_states.py, stand.py).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from thalweg.checkpoint.increments import composed, of_task
from thalweg.protocols.increments import ROW, TASK
from thalweg.protocols.state import StateSpec
from thalweg.testing.tables import difference, table_of


class Followed:
    """The increments of one state since it was made or loaded.

    Example:
        >>> from thalweg.protocols.state import RowsSpec
        >>> from thalweg.state.rows import Rows
        >>> spec = RowsSpec("rows", {"id": pl.Int64(), "at": pl.Int64()}, "at")
        >>> state = Rows(spec)
        >>> followed = Followed(state, spec)
        >>> state.add(pl.DataFrame({"id": [7], "at": [0]}))
        >>> followed.wrong(), followed.last.height
        (None, 1)
    """

    def __init__(self, state: Any, spec: StateSpec) -> None:
        self._state, self._identity = state, spec.identity
        self._whole: pl.DataFrame | None = None
        self.last = pl.DataFrame()
        state.track(whole=True)

    def wrong(self) -> str | None:
        """Take the next increment; says where all so far make something else than the state."""
        self.last = of_task(self._state.changes(), self._identity, 0)
        self._whole = composed(self._identity, [f for f in (self._whole, self.last) if f is not None])
        dump = self._state.dump()
        if not dump.width:
            return None
        missing = [n for n in dump.columns if n not in self._whole.columns]
        if missing:
            return f"increments have no column {missing[0]}"
        extra = set(self._whole.columns) - {*dump.columns, TASK, ROW}
        if extra:
            return f"increments have another column, {min(extra)}"
        return difference(table_of(self._whole.select(dump.columns)), table_of(dump))
