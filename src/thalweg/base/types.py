"""Name the types that columns can have.

The closed list of column types, as immutable values. SQL types, Polars types and these map onto
each other one to one. Every type is nullable.

Not here: which types a function takes (expr/), how values are compared (columnar/).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl


@dataclass(frozen=True)
class DataType:
    """One column type. Compare and hash by value; `str()` gives the SQL name."""

    def __str__(self) -> str:
        return type(self).__name__.upper()

    @cached_property
    def polars(self) -> pl.DataType:
        """The Polars type that holds the values."""
        raise AssertionError("every concrete type defines its Polars type")


@dataclass(frozen=True)
class _Plain(DataType):
    name: str
    held: pl.DataType

    def __str__(self) -> str:
        return self.name

    @cached_property
    def polars(self) -> pl.DataType:
        return self.held

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True)
class Integer(DataType):
    """A signed or unsigned integer of 8, 16, 32 or 64 bits; overflow is an error."""

    bits: int
    signed: bool = True

    def __str__(self) -> str:
        name = {8: "TINYINT", 16: "SMALLINT", 32: "INT", 64: "BIGINT"}[self.bits]
        return name if self.signed else f"{name} UNSIGNED"

    @cached_property
    def polars(self) -> pl.DataType:
        names = {8: (pl.Int8, pl.UInt8), 16: (pl.Int16, pl.UInt16)}
        names |= {32: (pl.Int32, pl.UInt32), 64: (pl.Int64, pl.UInt64)}
        return names[self.bits][0 if self.signed else 1]()

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the greatest value."""
        if self.signed:
            return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        return 0, (1 << self.bits) - 1


@dataclass(frozen=True)
class Float(DataType):
    """An IEEE 754 number of 32 or 64 bits."""

    bits: int

    def __str__(self) -> str:
        return "FLOAT" if self.bits == 32 else "DOUBLE"

    @cached_property
    def polars(self) -> pl.DataType:
        return pl.Float32() if self.bits == 32 else pl.Float64()


@dataclass(frozen=True)
class Decimal(DataType):
    """An exact number: `precision` digits (1 to 38), `scale` of them after the point."""

    precision: int
    scale: int

    def __str__(self) -> str:
        return f"DECIMAL({self.precision}, {self.scale})"

    @cached_property
    def polars(self) -> pl.DataType:
        return pl.Decimal(self.precision, self.scale)


@dataclass(frozen=True)
class Timestamp(DataType):
    """A point in time in microseconds; with `zone`, one on the universal time line."""

    zone: str | None = None
    precision: int = 3

    def __str__(self) -> str:
        return f"TIMESTAMP{'' if self.zone is None else '_LTZ'}({self.precision})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timestamp) and self.zone == other.zone

    def __hash__(self) -> int:
        return hash(("timestamp", self.zone))

    @cached_property
    def polars(self) -> pl.DataType:
        return pl.Datetime("us", self.zone)


@dataclass(frozen=True)
class Field:
    """A named member of a struct or a column of a schema."""

    name: str
    type: DataType


@dataclass(frozen=True)
class Struct(DataType):
    """A row inside a column."""

    fields: tuple[Field, ...]

    def __str__(self) -> str:
        return f"ROW<{', '.join(f'{f.name} {f.type}' for f in self.fields)}>"

    @cached_property
    def polars(self) -> pl.DataType:
        return pl.Struct({f.name: f.type.polars for f in self.fields})

    def field(self, name: str) -> Field | None:
        """The member of that name, or None."""
        return next((f for f in self.fields if f.name == name), None)


@dataclass(frozen=True)
class List(DataType):
    """A sequence of values of one type."""

    item: DataType

    def __str__(self) -> str:
        return f"ARRAY<{self.item}>"

    @cached_property
    def polars(self) -> pl.DataType:
        return pl.List(self.item.polars)


