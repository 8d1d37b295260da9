"""Give Python values their SQL types.

Integers are INT where 32 bits hold them, else BIGINT, else DECIMAL; decimals have as many digits
as they are written with (0.908 is DECIMAL(4, 3), as in Flink); a list has the common type of its
items.

Not here: literals of SQL texts (sql/), conversions between types (casts.py).
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

from thalweg.base.types import (
    BINARY,
    BOOLEAN,
    DATE,
    FLOAT64,
    INT32,
    INT64,
    INTERVAL,
    NULL,
    STRING,
    TIME,
    TIMESTAMP,
    TIMESTAMP_LTZ,
    DataType,
    Decimal,
    List,
)
from thalweg.errors import TypeMismatch
from thalweg.expr.common_type import PRECISION_MAX, common_type
from thalweg.expr.nodes import Literal

# bool before int and datetime before date: the former are also instances of the latter
_TYPES: tuple[tuple[type, Callable[[Any], DataType | None]], ...] = (
    (type(None), lambda v: NULL),
    (bool, lambda v: BOOLEAN),
    (int, lambda v: _integer_type(v)),
    (float, lambda v: FLOAT64),
    (decimal.Decimal, lambda v: _decimal_type(v)),
    (str, lambda v: STRING),
    (bytes, lambda v: BINARY),
    (datetime, lambda v: TIMESTAMP if v.tzinfo is None else TIMESTAMP_LTZ),
    (date, lambda v: DATE),
    (time, lambda v: TIME),
    (timedelta, lambda v: INTERVAL),
    (list, lambda v: _list_type(v)),
    (tuple, lambda v: _list_type(v)),
)


def literal_of(value: Any) -> Literal:  # any Python value may be offered; others are refused by name
    """The literal of a Python value.

    Raises:
        TypeMismatch: for a value that no column type can hold.

    Example:
        >>> import decimal
        >>> str(literal_of(decimal.Decimal("0.908")).type), str(literal_of(1 << 40).type)
        ('DECIMAL(4, 3)', 'BIGINT')
    """
    for kind, type_of in _TYPES:
        if isinstance(value, kind):
            found = type_of(value)
            if found is None:
                break
            return Literal(tuple(value) if isinstance(value, list) else value, found)
    raise TypeMismatch(
        f"the value {str(value)[:80]} of Python type {type(value).__name__} cannot be a literal",
        code="expr-no-literal",
        expected="None, bool, int, float, Decimal, str, bytes, a date or time, timedelta, or a list of them",
    )


def _integer_type(value: int) -> DataType | None:
    for t in (INT32, INT64):
        if t.bounds[0] <= value <= t.bounds[1]:
            return t
    digits = len(str(abs(value)))
    return Decimal(digits, 0) if digits <= PRECISION_MAX else None


def _decimal_type(value: decimal.Decimal) -> DataType | None:
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return None  # NaN and infinities
    scale = max(0, -exponent)
    whole = max(1, len(digits) + exponent) if any(digits) else 1
    precision = whole + scale
    return Decimal(precision, scale) if precision <= PRECISION_MAX else None


def _list_type(values: list[Any] | tuple[Any, ...]) -> DataType | None:
    item = common_type(literal_of(v).type for v in values)
    return None if item is None else List(item)
