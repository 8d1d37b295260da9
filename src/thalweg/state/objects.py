"""Keep values of Python by slot: columns of objects, which become bytes only where they leave the process.

What they take is not counted, and they are on the heap: they are the user's.

Not here: which slot belongs to which key (memory.py), how values become bytes (base/codecs.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.codecs import KEPT_NONE, Codec
from thalweg.errors import DataError
from thalweg.protocols.state import ColumnSpec

Array = np.ndarray[Any, Any]
_SHOWN_MAX = 200


class Objects:
    """Columns of Python values by slot; a place without one holds None.

    Example:
        >>> from thalweg.base.codecs import codec_of
        >>> held = Objects({"seen": ColumnSpec("object", None, codec_of(list[int]))})
        >>> held.grow(4)
        >>> held.columns["seen"][2] = [7]
        >>> bytes_ = held.encoded("seen", held.columns["seen"])
        >>> held.decoded("seen", bytes_).tolist()
        [None, None, [7], None]
    """

    def __init__(self, columns: Mapping[str, ColumnSpec]) -> None:
        self._codecs: dict[str, Codec] = {}
        self.columns: dict[str, Array] = {}
        for name, column in columns.items():
            assert column.codec is not None, "a column of objects says how they become bytes"
            self._codecs[name], self.columns[name] = column.codec, np.empty(0, np.object_)

    def grow(self, capacity: int) -> None:
        """Room for more slots; arrays are replaced."""
        for name, column in self.columns.items():
            if len(column) < capacity:
                longer = np.empty(capacity, np.object_)
                longer[: len(column)] = column
                self.columns[name] = longer

    def forget(self, slots: Array) -> None:
        """Nothing is in these places."""
        for column in self.columns.values():
            column[slots] = None

    def encoded(
        self, name: str, values: Array, keys: Callable[[int], pl.DataFrame] | None = None
    ) -> pl.Series:
        """Values as bytes, None as NULL; `keys` gives the key of a value by its place, for messages.

        Raises:
            DataError: `data-python-state`; what could not be read again is not written.
        """
        codec, found = self._codecs[name], []
        for place, value in enumerate(values.tolist()):
            held = None if value is KEPT_NONE else value
            try:
                found.append(None if value is None else codec.checked(held))
            except (TypeError, ValueError, OverflowError) as error:
                key = f", key {keys(place).row(0)}" if keys is not None and keys(place).width else ""
                raise DataError(
                    f'the state "{name}" holds a value that it cannot hold: {error}',
                    code="data-python-state",
                    expected=codec.name,
                    found=f"{held!r} of Python type {type(held).__name__}"[:_SHOWN_MAX] + key[:_SHOWN_MAX],
                ) from error
        return pl.Series(found, dtype=pl.Binary)

    def decoded(self, name: str, data: pl.Series) -> Array:
        """Values of bytes."""
        decode = self._codecs[name].decode
        found = np.empty(len(data), np.object_)
        for place, item in enumerate(data.to_list()):
            if item is not None:
                value = decode(item)
                found[place] = KEPT_NONE if value is None else value
        return found
