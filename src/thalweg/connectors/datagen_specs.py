"""Read from the options of `datagen` how the values of each column are made.

The parts of a nested column have names below its own, as in Flink: `fields.tags.element.length` for an
ARRAY, `.key` and `.value` for a MAP, the names of fields for a ROW.

Not here: the values (datagen_values.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from thalweg.base.schema import Schema
from thalweg.base.types import (
    BINARY,
    BOOLEAN,
    DATE,
    STRING,
    TIME,
    DataType,
    Decimal,
    Field,
    Float,
    Integer,
    List,
    Map,
    Struct,
    Timestamp,
)
from thalweg.connectors.options import Values
from thalweg.errors import ConfigError, did_you_mean

_PREFIX = "fields."
_TEXT_LENGTH, _ITEMS = 100, 3


@dataclass(frozen=True)
class ColumnSpec:
    """How the values of one column are made.

    Attributes:
        type: their type.
        start: the first value of a sequence; None: values are random.
        count: how many values a sequence has.
        low, high: bounds of random numbers, both reached.
        length: how long random strings are, or how many items a collection has.
        is_varied: whether random strings have any length from 1 to `length`.
        null_rate: the share of NULL.
        past_us: how far before its row's time a timestamp may be.
        parts: how items, keys and values, or fields are made.
    """

    type: DataType
    start: int | None = None
    count: int | None = None
    low: float | int = 0
    high: float | int = 1
    length: int = _TEXT_LENGTH
    is_varied: bool = False
    null_rate: float = 0.0
    past_us: int = 0
    parts: tuple[ColumnSpec, ...] = ()


def specs_of(schema: Schema, values: Values) -> dict[str, ColumnSpec]:
    """What the options say of each column.

    Raises:
        ConfigError: they do not fit the column's type, or name no column.
    """
    _check_names(schema, values)
    return {f.name: _spec(f, values) for f in schema}


def parts_of(held: DataType) -> tuple[Field, ...]:
    """The parts of a nested type, called as in options."""
    if isinstance(held, List):
        return (Field("element", held.item),)
    if isinstance(held, Map):
        return Field("key", held.key), Field("value", held.value)
    return held.fields if isinstance(held, Struct) else ()


def _check_names(schema: Schema, values: Values) -> None:
    known = [path for field in schema for path in _paths(field)]
    for name, _ in values.under(_PREFIX):
        path = name.rpartition(".")[0]
        if path not in known:
            raise ConfigError(
                f"the option '{_PREFIX}{name}' names no column",
                code="connector-unknown-option",
                where=values.where,
                choices=known,
                hint=did_you_mean(path, known),
            )


def _paths(field: Field) -> Iterator[str]:
    yield field.name
    for part in parts_of(field.type):
        yield from (f"{field.name}.{path}" for path in _paths(part))


def _spec(field: Field, values: Values, *, is_part: bool = False) -> ColumnSpec:
    options = ("start", "end", "min", "max", "length", "var-len", "null-rate", "max-past")
    given = {o: values.of_column(field.name, o) for o in options}
    if values.of_column(field.name, "kind") == "sequence":
        if is_part:
            raise _misfit(field, values, "what is inside a column cannot be a sequence")
        return _sequence(field, given, values)
    held = field.type
    parts = tuple(
        _spec(Field(f"{field.name}.{p.name}", p.type), values, is_part=True) for p in parts_of(held)
    )
    is_simple = isinstance(held, (Integer, Float, Decimal, Timestamp))
    if not is_simple and not parts and held not in (BOOLEAN, STRING, BINARY, DATE, TIME):
        raise _misfit(field, values, f"a value of type {held} cannot be generated")
    if given["var-len"] is not None and held not in (STRING, BINARY):
        raise _misfit(field, values, f"a value of type {held} has no length that could vary")
    low, high = _given_bounds(field, given, values)
    rate = given["null-rate"] or 0.0
    if not 0 <= rate <= 1:
        raise _misfit(field, values, f"{rate} is no share of the values")
    return ColumnSpec(
        held,
        low=low,
        high=high,
        length=given["length"] or (_ITEMS if parts else _TEXT_LENGTH),
        is_varied=bool(given["var-len"]),
        null_rate=rate,
        past_us=round((given["max-past"] or 0.0) * 1e6),
        parts=parts,
    )


def _given_bounds(field: Field, given: dict[str, Any], values: Values) -> tuple[float | int, float | int]:
    """The least and the greatest random value."""
    held = field.type
    low, high = _bounds(held)
    low = low if given["min"] is None else given["min"]
    high = high if given["max"] is None else given["max"]
    if isinstance(held, Integer):
        low, high = int(low), int(high)
        least, most = held.bounds
        if low < least or high > most:
            raise _misfit(field, values, f"the bounds {low} and {high} do not fit {held}")
    if low > high:
        raise _misfit(field, values, f"the least value {low} is above the greatest, {high}")
    return low, high


def _sequence(field: Field, given: dict[str, Any], values: Values) -> ColumnSpec:
    start, end = given["start"], given["end"]
    if start is None or end is None or end < start:
        raise _misfit(field, values, "a sequence needs a start and an end that is not before it")
    if not isinstance(field.type, (Integer, Float, Decimal)) and field.type != STRING:
        raise _misfit(field, values, f"a sequence has numbers, not {field.type}")
    if isinstance(field.type, Integer) and not field.type.bounds[0] <= start <= end <= field.type.bounds[1]:
        raise _misfit(field, values, f"a sequence from {start} to {end} does not fit {field.type}")
    return ColumnSpec(field.type, start=start, count=end - start + 1)


def _misfit(field: Field, values: Values, message: str) -> ConfigError:
    return ConfigError(
        message,
        code="connector-option-value",
        where=values.where,
        found=f"options 'fields.{field.name}.…' of a column {field.name} {field.type}",
    )


def _bounds(held: DataType) -> tuple[float | int, float | int]:
    if isinstance(held, Integer):
        return held.bounds
    if isinstance(held, Decimal):
        return 0, 10 ** min(9, held.precision - held.scale) - 1
    return 0, 1