@dataclass(frozen=True)
class Map(DataType):
    """Keys and values; held as a list of (key, value) structs with unique keys."""

    key: DataType
    value: DataType

    def __str__(self) -> str:
        return f"MAP<{self.key}, {self.value}>"

    @cached_property
    def polars(self) -> pl.DataType:
        return pl.List(pl.Struct({"key": self.key.polars, "value": self.value.polars}))


INT8, INT16, INT32, INT64 = Integer(8), Integer(16), Integer(32), Integer(64)
UINT8, UINT16, UINT32, UINT64 = (Integer(b, signed=False) for b in (8, 16, 32, 64))
FLOAT32, FLOAT64 = Float(32), Float(64)
BOOLEAN = _Plain("BOOLEAN", pl.Boolean())
STRING = _Plain("STRING", pl.String())
BINARY = _Plain("BYTES", pl.Binary())
DATE = _Plain("DATE", pl.Date())
TIME = _Plain("TIME", pl.Time())
NULL = _Plain("NULL", pl.Null())
INTERVAL = _Plain("INTERVAL DAY TO SECOND", pl.Duration("us"))
"""A span of time of fixed length, in microseconds (days count 24 hours)."""
INTERVAL_MONTH = _Plain("INTERVAL MONTH", pl.Int32())
"""A span of calendar months; its values are counted, not measured."""
TIMESTAMP = Timestamp()
TIMESTAMP_LTZ = Timestamp("UTC")

_BY_POLARS: dict[object, DataType] = {
    t.polars: t
    for t in (
        *(INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, FLOAT32, FLOAT64),
        *(BOOLEAN, STRING, BINARY, DATE, TIME, NULL),
    )
}


def from_polars(held: pl.DataType) -> DataType | None:
    """The column type that a Polars type holds, or None where there is none.

    Categorical and Enum columns count as strings. Times in milli- or nanoseconds become microseconds.

    Example:
        >>> str(from_polars(pl.List(pl.Int64())))
        'ARRAY<BIGINT>'
    """
    known = _BY_POLARS.get(held)
    if known is not None:
        return known
    if isinstance(held, pl.Datetime):
        return Timestamp(held.time_zone, 6 if held.time_unit != "ms" else 3)
    if isinstance(held, pl.Duration):
        return INTERVAL
    if isinstance(held, pl.Decimal):
        return Decimal(held.precision or 38, held.scale)
    if isinstance(held, (pl.Categorical, pl.Enum)):
        return STRING
    return _nested_from_polars(held)


def _nested_from_polars(held: pl.DataType) -> DataType | None:
    if isinstance(held, (pl.List, pl.Array)):
        item = from_polars(instance(held.inner))
        return None if item is None else List(item)
    if isinstance(held, pl.Map):
        key, value = from_polars(instance(held.key)), from_polars(instance(held.value))
        return None if key is None or value is None else Map(key, value)
    if isinstance(held, pl.Struct):
        fields = []
        for f in held.fields:
            item = from_polars(instance(f.dtype))
            if item is None:
                return None
            fields.append(Field(f.name, item))
        return Struct(tuple(fields))
    return None


def instance(held: Any) -> pl.DataType:
    """A Polars type written as a class (`pl.Int64`) as an object (`pl.Int64()`)."""
    made: pl.DataType = held() if isinstance(held, type) else held
    return made


def outer_type(held: DataType) -> pl.DataType:
    """The Polars type in which values leave the engine: that in which it holds them, but maps as maps.

    Example:
        >>> outer_type(List(Map(STRING, INT64)))
        List(Map(String, Int64))
    """
    if isinstance(held, Map):
        return pl.Map(outer_type(held.key), outer_type(held.value))
    if isinstance(held, List):
        return pl.List(outer_type(held.item))
    if isinstance(held, Struct):
        return pl.Struct({f.name: outer_type(f.type) for f in held.fields})
    return held.polars


def is_numeric(t: DataType) -> bool:
    """Whether arithmetic is defined on the type."""
    return isinstance(t, (Integer, Float, Decimal))


def is_time(t: DataType) -> bool:
    """Whether the type can be an event time."""
    return isinstance(t, Timestamp)
