"""Keep rows that are asked for by number, in a row store.

A row's place is (group of the store, row in it) as one number. Groups are as large as batches were, small
ones joined, and written anew without the rows that have left once these outnumber the others.

Reads:    the places that `BestRows` holds per row.
Changes:  the store, and those places.
Not here: which rows are kept (columnar/best.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.best import PLACE
from thalweg.columnar.eager import below, beside, gather_below, gather_rows, numbers, without
from thalweg.protocols.state import RowStore

Array = np.ndarray[Any, Any]

GROUP = "__piece"
_FULL = 1 << 15
_OFFSET = (1 << 32) - 1


class KeptRows:
    """Rows by place."""

    def __init__(self, store: RowStore) -> None:
        self._store = store
        self._owners: dict[int, Array] = {}
        self._dead: dict[int, int] = {}
        self._next = max(store.groups(), default=-1) + 1

    def add(self, frame: pl.DataFrame, rows: Array, cells: Array) -> None:
        """Keep rows under their numbers; `cells` says where each number's row is."""
        while len(rows) < _FULL and self._owners:
            last = next(reversed(self._owners))
            if len(self._owners[last]) > len(rows):
                break
            some, owners = self._taken(last, cells)
            frame, rows = below([some, frame]), np.concatenate([owners, rows])
        self._place(self._next, rows, cells)
        self._next += 1
        piece = numbers(GROUP, np.full(len(rows), self._next - 1, np.int64))
        self._store.add(beside(frame, [piece]))

    def know(self, piece: int, rows: Array, cells: Array) -> None:
        """The rows that the store holds already in one group; those numbered -1 have left."""
        live = rows >= 0
        self._owners[piece] = rows
        cells[rows[live], PLACE] = (piece << 32) + np.flatnonzero(live)
        self._dead[piece] = len(rows) - int(np.count_nonzero(live))

    def _place(self, piece: int, rows: Array, cells: Array) -> None:
        self._owners[piece], self._dead[piece] = rows, 0
        cells[rows, PLACE] = (piece << 32) + np.arange(len(rows))

    def _taken(self, piece: int, cells: Array) -> tuple[pl.DataFrame, Array]:
        """The rows of a group that have not left; the group is gone."""
        frame = without(self._store.take(piece), GROUP)
        owners, dead = self._owners.pop(piece), self._dead.pop(piece)
        if not dead:
            return frame, owners
        places = (piece << 32) + np.arange(len(owners))
        live = np.flatnonzero((owners >= 0) & (cells[owners, PLACE] == places))
        return gather_rows(frame, live), owners[live]

    def leave(self, places: Array, cells: Array) -> None:
        """The rows at these places are not needed any more."""
        pieces, counts = np.unique(places >> 32, return_counts=True)
        for piece, count in zip(pieces.tolist(), counts.tolist(), strict=True):
            self._dead[piece] += count
        for piece in pieces.tolist():
            # a small one may have been joined with others meanwhile
            if piece in self._dead and 2 * self._dead[piece] > len(self._owners[piece]):
                frame, rows = self._taken(piece, cells)
                if len(rows):
                    self.add(frame, rows, cells)

    def gather(self, places: Array) -> tuple[pl.DataFrame, Array | None]:
        """The rows at places, and in which order they come (None: as given)."""
        pieces = places >> 32
        near = (pieces - pieces.min()).astype(np.uint16) if np.ptp(pieces) < 1 << 16 else pieces
        order = None if (near == near[0]).all() else np.argsort(near, kind="stable")
        ordered = places if order is None else places[order]
        starts = np.flatnonzero(np.diff(ordered >> 32, prepend=-1))
        frames = [self._store.rows(piece) for piece in (ordered[starts] >> 32).tolist()]
        found = gather_below(frames, np.diff(starts, append=len(ordered)), ordered & _OFFSET)
        return without(found, GROUP), order
