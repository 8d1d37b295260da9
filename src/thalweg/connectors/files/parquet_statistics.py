"""Say what the statistics of a row group tell of its values, in the form for conditions.

Least and greatest value are written as bytes; what they mean depends on the type of the column. Where
there is none, or it could mislead (an order that is not the order of the type, times of the first Parquet
versions), nothing is known.

Not here: where the statistics are (parquet_footer.py), what is done with them (parquet.py).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from thalweg.connectors.files.parquet_footer import MALFORMED, Element, Footer, RowGroup, number
from thalweg.connectors.files.thrift import TRUE, Fields, Value
from thalweg.protocols.conditions import Facts, Path

# fields of the structures in parquet.thrift
_TYPE, _CONVERTED, _SCALE, _LOGICAL = 1, 6, 7, 10
_BOOLEAN, _INT32, _INT64, _FLOAT, _DOUBLE, _BYTES, _FIXED = 0, 1, 2, 4, 5, 6, 7
_STRING_L, _DECIMAL_L, _DATE_L, _TIME_L, _TIMESTAMP_L, _INTEGER_L = 1, 5, 6, 7, 8, 10
_STATISTICS, _VALUES = 12, 5
_NULLS, _HIGH, _LOW = 3, 5, 6
_EPOCH = datetime(1970, 1, 1)
_STEPS = {1: 1000, 2: 1, 3: -1000}
"""Units of time in microseconds: milli, micro, nano (negative: so many of them are one)."""

_Decode = Callable[[bytes, bool], Any]
"""The value of bytes; the flag says that it must not be less than the true one (else: not greater)."""


def facts(footer: Footer, group: RowGroup, path: Path) -> Facts:
    """What is known of the values at a path in a row group."""
    element = footer.element(path)
    if element is None or element.leaf is None:
        return Facts()
    try:
        return _facts(element, group.meta(element.leaf))
    except MALFORMED:
        return Facts()


def _facts(element: Element, meta: Fields) -> Facts:
    held = meta.get(_STATISTICS)
    if held is None:
        return Facts()
    statistics: Fields = held.data
    nulls = statistics.get(_NULLS)
    has_null = nulls is None or nulls.data > 0
    has_value = nulls is None or nulls.data < number(meta, _VALUES)
    decode = _decoder(element.raw)
    low, high = (
        None if decode is None or key not in statistics else _decoded(decode, statistics[key].data, up)
        for key, up in ((_LOW, False), (_HIGH, True))
    )
    return Facts(low, high, has_null=has_null, has_value=has_value)


def _decoded(decode: _Decode, data: bytes, up: bool) -> Any:
    try:
        return decode(data, up)
    except (ValueError, OverflowError, struct.error):
        return None


def _decoder(raw: Fields) -> _Decode | None:
    """How the values of a column are written; None for one whose order is not known."""
    kind = number(raw, _TYPE, -1)
    logical = raw.get(_LOGICAL)
    name, detail = next(iter(logical.data.items())) if logical and logical.data else (0, Value(0, {}))
    if kind == _BOOLEAN:
        return lambda data, up: bool(data[0])
    if kind in (_FLOAT, _DOUBLE):
        return _float
    if kind == _BYTES:
        is_text = name == _STRING_L or (not name and number(raw, _CONVERTED, -1) == 0)
        return _text if is_text else None
    if name == _DECIMAL_L and kind in (_INT32, _INT64, _FIXED):
        return _decimal(number(raw, _SCALE), "little" if kind in (_INT32, _INT64) else "big")
    if kind not in (_INT32, _INT64):
        return None
    return _whole(name, detail.data, number(raw, _CONVERTED, -1))


def _whole(name: int, detail: Fields, converted: int) -> _Decode | None:
    if name == _DATE_L:
        return lambda data, up: date(1970, 1, 1) + timedelta(days=_integer(data))
    if name in (_TIME_L, _TIMESTAMP_L):
        return _moment(name, next(iter(detail[2].data)), is_universal=detail[1].kind == TRUE)
    if name == _INTEGER_L:
        is_signed = detail[2].kind == TRUE
        return lambda data, up: int.from_bytes(data, "little", signed=is_signed)
    return None if name or converted >= 0 else lambda data, up: _integer(data)


def _integer(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _float(data: bytes, up: bool) -> float | None:
    (value,) = struct.unpack("<f" if len(data) == 4 else "<d", data)
    return None if math.isnan(value) else float(value)


def _text(data: bytes, up: bool) -> str | None:
    """A text in the order of its bytes, which is that of its code points. The end may be cut off."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        # what is left is less than the text was, and so a lower bound
        return None if up else data[: error.start].decode()


def _decimal(scale: int, order: Any) -> _Decode:
    return lambda data, up: Decimal(int.from_bytes(data, order, signed=True)).scaleb(-scale)


def _moment(name: int, unit: int, *, is_universal: bool) -> _Decode:
    step = _STEPS[unit]

    def decode(data: bytes, up: bool) -> Any:
        value = _integer(data)
        micros = value * step if step > 0 else (-(-value // -step) if up else value // -step)
        found = _EPOCH + timedelta(microseconds=micros)
        if name == _TIME_L:
            return time(found.hour, found.minute, found.second, found.microsecond)
        return found.replace(tzinfo=UTC) if is_universal else found

    return decode
