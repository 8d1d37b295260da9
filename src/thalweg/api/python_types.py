"""Name the Python types that values of columns have in functions of rows.

Not here: types of columns that are meant by types of Python (types.py).
"""

from __future__ import annotations

import datetime
import decimal
from typing import Any, TypedDict

from thalweg.base import types as t

_PLAIN: dict[t.DataType, Any] = {
    t.BOOLEAN: bool,
    t.STRING: str,
    t.BINARY: bytes,
    t.DATE: datetime.date,
    t.TIME: datetime.time,
    t.NULL: type(None),
    t.INTERVAL: datetime.timedelta,
    t.INTERVAL_MONTH: int,
}


def python_type(held: t.DataType) -> Any:
    """The type of the values of a column, NULL included.

    Example:
        >>> python_type(t.INT64), python_type(t.Map(t.STRING, t.List(t.FLOAT64)))
        (int | None, dict[str | None, list[float | None] | None] | None)
    """
    return _present(held) if held == t.NULL else _present(held) | None


def _present(held: t.DataType) -> Any:
    if isinstance(held, t.Integer):
        return int
    if isinstance(held, t.Float):
        return float
    if isinstance(held, t.Decimal):
        return decimal.Decimal
    if isinstance(held, t.Timestamp):
        return datetime.datetime
    if isinstance(held, t.List):
        return list[python_type(held.item)]  # type: ignore[misc]  # a type that is made
    if isinstance(held, t.Map):
        return dict[python_type(held.key), python_type(held.value)]  # type: ignore[misc]  # the same
    if isinstance(held, t.Struct):
        members = {f.name: python_type(f.type) for f in held.fields}
        return TypedDict("Row", members)  # type: ignore[operator]  # the same
    return _PLAIN[held]
