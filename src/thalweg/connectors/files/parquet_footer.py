"""Find out where the row groups of a Parquet file begin.

Polars decodes a whole row group even for a slice of it, so slices must follow row groups: then nothing
is decoded twice and memory is bounded by one group. The footer is a Thrift structure in the compact
protocol (https://github.com/apache/parquet-format); everything but the row counts is skipped.

Not here: the columns (Polars reads them).
"""

from __future__ import annotations

from collections.abc import Iterator

from thalweg.errors import ConnectorError

_MAGIC = b"PAR1"
_ROW_GROUPS, _NUM_ROWS = 4, 3
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)


def row_group_sizes(file: str) -> list[int]:
    """How many rows each row group has.

    Raises:
        ConnectorError: the file does not end like a Parquet file.
    """
    with open(file, "rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(max(0, size - 8))
        tail = handle.read(8)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or length + 12 > size:
            raise not_parquet(file, "its last bytes are not those of a Parquet file")
        handle.seek(size - 8 - length)
        footer = handle.read(length)
    try:
        return _Compact(footer).row_groups()
    except (IndexError, ValueError) as error:
        raise not_parquet(file, f"its footer cannot be read ({error})") from error


def not_parquet(file: str, why: str) -> ConnectorError:
    """The error for a file that is damaged, unfinished or of another format."""
    return ConnectorError(
        "a Parquet file cannot be read",
        code="source-damaged-file",
        where=file,
        found=why,
        hint="the file is damaged, still being written, or of another format",
    )


class _Compact:
    """A reader of Thrift's compact protocol."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def row_groups(self) -> list[int]:
        sizes: list[int] = []
        for number, kind in self._fields():
            if number == _ROW_GROUPS and kind == _LIST:
                count, _ = self._list_head()
                sizes = [self._row_group() for _ in range(count)]
            else:
                self._skip(kind)
        return sizes

    def _row_group(self) -> int:
        rows = 0
        for number, kind in self._fields():
            if number == _NUM_ROWS and kind in _INTEGERS:
                rows = self._integer()
            else:
                self._skip(kind)
        return rows

    def _fields(self) -> Iterator[tuple[int, int]]:
        """Number and type of each field; the caller reads or skips its value before the next one."""
        last = 0
        while head := self._byte():
            last = last + (head >> 4) if head >> 4 else self._integer()
            yield last, head & 15

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def _list_head(self) -> tuple[int, int]:
        head = self._byte()
        count = head >> 4
        return (self._varint() if count == 15 else count), head & 15

    def _skip(self, kind: int) -> None:
        if kind in _INTEGERS:
            self._varint()
        elif kind == _BINARY:
            length = self._varint()
            self._at += length
        elif kind == _STRUCT:
            for _, inner in self._fields():
                self._skip(inner)
        elif kind in (_LIST, _SET):
            count, inner = self._list_head()
            self._skip_items(count, inner)
        elif kind == _MAP:
            self._skip_map()
        elif kind in (_BYTE, _DOUBLE):
            self._at += 1 if kind == _BYTE else 8
        elif kind not in (_TRUE, _FALSE):
            raise ValueError(f"unknown type {kind} at byte {self._at}")

    def _skip_items(self, count: int, kind: int) -> None:
        for _ in range(count):
            # In a list a boolean takes a byte; in a structure it is part of the head.
            self._skip(_BYTE if kind in (_TRUE, _FALSE) else kind)

    def _skip_map(self) -> None:
        count = self._varint()
        if count:
            kinds = self._byte()
            for _ in range(count):
                self._skip_items(1, kinds >> 4)
                self._skip_items(1, kinds & 15)
