"""Accept types and schemas in the forms that programs have them in.

A type may be given as a name (`"BIGINT"`), a Python type (`int`, `list[str]`), a Polars type or one of
`thalweg.base.types`; a schema as a mapping of names to such, or as text (`"id BIGINT, name STRING"`).

Not here: the types of values (`expr/literals.py`).
"""

from __future__ import annotations

import datetime
import decimal
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeAlias

import polars as pl

from thalweg.api.type_text import read_fields, read_type
from thalweg.base import types as t
from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.errors import PlanError

# Any: a Python type such as `int` or `list[int]`
TypeLike: TypeAlias = "t.DataType | str | pl.DataType | type[Any] | types.UnionType"
"""What `data_type` takes."""
SchemaLike: TypeAlias = "Schema | str | Mapping[str, TypeLike] | Mapping[str, pl.DataType]"
"""What `schema_of` takes."""

_PYTHON: dict[object, t.DataType] = {
    int: t.INT64,
    float: t.FLOAT64,
    str: t.STRING,
    bool: t.BOOLEAN,
    bytes: t.BINARY,
    # as Flink reads a BigDecimal
    decimal.Decimal: t.Decimal(38, 18),
    datetime.date: t.DATE,
    datetime.time: t.TIME,
    datetime.datetime: t.TIMESTAMP,
    datetime.timedelta: t.INTERVAL,
    type(None): t.NULL,
}


def data_type(given: TypeLike) -> t.DataType:
    """The column type that is meant. `int` is BIGINT, `float` DOUBLE; `X | None` is X: all types hold NULL.

    Raises:
        PlanError: `plan-unknown-type`.

    Example:
        >>> [str(data_type(x)) for x in ("decimal(10, 2)", int, list[str], pl.Int8)]
        ['DECIMAL(10, 2)', 'BIGINT', 'ARRAY<STRING>', 'TINYINT']
    """
    if isinstance(given, t.DataType):
        return given
    if isinstance(given, str):
        return read_type(given)
    known = _of_polars(given) if _is_polars(given) else _of_python(given)
    if known is None:
        raise PlanError(
            f"{given} is no type that a column can have",
            code="plan-unknown-type",
            expected="a name such as BIGINT, a Python type such as int, a Polars type, or a DataType",
        )
    return known


def _is_polars(given: object) -> bool:
    return isinstance(given, pl.DataType) or (isinstance(given, type) and issubclass(given, pl.DataType))


def _of_polars(given: Any) -> t.DataType | None:
    try:
        return t.from_polars(given if isinstance(given, pl.DataType) else given())
    except TypeError:  # a nested type without its parts
        return None


def _of_python(given: object) -> t.DataType | None:
    origin, args = typing.get_origin(given), typing.get_args(given)
    if origin in (typing.Union, types.UnionType):
        rest = [a for a in args if a is not type(None)]
        return _of_python(rest[0]) if len(rest) == 1 else None
    parts = [_of_python(a) for a in args]
    if origin is list and len(parts) == 1 and parts[0] is not None:
        return t.List(parts[0])
    if origin is dict and len(parts) == 2 and parts[0] is not None and parts[1] is not None:
        return t.Map(parts[0], parts[1])
    try:
        return _PYTHON.get(given)
    except TypeError:  # not hashable, so no type
        return None


def schema_of(given: SchemaLike) -> Schema:
    """The schema that is meant.

    Example:
        >>> str(schema_of({"id": int, "name": "STRING"})), str(schema_of("id INT, at TIMESTAMP(3)"))
        ('id BIGINT, name STRING', 'id INT, at TIMESTAMP(3)')
    """
    if isinstance(given, Schema):
        return given
    if isinstance(given, str):
        made = Schema(read_fields(given))
    else:
        made = Schema.of({name: data_type(held) for name, held in given.items()})
    for name in made.names:
        check_name(name)
    return made


def check_name(name: str) -> str:
    """The name; one that the engine keeps for itself is an error."""
    if name.startswith(SYSTEM_PREFIX):
        raise PlanError(
            f'the name "{name}" is not free: the engine keeps names that start with {SYSTEM_PREFIX}',
            code="plan-system-name",
            hint=f'"{name.lstrip("_")}" would do' if name.strip("_") else None,
        )
    return name
