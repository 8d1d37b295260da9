"""Say where large arrays of state lie: on the heap, or where the running job has its memory.

Kernels and state ask here for arrays that grow with the number of keys or rows. A job whose state may be
larger than memory hands in an allocator, for the time in which its tasks run; without one large arrays
are in addresses of their own, where they grow without a copy, and small ones are numpy's.

Used by: index.py, dictionary.py, cells.py and what else keeps arrays, state/.
Not here: where an allocator has its memory from (state/filesystem.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import numpy as np
import polars as pl

from thalweg.columnar import reserved

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


class Allocator(Protocol):
    """Memory for what stays.

    Contract:
        A1 `zeros` is all zeros and belongs to nobody else; None means that the heap is good enough.
        A2 `longer` begins with the rows of the array, and is zero behind them; the array is not used again.
        A3 `frame` has the rows, names and types of the frame that it is given.
    """

    def zeros(self, shape: Shape, dtype: np.dtype[Any]) -> Array | None:
        """An array."""
        ...

    def longer(self, array: Array, length: int) -> Array | None:
        """The same rows and more, without a copy; None if the array is not one that can be made longer."""
        ...

    def frame(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The same rows in this memory."""
        ...


_CURRENT: ContextVar[Allocator | None] = ContextVar("allocator", default=None)


@contextmanager
def allocating(allocator: Allocator | None) -> Iterator[None]:
    """Use an allocator on this thread; None: the heap."""
    token = _CURRENT.set(allocator)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def zeros(shape: int | Shape, dtype: Any = np.int64) -> Array:
    """An array of zeros that stays."""
    wanted = (shape,) if isinstance(shape, int) else shape
    made = (_CURRENT.get() or reserved).zeros(wanted, np.dtype(dtype))
    return np.zeros(wanted, dtype) if made is None else made


def filled(shape: int | Shape, fill: int | float, dtype: Any = np.int64) -> Array:
    """An array that stays, of one value."""
    made = zeros(shape, dtype)
    if fill:
        made[:] = fill
    return made


def grown(array: Array, capacity: int, fill: int | float = 0, *, used: int | None = None) -> Array:
    """The same rows in a longer array, which may share their memory: do not use the old one any more.

    Args:
        array: the rows.
        capacity: the new length.
        fill: what the new rows hold.
        used: how many of the old rows matter.

    Example:
        >>> grown(np.array([1, 2]), 4, -1).tolist()
        [1, 2, -1, -1]
    """
    used = len(array) if used is None else used
    longer = (_CURRENT.get() or reserved).longer(array, capacity)
    if longer is None:
        # memory that the system has zeroed is not touched before it is used
        longer = zeros((capacity, *array.shape[1:]), array.dtype)
        longer[:used] = array[:used]
    if fill:
        longer[len(array) :] = fill
    return longer


def copied(array: Array, numbers: Array | slice) -> Array:
    """Some rows of an array, as one that stays.

    Example:
        >>> copied(np.array([5, 6, 7]), np.array([2, 0])).tolist()
        [7, 5]
    """
    if isinstance(numbers, slice):
        rows = array[numbers]
        made = zeros(rows.shape, rows.dtype)
        made[:] = rows
    else:
        made = zeros((len(numbers), *array.shape[1:]), array.dtype)
        # with numbers that are right, clipping only says that no copy is needed in between
        np.take(array, numbers, axis=0, out=made, mode="clip")
    return made


def in_parts(numbers: Array, make: Callable[[Array], pl.DataFrame]) -> pl.DataFrame:
    """The rows that a function makes of numbers, so many at a time that all of them need not be on the heap.

    Example:
        >>> in_parts(np.arange(3), lambda some: pl.DataFrame({"n": some}))["n"].to_list()
        [0, 1, 2]
    """
    if _CURRENT.get() is None or len(numbers) <= _STEP:
        return make(numbers)
    parts = [kept(make(numbers[first : first + _STEP])) for first in range(0, len(numbers), _STEP)]
    return pl.concat(parts, rechunk=False)


_STEP = 1 << 17
"""So many rows at a time."""


def kept(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows that stay, and own their memory."""
    allocator = _CURRENT.get()
    return frame if allocator is None else allocator.frame(frame)
