"""Large arrays that grow where they lie: addresses are reserved, and only what is touched takes memory.

An array that doubles by a copy touches new memory for rows that have not changed, and holds both for a while.
Where a machine lends memory only when it is touched, as virtual ones do, that costs more than the rows
themselves.

Used by: allocation.py, for arrays on the heap.
Not here: arrays in files (state/filesystem.py).
"""

from __future__ import annotations

import math
import mmap
import platform
import sys
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

SMALLEST = 4 << 20
"""Smaller arrays are copied when they grow: a call of the system is dearer."""
_ROOM = 64
"""So many times its size may an array grow before it is copied."""
_MORE_THAN_MEMORY = 1 << 42
"""A system that counts addresses as memory does not give so many."""
_LARGEST = 1 << 40
"""More addresses are not reserved for one array: a process has 2^47."""


class _Room(mmap.mmap):
    """Reserved addresses, zero where they have not been touched.

    Attributes:
        used: the bytes of the longest array in it.
    """

    used: int = 0


def zeros(shape: Shape, dtype: np.dtype[Any]) -> Array | None:
    """An array of zeros with room behind it; None if it is small, or the system does not reserve."""
    size = nbytes_of(shape, dtype)
    if size < SMALLEST or not _is_offered():
        return None
    try:
        room = _Room(-1, max(size, min(_ROOM * size, _LARGEST)), flags=_flags())
    except (OSError, OverflowError, ValueError):
        # the process may have few addresses: `ulimit -v`
        return None
    with suppress(OSError):
        # a system without large pages
        room.madvise(mmap.MADV_HUGEPAGE)
    return _view(room, shape, dtype)


def longer(array: Array, length: int) -> Array | None:
    """The same rows and zeros behind them, in the same place.

    None if there is no room behind the array: it is a small one, or a part of another.

    Example:
        >>> array = zeros((1 << 20,), np.dtype(np.int64))
        >>> array[-1] = 7
        >>> more = longer(array, 1 << 21)
        >>> len(more), more[len(array) - 1 : len(array) + 1].tolist(), np.shares_memory(more, array)
        (2097152, [7, 0], True)
    """
    room = _room(array)
    shape = (length, *array.shape[1:])
    if room is None or room.used != array.nbytes or nbytes_of(shape, array.dtype) > len(room):
        return None
    return _view(room, shape, array.dtype)


def _view(room: _Room, shape: Shape, dtype: np.dtype[Any]) -> Array:
    room.used = nbytes_of(shape, dtype)
    return np.frombuffer(room, np.uint8, room.used).view(dtype).reshape(shape)


def _room(array: Array) -> _Room | None:
    """Where an array begins, if it lies in a room of its own from the first byte on."""
    base: object = array
    first = array.__array_interface__["data"][0]
    while isinstance(base, np.ndarray):
        if base.__array_interface__["data"][0] != first or not base.flags.c_contiguous:
            return None
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    return base if isinstance(base, _Room) else None


def nbytes_of(shape: Shape, dtype: np.dtype[Any]) -> int:
    """The bytes of an array.

    Example:
        >>> nbytes_of((3, 2), np.dtype(np.int32))
        24
    """
    return dtype.itemsize * math.prod(shape)


_NO_RESERVE = 0x4000
"""MAP_NORESERVE, which Python 3.11 and 3.12 do not name, where Linux has this number for it."""
_MACHINES = ("x86_64", "aarch64")


def _flags() -> int:
    return mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE


@cache
def _is_offered() -> bool:
    """Whether addresses cost nothing: a system that promises memory for each counts them."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return False
    try:
        mmap.mmap(-1, _MORE_THAN_MEMORY, flags=_flags()).close()
    except (OSError, OverflowError, ValueError):
        return False
    return True
