"""Show values that a codec keeps as bytes in a column that everybody can read.

Where the declared type says what every value consists of, the column is of Arrow types: structs for classes,
lists for lists and sets, lists of key and value for dicts. Otherwise, for unions, classes that contain
themselves, and Decimals of which no scale is declared, it is text: JSON, and of a Decimal its digits.

Not here: the bytes (codecs.py).
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints, is_typeddict

import msgspec
import polars as pl

from thalweg.base.codecs import Codec

# Any: a type of Python, and values of it


class _Shape(NamedTuple):
    """The type of a column, and what makes a value of one."""

    dtype: pl.DataType
    plain: Callable[[Any], Any]


def shown_type(hint: Any) -> pl.DataType:
    """The type of the column in which values of a type are shown.

    Example:
        >>> shown_type(list[int]), shown_type(int | str)
        (List(Int64), String)
    """
    return _shape(hint, ()).dtype


def shown_values(codec: Codec, data: pl.Series) -> pl.Series:
    """The values of some bytes; NULL where there are none.

    Raises:
        ValueError: bytes are not those of a value of the type.

    Example:
        >>> from thalweg.base.codecs import codec_of
        >>> codec = codec_of(dict[str, int])
        >>> shown_values(codec, pl.Series("n", [codec.encode({"a": 1}), None])).to_list()
        [[{'key': 'a', 'value': 1}], None]
    """
    dtype, plain = _shape(codec.type, ())
    values = [None if item is None else plain(codec.decode(item)) for item in data.to_list()]
    try:
        return pl.Series(data.name, values, dtype)
    except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
        raise ValueError(f"a value of {codec.name} does not fit a column: {error}") from error


def _same(value: Any) -> Any:
    return value


def _in_utc(value: datetime) -> datetime:
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


def _as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


_PLAIN: dict[Any, _Shape] = {
    bool: _Shape(pl.Boolean(), _same),
    int: _Shape(pl.Int64(), _same),
    float: _Shape(pl.Float64(), float),
    str: _Shape(pl.String(), _same),
    bytes: _Shape(pl.Binary(), _same),
    Decimal: _Shape(pl.String(), str),
    datetime: _Shape(pl.Datetime("us"), _in_utc),
    date: _Shape(pl.Date(), _same),
    time: _Shape(pl.Time(), lambda value: value.replace(tzinfo=None)),
    timedelta: _Shape(pl.Duration("us"), _same),
}
_JSON = _Shape(pl.String(), _as_json)


def _shape(hint: Any, within: tuple[Any, ...]) -> _Shape:
    """How values of a type are shown, inside of values of other types."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _shape(args[0], within)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if origin in (Union, types.UnionType):
        rest = [a for a in args if a is not type(None)]
        if len(rest) > 1:
            return _JSON
        return _optional(_shape(rest[0], within))
    if origin in (list, set, frozenset) or (origin is tuple and args[1:] == (Ellipsis,)):
        return _listed(_shape(args[0], within), is_sorted=origin in (set, frozenset))
    if origin is tuple:
        return _struct([(f"field_{n}", _shape(a, within)) for n, a in enumerate(args)], _item)
    if origin is dict:
        return _pairs(_shape(args[0], within), _shape(args[1], within))
    if hint in within or not _has_fields(hint):
        return _JSON
    fields = [(n, _shape(h, (*within, hint))) for n, h in get_type_hints(hint).items()]
    if any(_contains(hint, part) for part in get_type_hints(hint).values()) or not fields:
        return _JSON
    return _struct(fields, _key if is_typeddict(hint) else _attribute)


def _has_fields(hint: Any) -> bool:
    if is_typeddict(hint):
        return True
    return isinstance(hint, type) and (dataclasses.is_dataclass(hint) or issubclass(hint, msgspec.Struct))


def _contains(hint: Any, part: Any, seen: frozenset[Any] = frozenset()) -> bool:
    """Whether a class is part of a type, so that no column is deep enough."""
    if part == hint:
        return True
    if part in seen:
        return False
    inner = [*get_args(part), *(get_type_hints(part).values() if _has_fields(part) else ())]
    return any(_contains(hint, i, seen | {part}) for i in inner if i is not Ellipsis)


def _optional(shape: _Shape) -> _Shape:
    return _Shape(shape.dtype, lambda value: None if value is None else shape.plain(value))


def _listed(item: _Shape, *, is_sorted: bool) -> _Shape:
    def plain(value: Any) -> list[Any]:
        items = [item.plain(v) for v in value]
        # the order of a set means nothing; this one is the same each time
        return sorted(items, key=repr) if is_sorted else items

    return _Shape(pl.List(item.dtype), plain)


def _pairs(key: _Shape, value: _Shape) -> _Shape:
    def plain(held: Any) -> list[dict[str, Any]]:
        return [{"key": key.plain(k), "value": value.plain(v)} for k, v in held.items()]

    return _Shape(pl.List(pl.Struct({"key": key.dtype, "value": value.dtype})), plain)


def _struct(fields: list[tuple[str, _Shape]], of: Callable[[Any, int, str], Any]) -> _Shape:
    def plain(value: Any) -> dict[str, Any]:
        return {name: _plain_part(shape, of(value, at, name)) for at, (name, shape) in enumerate(fields)}

    return _Shape(pl.Struct({name: shape.dtype for name, shape in fields}), plain)


def _plain_part(shape: _Shape, value: Any) -> Any:
    return None if value is None and shape is not _JSON else shape.plain(value)


def _item(value: Any, at: int, name: str) -> Any:
    del name
    return value[at]


def _key(value: Any, at: int, name: str) -> Any:
    del at
    return value.get(name)


def _attribute(value: Any, at: int, name: str) -> Any:
    del at
    return getattr(value, name)
