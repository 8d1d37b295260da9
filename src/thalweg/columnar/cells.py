"""Keep columns of 64-bit words, work on all of them in one call, and net how their places change.

A column is a plain array to the kernels that know it. What is done to all columns alike (copy, compare) is
one call that takes where each of them begins in memory, whatever their number and type.

Not here: which place belongs to which key (index.py), what the columns mean (operators/).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from thalweg.columnar.allocation import grown, zeros
from thalweg.columnar.compiled import kernel, load_word, store_word

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
        cells = zeros((above + len(self.names), length))
        for at, word in self._filled:
            cells[above + at] = word
        return cells

    def grown(self, columns: Sequence[Array], length: int, *, ahead: int = 1) -> list[Array]:
        """The columns with at least so many places, new ones with initial values.

        Columns that begin with zeros become `ahead` times as long: memory that nothing has been written to
        costs nothing.
        """
        return [
            c if len(c) >= length else grown(c, length if word else ahead * length, word)
            for c, word in zip(columns, self.initials.values(), strict=True)
        ]

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


def put(addresses: Array, places: Array, words: Array) -> None:
    """Write one word per column to all of some places.

    Example:
        >>> cells = np.arange(6).reshape(2, 3)
        >>> put(addresses_of(cells), np.array([2, 0]), np.array([7, 8]))
        >>> cells.tolist()
        [[7, 1, 7], [8, 4, 8]]
    """
    _put(addresses, np.ascontiguousarray(places, np.int64), words)


class Touched:
    """The places that changed since the last cut, and what their cells were before.

    Attributes:
        count: how many places.

    Example:
        >>> cells = np.zeros((2, 4), np.int64)  # how many rows a group has, and their sum
        >>> addresses, touched = addresses_of(cells), Touched(columns=2, mark=0, shown=[1])
        >>> touched.note(np.array([2, 2]), addresses, 4)
        >>> cells[:, 2] = 1, 7
        >>> made = next(touched.net(addresses))
        >>> made.cells.tolist(), made.places.tolist(), made.weights.tolist()
        ([[1], [7]], [2], [1])
    """

    def __init__(self, *, columns: int, mark: int, shown: Iterable[int]) -> None:
        """`mark`: the column that is 0 where there is no group; `shown`: those that make a result differ."""
        self._columns = columns
        self._mark, self._shown = mark, np.array(list(shown), np.int64)
        self.count = 0
        self._is_touched = np.zeros(0, np.bool_)
        self._blocks = [_Block(columns)]
        self._lists = np.empty((3, BLOCK), np.int64)
        self._made = np.empty(2 * BLOCK * (columns + 3), np.int64)

    @property
    def places(self) -> Array:
        """The places, in the order in which they were touched."""
        return np.concatenate([b.places[: b.count] for b in self._blocks])

    def note(self, places: Array, addresses: Array, capacity: int) -> None:
        """These places are about to change: keep what is there, the first time since the cut.

        Args:
            places: of columns of the given capacity.
            addresses: where the columns begin.
            capacity: how long they are.
        """
        if len(self._is_touched) < capacity:
            self._is_touched = grown(self._is_touched, capacity)
        done = 0
        while True:
            block = self._blocks[-1]
            store = block.places, block.before
            now, count = _note(places, done, self._is_touched, addresses, self._mark, store, block.count)
            self.count += count - block.count
            done, block.count = now, count
            if done == len(places):
                return
            self._blocks.append(_Block(self._columns))

    def net(self, addresses: Array, others: Array | None = None) -> Iterator[Changes]:
        """How the cells differ from before, some thousands at a time, and begin anew.

        Args:
            addresses: where the columns begin now.
            others: per touched place whether something else of its result differs.

        Yields:
            Changes in memory that the next ones use again.
        """
        blocks, self._blocks, self.count, first = self._blocks, self._blocks[:1], 0, 0
        height = self._columns + 3
        for block in blocks:
            count, block.count = block.count, 0
            places, lists = block.places[:count], self._lists
            odd = None if others is None else others[first : first + count]
            minus, plus, gone = _compare(
                places, block.before, addresses, (self._shown, self._mark), self._is_touched, odd, lists
            )
            made = self._made[: height * (minus + plus)].reshape(height, minus + plus)
            _collect(places, block.before, addresses, lists, minus, made)
            yield Changes(made, minus, lists[2, :gone], first)
            first += count


BLOCK = 1 << 15
"""How many places are netted at a time: memory for all of a cut might be as much as that of the state."""


class _Block:
    """Places, and what their cells were before."""

    def __init__(self, columns: int) -> None:
        self.places = np.empty(BLOCK, np.int64)
        self.before = np.empty((columns, BLOCK), np.int64)
        self.count = 0


class Changes:
    """What was there before and has changed, then what is there instead; valid until the next ones.

    Attributes:
        minus: how many were there before; they come first.
        cells: of both, int64[columns, changes].
        places, weights: of each change; -1 where it goes, +1 where it comes.
        numbers: which of all places touched since the last cut it is.
        gone: the places that are no longer in use.
    """

    def __init__(self, made: Array, minus: int, gone: Array, first: int) -> None:
        self.minus, self.gone, self._first = minus, gone, first
        self.cells, self.places, self.weights = made[:-3], made[-3], made[-2]
        self._numbers = made[-1]

    @property
    def numbers(self) -> Array:
        return self._numbers + self._first


@kernel("void(uint64[::1], int64[::1], int64[:, ::1])")
def _take(addresses: Array, places: Array, found: Array) -> None:
    for j in range(len(found)):
        for i in range(len(places)):
            found[j, i] = np.int64(load_word(addresses[j] + np.uint64(8 * places[i])))


@kernel("void(uint64[::1], int64[::1], int64[::1])")
def _put(addresses: Array, places: Array, words: Array) -> None:
    for j in range(len(addresses)):
        for i in range(len(places)):
            store_word(addresses[j] + np.uint64(8 * places[i]), np.uint64(words[j]))


@kernel("void(int64[:, ::1], uint32[::1], int64[:, ::1])")
def _pick(cells: Array, places: Array, found: Array) -> None:
    for j in range(len(found)):
        for i in range(len(places)):
            found[j, i] = cells[j, places[i]]


@kernel(
    "UniTuple(int64, 2)(int64[::1], int64, boolean[::1], uint64[::1], int64, "
    "Tuple((int64[::1], int64[:, ::1])), int64)"
)
def _note(
    places: Array,
    first: int,
    is_touched: Array,
    addresses: Array,
    mark: int,
    store: tuple[Array, Array],
    count: int,
) -> tuple[int, int]:
    """Note places from the first on; returns which one did not fit any more, and how many are noted."""
    kept, before = store
    for i in range(first, len(places)):
        place = places[i]
        if not is_touched[place]:
            if count == len(kept):
                return i, count
            is_touched[place] = True
            kept[count] = place
            offset = np.uint64(8 * place)
            before[mark, count] = np.int64(load_word(addresses[mark] + offset))
            # what a place without a group was like matters to nobody, and most may be new
            if before[mark, count] != 0:
                for j in range(len(addresses)):
                    before[j, count] = np.int64(load_word(addresses[j] + offset))
            count += 1
    return len(places), count


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
        # written before it is known whether it counts
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
