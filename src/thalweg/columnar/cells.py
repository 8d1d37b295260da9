"""Keep columns of 64-bit words, work on all of them in one call, and net how their places change.

A column is a plain array to the kernels that know it. What is done to all columns alike (copy, compare) is
one call that takes where each of them begins in memory, whatever their number and type.

Not here: which place belongs to which key (index.py), what the columns mean (operators/).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from thalweg.columnar.compiled import kernel, load_word
from thalweg.columnar.table import grown

Array = np.ndarray[Any, Any]


class Cells:
    """How the columns of one kind of rows lie: their names, what they hold, and their initial values.

    Attributes:
        names: of the columns.
        initials: the word of each column's initial value.

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

    def grown(self, columns: Sequence[Array], length: int) -> list[Array]:
        """The columns with the same places and more, new ones with initial values."""
        return [grown(c, length, word) for c, word in zip(columns, self.initials.values(), strict=True)]

    def named(self, columns: Iterable[Array]) -> dict[str, Array]:
        """Columns of words as what they hold; the memory is the same."""
        found = dict(zip(self.names, columns, strict=False))
        for name in self._floats:
            found[name] = found[name].view(np.float64)
        for name in self._booleans:
            # the first byte of a word is its lowest
            found[name] = found[name].view(np.bool_)[::8]
        return found


def _word(kind: str, value: float) -> int:
    """The bits of a value in a cell."""
    return int(np.float64(value).view(np.int64)) if kind == "float64" else int(value)


def addresses_of(columns: Iterable[Array]) -> Array:
    """Where each column begins in memory (uint64); it says nothing once a column has gone."""
    return np.array([c.__array_interface__["data"][0] for c in columns], np.uint64)


def take(addresses: Array, places: Array) -> Array:
    """The cells of all columns at some places: int64[columns, places].

    Example:
        >>> cells = np.arange(6).reshape(2, 3)
        >>> take(addresses_of(cells), np.array([2, 0])).tolist()
        [[2, 0], [5, 3]]
    """
    found = np.empty((len(addresses), len(places)), np.int64)
    _take(addresses, places, found)
    return found


def pick(cells: Array, places: Array) -> Array:
    """The same of columns in one array (int64[columns, rows]), by places that are uint32."""
    found = np.empty((len(cells), len(places)), np.int64)
    _pick(cells, places, found)
    return found


