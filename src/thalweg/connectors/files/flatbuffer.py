"""Look values up in a FlatBuffers table, as far as Arrow's metadata needs it.

A table starts with the distance back to its list of field places; a field that is not in the list has
its default value (https://flatbuffers.dev/internals). Reading outside the bytes is an error.

Not here: what the fields mean (ipc_footer.py).
"""

from __future__ import annotations

import struct


class Table:
    """One table within a buffer.

    Args:
        data: the whole buffer.
        place: where the table starts; the root table if left out.
    """

    def __init__(self, data: bytes, place: int | None = None) -> None:
        self._data = data
        self._place = _at("<I", data, 0) if place is None else place
        self._fields = self._place - _at("<i", data, self._place)

    def number(self, field: int, layout: str, default: int) -> int:
        """A scalar field, of a layout as in `struct`."""
        place = self._of(field)
        return default if place is None else _at(layout, self._data, place)

    def text(self, field: int) -> str | None:
        """A string field."""
        place = self._target(field)
        if place is None:
            return None
        length = _at("<I", self._data, place)
        return self._data[place + 4 : place + 4 + length].decode()

    def table(self, field: int) -> Table | None:
        """A table field."""
        place = self._target(field)
        return None if place is None else Table(self._data, place)

    def tables(self, field: int) -> list[Table]:
        """A field with a list of tables."""
        return [Table(self._data, p + _at("<I", self._data, p)) for p in self._items(field, 4)]

    def structs(self, field: int, layout: str, size: int) -> list[tuple[int, ...]]:
        """A field with a list of plain structures of `size` bytes."""
        places = self._items(field, size)
        if struct.calcsize(layout) != size:
            return [struct.unpack_from(layout, self._data, p) for p in places]
        return list(struct.iter_unpack(layout, self._data[places.start : places.stop]))

    def _items(self, field: int, size: int) -> range:
        place = self._target(field)
        if place is None:
            return range(0)
        count = _at("<I", self._data, place)
        if place + 4 + count * size > len(self._data):
            raise ValueError("a list is longer than the metadata")
        return range(place + 4, place + 4 + count * size, size)

    def _of(self, field: int) -> int | None:
        entry = 4 + 2 * field
        if entry >= _at("<H", self._data, self._fields):
            return None
        distance = _at("<H", self._data, self._fields + entry)
        return self._place + distance if distance else None

    def _target(self, field: int) -> int | None:
        place = self._of(field)
        return None if place is None else place + _at("<I", self._data, place)


def _at(layout: str, data: bytes, place: int) -> int:
    if place < 0:
        raise ValueError("the metadata points before its beginning")
    value: int = struct.unpack_from(layout, data, place)[0]
    return value
