"""Take back rows that were emitted and are no longer true, when what is true now is emitted.

Used by: the operators that emit windows before they are final (corrected_group.py, corrected_sessions.py).
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from thalweg.columnar.batch import WEIGHT, Batch, consolidate


class Corrections:
    """The rows of one task that are to be taken back; none is left after a cut."""

    def __init__(self, rows_max: int) -> None:
        self._rows_max = rows_max
        self._gone: list[pl.DataFrame] = []

    @property
    def are_owed(self) -> bool:
        """Whether rows wait to be taken back."""
        return bool(self._gone)

    def take_back(self, frame: pl.DataFrame) -> None:
        """Rows that were emitted and are about to change."""
        self._gone.append(frame)

    def emitted(self, frames: list[pl.DataFrame]) -> Iterator[Batch]:
        """Rows that are true now, and those in whose place they are emitted; what has stayed is neither."""
        gone, self._gone = self._gone, []
        if not gone:
            for frame in frames:
                yield from Batch(frame).slices(self._rows_max)
            return
        rows = pl.concat([*gone, *frames])
        minus = sum(f.height for f in gone)
        weight = pl.int_range(rows.height, eager=True, dtype=pl.Int64) >= minus
        yield from consolidate(Batch(rows, (weight.cast(pl.Int64) * 2 - 1).alias(WEIGHT))).slices(
            self._rows_max
        )
