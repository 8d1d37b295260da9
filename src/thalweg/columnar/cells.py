"""Keep columns of 64-bit words in one array, a row of it per column, and net how its places change.

Each row is a plain array to the kernels that know its column; what is done to all columns alike (copy,
compare) is one call for all of them, whatever their number and type.

Not here: which place belongs to which key (index.py), what the columns mean (operators/).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from thalweg.columnar.compiled import kernel
from thalweg.columnar.table import grown

Array = np.ndarray[Any, Any]


class Cells:
    """How the columns of one kind of rows lie: their names, what they hold, and their initial values.

    Example:
        >>> layout = Cells({"n": ("int64", 5), "f": ("float64", 0.5)})
        >>> {n: c.tolist() for n, c in layout.named(layout.new(2)).items()}
        {'n': [5, 5], 'f': [0.5, 0.5]}
    """

    def __init__(self, columns: Mapping[str, tuple[str, int | float | bool]]) -> None:
        """For each column what it holds (int64, float64 or bool) and its initial value."""
        self.names = tuple(columns)
        words = [_word(kind, initial) for kind, initial in columns.values()]
        self.initials = dict(zip(columns, words, strict=True))
        self._filled = [(at, word) for at, word in enumerate(words) if word]
        self._floats = [n for n, (kind, _) in columns.items() if kind == "float64"]
        self._booleans = [n for n, (kind, _) in columns.items() if kind == "bool"]

    def new(self, length: int, *, above: int = 0) -> Array:
        """int64[above + columns, length] with initial values, below rows for something else."""
        cells = np.zeros((above + len(self.names), length), np.int64)
        for at, word in self._filled:
            cells[above + at] = word
        return cells

    def grown(self, cells: Array, length: int) -> Array:
        """The same places in a longer array, new ones with initial values."""
        longer, known = np.zeros((len(cells), length), np.int64), cells.shape[1]
        longer[:, :known] = cells
        for at, word in self._filled:
            longer[at, known:] = word
        return longer

    def named(self, cells: Array) -> dict[str, Array]:
        """Each column as what it holds; the memory is that of the cells."""
        found = dict(zip(self.names, cells, strict=False))
        for name in self._floats:
            found[name] = found[name].view(np.float64)
        for name in self._booleans:
            # the first byte of a word is its lowest
            found[name] = found[name].view(np.bool_)[::8]
        return found


def _word(kind: str, value: float) -> int:
    """The bits of a value in a cell."""
    return int(np.float64(value).view(np.int64)) if kind == "float64" else int(value)


def take(cells: Array, places: Array) -> Array:
    """The cells at some places (int64 or uint32), all columns: int64[columns, places]."""
    found = np.empty((len(cells), len(places)), np.int64)
    _take(cells, places, found)
    return found


@kernel("void(int64[:, ::1], int64[::1], int64[:, ::1])", "void(int64[:, ::1], uint32[::1], int64[:, ::1])")
def _take(cells: Array, places: Array, found: Array) -> None:
    for j in range(len(found)):
        for i in range(len(places)):
            found[j, i] = cells[j, places[i]]


class Touched:
    """The places that changed since the last cut, and what their cells were before.

    Attributes:
        count: how many places.

    Example:
        >>> cells = np.zeros((2, 4), np.int64)  # rows of a group, and their sum
        >>> touched = Touched(mark=0, shown=[1])
        >>> touched.note(np.array([2, 2]), cells)
        >>> cells[:, 2] = 1, 7
        >>> made = touched.net(cells)
        >>> made.cells.tolist(), made.places.tolist(), made.weights.tolist()
        ([[1], [7]], [2], [1])
    """

    def __init__(self, mark: int, shown: Iterable[int]) -> None:
        """`mark`: the column that is 0 where there is no group; `shown`: those that make a result differ."""
        self._mark, self._shown = mark, np.array(list(shown), np.int64)
        self.count = 0
        self._is_touched = np.zeros(0, np.bool_)
        self._places = np.empty(0, np.int64)
        self._before = np.empty((0, 0), np.int64)

    @property
    def places(self) -> Array:
        """The places, in the order in which they were touched."""
        return self._places[: self.count]

    def note(self, places: Array, cells: Array) -> None:
        """These places are about to change: keep what is there, the first time since the cut."""
        if len(self._is_touched) < cells.shape[1]:
            self._is_touched = grown(self._is_touched, cells.shape[1])
        room = self.count + len(places)
        if room > len(self._places) or len(self._before) != len(cells):
            self._make_room(2 * room, len(cells))
        self.count = _note(
            places, self._is_touched, cells, self._mark, (self._places, self._before), self.count
        )

    def _make_room(self, room: int, columns: int) -> None:
        before = np.empty((columns, room), np.int64)
        before[:, : self.count] = self._before[:columns, : self.count] if self.count else 0
        self._places, self._before = grown(self.places, room), before

    def net(self, cells: Array, others: Array | None = None) -> Changes:
        """How the cells differ from before, and begin anew.

        Args:
            cells: the cells now.
            others: per touched place whether something else of its result differs.
        """
        columns, count = self._before.shape[0], self.count
        made = np.empty((columns + 4, 2 * count), np.int64)
        flags = np.empty((1 if others is None else 2, count), np.bool_)
        if others is not None:
            flags[1] = others
        minus, total, gone = _net(
            self.places, self._before, cells, (self._shown, self._mark), self._is_touched, (flags, made)
        )
        self.count = 0
        return Changes(made, minus, total, gone)


class Changes:
    """What was there before and has changed, then what is there instead.

    Attributes:
        minus: how many were there before; they come first.
        cells: of both, int64[columns, changes].
        places, weights: of each change; -1 where it goes, +1 where it comes.
        numbers: which of the touched places it is.
        gone: the places that are no longer in use.
    """

    def __init__(self, made: Array, minus: int, total: int, gone: int) -> None:
        self.minus = minus
        self.places, self.weights, self.numbers = made[-4, :total], made[-3, :total], made[-2, :total]
        self.gone = made[-1, :gone]
        self.cells = made[:-4, :total]


@kernel("int64(int64[::1], boolean[::1], int64[:, ::1], int64, Tuple((int64[::1], int64[:, ::1])), int64)")
def _note(
    places: Array, is_touched: Array, cells: Array, mark: int, store: tuple[Array, Array], count: int
) -> int:
    kept, before = store
    for i in range(len(places)):
        place = places[i]
        if not is_touched[place]:
            is_touched[place] = True
            kept[count] = place
            before[mark, count] = cells[mark, place]
            # what a place without a group was like matters to nobody, and most may be new
            if cells[mark, place] != 0:
                for j in range(len(cells)):
                    before[j, count] = cells[j, place]
            count += 1
    return count


@kernel(
    "UniTuple(int64, 3)(int64[::1], int64[:, ::1], int64[:, ::1], Tuple((int64[::1], int64)), "
    "boolean[::1], Tuple((boolean[:, ::1], int64[:, ::1])))"
)
def _net(
    places: Array,
    before: Array,
    cells: Array,
    columns: tuple[Array, int],
    is_touched: Array,
    outputs: tuple[Array, Array],
) -> tuple[int, int, int]:
    """Fill `made`: the columns before and now, then place, weight, number, and the places out of use."""
    shown, mark = columns
    flags, made = outputs
    width = len(before)
    at, gone = np.int64(0), np.int64(0)
    for i in range(len(places)):
        place = places[i]
        is_touched[place] = False
        had, has = before[mark, i] != 0, cells[mark, place] != 0
        differs = had != has
        if had and has:
            differs = len(flags) > 1 and flags[1, i]
            for k in range(len(shown)):
                differs |= before[shown[k], i] != cells[shown[k], place]
        flags[0, i] = differs and has
        if not has:
            made[width + 3, gone] = place
            gone += 1
        if differs and had:
            for j in range(width):
                made[j, at] = before[j, i]
            made[width, at], made[width + 1, at], made[width + 2, at] = place, -1, i
            at += 1
    minus = at
    for i in range(len(places)):
        if flags[0, i]:
            place = places[i]
            for j in range(width):
                made[j, at] = cells[j, place]
            made[width, at], made[width + 1, at], made[width + 2, at] = place, 1, i
            at += 1
    return minus, at, gone  # type: ignore[return-value]
