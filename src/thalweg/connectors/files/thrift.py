"""Take apart and put together structures in Thrift's compact protocol, without knowing what they mean.

The footer of a Parquet file is such a structure (https://github.com/apache/thrift, compact protocol).

Not here: what the fields of a Parquet footer are (parquet_footer.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_INTEGERS = (I16, I32, I64)


class Value(NamedTuple):
    """A value with its type.

    `data` is an int, bytes (also of a double), None (of a boolean that is a field), `Fields`, `Items`,
    or for maps the types of key and value with the pairs.
    """

    kind: int
    data: Any  # one of the types above, which depends on `kind`


Fields = dict[int, Value]
"""A structure: values by the number of the field."""


class Items(NamedTuple):
    """A list whose values are all of one type."""

    kind: int
    values: list[Any]


def decode(data: bytes) -> Fields:
    """The structure that the bytes start with.

    Raises:
        ValueError, IndexError: they are not such a structure.

    Example:
        >>> decode(encode({1: Value(I32, -3), 20: Value(BINARY, b"x")}))
        {1: Value(kind=5, data=-3), 20: Value(kind=8, data=b'x')}
    """
    return _Reader(data).fields()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def fields(self) -> Fields:
        found: Fields = {}
        last = 0
        while head := self._byte():
            last = last + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            found[last] = Value(kind, None if kind in (TRUE, FALSE) else self._value(kind))
        return found

    def _value(self, kind: int) -> Any:
        if kind in _INTEGERS:
            return self._integer()
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind == STRUCT:
            return self.fields()
        if kind in (LIST, SET):
            head = self._byte()
            count = head >> 4
            return self._items(head & 15, self._varint() if count == 15 else count)
        if kind == MAP:
            return self._map()
        # in a list a boolean takes a byte
        if kind in (BYTE, TRUE, FALSE):
            return self._byte()
        if kind == DOUBLE:
            return self._bytes(8)
        raise ValueError(f"unknown type {kind} at byte {self._at}")

    def _items(self, kind: int, count: int) -> Items:
        if count > len(self._data):
            raise ValueError(f"a list of {count} values in {len(self._data)} bytes")
        return Items(kind, [self._value(kind) for _ in range(count)])

    def _map(self) -> Any:
        count = self._varint()
        if not count:
            return (0, 0, [])
        kinds = self._byte()
        key, value = kinds >> 4, kinds & 15
        return (key, value, [(self._value(key), self._value(value)) for _ in range(count)])

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._data):
            raise ValueError(f"{count} bytes are wanted at byte {self._at - count}")
        return self._data[self._at - count : self._at]

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


def encode(fields: Fields) -> bytes:
    """The bytes of a structure."""
    made = bytearray()
    last = 0
    for number in sorted(fields):
        kind, data = fields[number]
        step = number - last
        made += bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + _integer(number)
        last = number
        if kind not in (TRUE, FALSE):
            made += _value(kind, data)
    return bytes(made + b"\0")


def _value(kind: int, data: Any) -> bytes:
    if kind in _INTEGERS:
        return _integer(data)
    if kind == BINARY:
        return _varint(len(data)) + bytes(data)
    if kind == STRUCT:
        return encode(data)
    if kind in (LIST, SET):
        count = len(data.values)
        head = bytes([count << 4 | data.kind]) if count < 15 else bytes([0xF0 | data.kind]) + _varint(count)
        return head + _joined(_value(data.kind, v) for v in data.values)
    if kind == MAP:
        key, value, pairs = data
        head = _varint(len(pairs)) + (bytes([key << 4 | value]) if pairs else b"")
        return head + _joined(_value(key, k) + _value(value, v) for k, v in pairs)
    return bytes(data) if kind == DOUBLE else bytes([data])


def _joined(parts: Iterable[bytes]) -> bytes:
    return b"".join(parts)


def _integer(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    made.append(value)
    return bytes(made)