class Touched:
    """The places that changed since the last cut, and what their cells were before.

    Attributes:
        count: how many places.

    Example:
        >>> cells = np.zeros((2, 4), np.int64)  # how many rows a group has, and their sum
        >>> addresses, touched = addresses_of(cells), Touched(mark=0, shown=[1])
        >>> touched.note(np.array([2, 2]), addresses, 4)
        >>> cells[:, 2] = 1, 7
        >>> made = touched.net(addresses)
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
        self._scratch = np.empty(0, np.int64)

    @property
    def places(self) -> Array:
        """The places, in the order in which they were touched."""
        return self._places[: self.count]

    def note(self, places: Array, addresses: Array, capacity: int) -> None:
        """These places are about to change: keep what is there, the first time since the cut.

        Args:
            places: of columns of the given capacity.
            addresses: where the columns begin.
            capacity: how long they are.
        """
        if len(self._is_touched) < capacity:
            self._is_touched = grown(self._is_touched, capacity)
        room = self.count + len(places)
        if room > len(self._places) or len(self._before) != len(addresses):
            self._make_room(2 * room, len(addresses))
        store = self._places, self._before
        self.count = _note(places, self._is_touched, addresses, self._mark, store, self.count)

    def _make_room(self, room: int, columns: int) -> None:
        before = np.empty((columns, room), np.int64)
        if self.count:
            before[:, : self.count] = self._before[:, : self.count]
        self._places, self._before = grown(self.places, room), before

    def net(self, addresses: Array, others: Array | None = None) -> Changes:
        """How the cells differ from before, and begin anew.

        Args:
            addresses: where the columns begin now.
            others: per touched place whether something else of its result differs.

        Returns:
            The changes, in memory that the next call uses again.
        """
        places = self.places
        count, height = len(places), len(self._before) + 3
        if len(self._scratch) < (2 * height + 3) * count:
            self._scratch = np.empty((2 * height + 3) * count, np.int64)
        lists = self._scratch[: 3 * count].reshape(3, count)
        counts = _compare(
            places, self._before, addresses, (self._shown, self._mark), self._is_touched, others, lists
        )
        minus, plus, gone = counts
        total = minus + plus
        made = self._scratch[3 * count : 3 * count + height * total].reshape(height, total)
        _collect(places, self._before, addresses, lists, minus, made)
        self.count = 0
        return Changes(made, minus, lists[2, :gone])


class Changes:
    """What was there before and has changed, then what is there instead; valid until the next cut.

    Attributes:
        minus: how many were there before; they come first.
        cells: of both, int64[columns, changes].
        places, weights: of each change; -1 where it goes, +1 where it comes.
        numbers: which of the touched places it is.
        gone: the places that are no longer in use.
    """

    def __init__(self, made: Array, minus: int, gone: Array) -> None:
        self.minus, self.gone = minus, gone
        self.cells, self.places, self.weights, self.numbers = made[:-3], made[-3], made[-2], made[-1]


@kernel("void(uint64[::1], int64[::1], int64[:, ::1])")
def _take(addresses: Array, places: Array, found: Array) -> None:
    for j in range(len(found)):
        for i in range(len(places)):
            found[j, i] = np.int64(load_word(addresses[j] + np.uint64(8 * places[i])))


@kernel("void(int64[:, ::1], uint32[::1], int64[:, ::1])")
def _pick(cells: Array, places: Array, found: Array) -> None:
    for j in range(len(found)):
        for i in range(len(places)):
            found[j, i] = cells[j, places[i]]


@kernel("int64(int64[::1], boolean[::1], uint64[::1], int64, Tuple((int64[::1], int64[:, ::1])), int64)")
def _note(
    places: Array, is_touched: Array, addresses: Array, mark: int, store: tuple[Array, Array], count: int
) -> int:
    kept, before = store
    for i in range(len(places)):
        place = places[i]
        if not is_touched[place]:
            is_touched[place] = True
            kept[count] = place
            offset = np.uint64(8 * place)
            before[mark, count] = np.int64(load_word(addresses[mark] + offset))
            # what a place without a group was like matters to nobody, and most may be new
            if before[mark, count] != 0:
                for j in range(len(addresses)):
                    before[j, count] = np.int64(load_word(addresses[j] + offset))
            count += 1
    return count


@kernel(
    "UniTuple(int64, 3)(int64[::1], int64[:, ::1], uint64[::1], Tuple((int64[::1], int64)), "
    "boolean[::1], optional(boolean[::1]), int64[:, ::1])"
)
def _compare(
    places: Array,
    before: Array,
    addresses: Array,
    columns: tuple[Array, int],
    is_touched: Array,
    others: Array | None,
    lists: Array,
) -> tuple[int, int, int]:
    """Fill the lists: numbers of places whose row before goes, whose row now comes, and places out of use."""
    shown, mark = columns
    minus, plus, gone = np.int64(0), np.int64(0), np.int64(0)
    for i in range(len(places)):
        place = places[i]
        is_touched[place] = False
        offset = np.uint64(8 * place)
        had, has = before[mark, i] != 0, load_word(addresses[mark] + offset) != 0
        differs = had != has
        if had and has:
            if others is not None:
                differs = others[i]
            for k in range(len(shown)):
                j = shown[k]
                differs |= before[j, i] != np.int64(load_word(addresses[j] + offset))
        lists[0, minus] = lists[1, plus] = i
        lists[2, gone] = place
        minus += np.int64(differs and had)
        plus += np.int64(differs and has)
        gone += np.int64(not has)
    return minus, plus, gone  # type: ignore[return-value]


@kernel("void(int64[::1], int64[:, ::1], uint64[::1], int64[:, ::1], int64, int64[:, ::1])")
def _collect(places: Array, before: Array, addresses: Array, lists: Array, minus: int, made: Array) -> None:
    """Fill `made`: the columns before and now, then place, weight and number."""
    width, total = len(addresses), made.shape[1]
    for i in range(total):
        number = lists[0, i] if i < minus else lists[1, i - minus]
        made[width, i], made[width + 2, i] = places[number], number
        made[width + 1, i] = -1 if i < minus else 1
    for j in range(width):
        for i in range(minus):
            made[j, i] = before[j, made[width + 2, i]]
        for i in range(minus, total):
            made[j, i] = np.int64(load_word(addresses[j] + np.uint64(8 * made[width, i])))
