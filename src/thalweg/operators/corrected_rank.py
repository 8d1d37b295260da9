"""Number the rows of windows when their time has passed, and correct the numbers while rows may change.

Not here: numbering (running_rank.py), windows that are numbered once (window_rank.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from thalweg.columnar.batch import Batch
from thalweg.operators.running_rank import RunningRankOp, RunningRankSpec
from thalweg.protocols.operator import Context, Output

Array = np.ndarray[Any, Any]


class CorrectedRankOp(RunningRankOp):
    """Keep the numbers of the rows of windows up to date, once the time of the window has passed.

    Emits:      the rows of a window with their numbers once the watermark passes its end; at each cut, of the
                keys that were touched since, rows whose number or weight has changed.
    State:      the rows of windows that may still change, as `RunningRankOp` keeps them.
    Late rows:  were turned away, later than allowed, where the window was assigned.
    Batch mode: one sort.
    """

    def __init__(self, spec: RunningRankSpec, context: Context) -> None:
        super().__init__(spec, context)
        assert spec.window is not None, "the planner puts this on windows"
        self._end, self._lag_us, self._slack_us = spec.window
        self._passed: int | None = None
        live = self._state.live()
        self._waiting: list[tuple[Array, Array]] = []
        """Rows that were touched, with the ends of their windows."""
        self._next_gone: int | None = None
        self._wait(live)

    @property
    def due(self) -> int | None:
        """The watermark that emits the next window."""
        least = min((int(ends.min()) for _, ends in self._waiting if len(ends)), default=None)
        return None if least is None else least + self._lag_us

    def _wait(self, slots: Array) -> None:
        """Rows have changed."""
        if not len(slots):
            return
        ends = self._ends(slots)
        self._waiting.append((slots, ends))
        least = int(ends.min())
        self._next_gone = least if self._next_gone is None else min(self._next_gone, least)

    def _ends(self, slots: Array) -> Array:
        return self._state.words(slots, (self._end,))[:, 0]

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Count rows; numbers are given when the time of their window has passed."""
        del port
        self._wait(self.take(batch))
        return iter(())

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Number the windows whose time has passed; forget those that no row can change any more."""
        self._passed = time - self._lag_us
        yield from self._settle(self._passed)
        final = time - self._slack_us
        if self._next_gone is None or self._next_gone > final:
            return
        live = self._state.live()
        ends = self._ends(live) if len(live) else live
        gone, rest = live[ends <= final], ends[ends > final]
        self._next_gone = int(rest.min()) if len(rest) else None
        if len(gone):
            self._forget(gone)

    def _settle(self, until: int | None) -> Iterator[Output]:
        """Number the keys of rows that were touched, of windows up to an end."""
        if not self._waiting:
            return
        slots, ends = (np.concatenate(a) for a in zip(*self._waiting, strict=True))
        slots, firsts = np.unique(slots, return_index=True)
        ends = ends[firsts]
        due = np.full(len(slots), True) if until is None else ends <= until
        self._waiting = [] if due.all() else [(slots[~due], ends[~due])]
        if due.any():
            yield from self._renumber(slots[due])

    def on_cut(self, number: int) -> Iterator[Output]:
        """What has changed since the last cut."""
        del number
        return iter(()) if self._passed is None else self._settle(self._passed)

    def on_end(self, port: int) -> Iterator[Output]:
        """Every window is complete."""
        del port
        return self._settle(None)
