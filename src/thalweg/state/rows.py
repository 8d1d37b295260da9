"""Keep whole rows in memory, in groups: the *row store* kind of state.

Rows of one group are frames that were added together; they are joined when they are read. What is
kept owns its memory: a few rows cut from a large batch are copied.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from thalweg.columnar.allocation import kept
from thalweg.columnar.buffers import values_and_validity
from thalweg.columnar.eager import below, gather_rows, pick
from thalweg.columnar.groups import by_group, group_rows
from thalweg.columnar.pinned import owned
from thalweg.protocols.state import RowsSpec
from thalweg.state.marks import increment
from thalweg.state.reading import matching
from thalweg.state.segments import join_last

_COPY_BELOW = 4096


class Rows:
    """Rows by group, in memory."""

    def __init__(self, spec: RowsSpec) -> None:
        self._spec = spec
        self._schema = pl.Schema(spec.columns)
        self._groups: dict[int, list[pl.DataFrame]] = {}
        self._fresh: dict[int, list[pl.DataFrame]] | None = None
        """What came since the last increment; None: nobody asks."""
        self._known: set[int] = set()
        """The groups that have rows in increments."""
        self._gone: list[int] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Keep rows."""
        frame = pick(frame, self._schema.names())
        groups = values_and_validity(frame.get_column(self._spec.group))[0]
        if not len(groups):
            return
        if (groups == groups[0]).all():
            self._add(int(groups[0]), _owned(frame))
            return
        found = group_rows(groups.reshape(-1, 1))
        order, starts = by_group(found.ids, found.height)
        ends = starts.tolist()
        for group, begin, end in zip(groups[found.firsts].tolist(), ends, ends[1:], strict=False):
            # a gather copies
            self._add(group, owned(gather_rows(frame, order[begin:end])))

    def _add(self, group: int, frame: pl.DataFrame) -> None:
        for groups in (self._groups, self._fresh):
            if groups is not None:
                parts = groups.setdefault(group, [])
                parts.append(frame)
                join_last(parts)

    def groups(self) -> list[int]:
        """The groups that have rows, ascending."""
        return sorted(self._groups)

    def take(self, group: int) -> pl.DataFrame:
        """Remove a group and give its rows."""
        if self._fresh is not None:
            self._fresh.pop(group, None)
            if group in self._known:
                self._known.discard(group)
                self._gone.append(group)
        return below(self._groups.pop(group))

    def rows(self, group: int) -> pl.DataFrame:
        """The rows of a group; joined once, so that reading again is cheap."""
        parts = self._groups.get(group)
        if parts is None:
            return self._schema.to_frame()
        if len(parts) > 1:
            self._groups[group] = parts = [kept(pl.concat(parts, rechunk=True))]
        # a frame of its own: whoever changes it in place does not change the state
        return parts[0].clone()

    @property
    def count(self) -> int:
        """How many rows there are."""
        return sum(f.height for parts in list(self._groups.values()) for f in parts)

    @property
    def nbytes(self) -> int:
        """The memory held."""
        return sum(int(f.estimated_size()) for parts in list(self._groups.values()) for f in parts)

    def dump(self) -> pl.DataFrame:
        """Every row, group by group."""
        frames = [self.rows(g) for g in self.groups()]
        return pl.concat(frames) if frames else self._schema.to_frame()

    def read(self, keys: pl.DataFrame | None, rows_max: int) -> Iterator[pl.DataFrame]:
        """The rows in parts, as they were added; nothing is joined for it."""
        yield self._schema.to_frame()
        for group in self.groups():
            for frame in self._groups[group]:
                for part in frame.iter_slices(rows_max):
                    yield part if keys is None else gather_rows(part, matching(part, keys))

    def load(self, frame: pl.DataFrame) -> None:
        """Add rows that `dump` gave."""
        if frame.height:
            self.add(frame)

    def track(self, *, whole: bool) -> None:
        """Note what changes from now on."""
        self._fresh = {g: list(parts) for g, parts in self._groups.items()} if whole else {}
        self._known = set() if whole else set(self._groups)
        self._gone = []

    def changes(self) -> pl.DataFrame:
        """The groups that have gone since the last increment, and the rows that came."""
        assert self._fresh is not None, "changes are noted since `track`"
        fresh, self._fresh = self._fresh, {}
        gone, self._gone = self._gone, []
        self._known.update(fresh)
        frames = [frame for group in sorted(fresh) for frame in fresh[group]]
        rows = pl.concat(frames) if frames else self._schema.to_frame()
        groups = pl.Series(self._spec.group, sorted(gone), dtype=self._schema[self._spec.group])
        return increment(rows, [groups.to_frame()] if gone else [])

    def compact(self) -> None:
        """Nothing is left over: groups go as a whole."""


def _owned(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows in memory of their own."""
    if frame.height >= _COPY_BELOW:
        return owned(frame)
    # a gather copies; a rechunk of a single slice would not
    return owned(gather_rows(frame, np.arange(frame.height)))
