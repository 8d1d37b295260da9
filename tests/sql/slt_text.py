"""Write values as text, the same way for every engine, and read the rows of tables.

NULL, true, 12, 1.5, 2026-01-31 23:59:59.5, text as it is; text in quotes where it would read as something
else. Lists, rows and maps are JSON. Numbers without zeros at their end: types have their own header.
"""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import (
    BINARY,
    BOOLEAN,
    DATE,
    STRING,
    TIME,
    DataType,
    Float,
    Integer,
    List,
    Map,
    Struct,
    Timestamp,
)
from thalweg.base.types import Decimal as DecimalType

BAR = " | "


def row_text(row: tuple[Any, ...]) -> str:
    """A row: its values, divided by bars."""
    return BAR.join(map(value_text, row))


def rows_of(frame: pl.DataFrame, schema: Schema) -> list[str]:
    """The rows of a frame as text."""
    maps = [_has_map(f.type) for f in schema]
    if not any(maps):
        return [row_text(r) for r in frame.rows()]
    kinds = [f.type for f in schema]
    return [row_text(tuple(map(plain, row, kinds))) for row in frame.rows()]


def value_text(value: Any) -> str:
    """One value.

    Example:
        >>> [value_text(v) for v in (None, 1.50, "", "NULL", [1, None], Decimal("2.50"))]
        ['NULL', '1.5', "''", "'NULL'", '[1, null]', '2.5']
    """
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, (list, dict)):
        return json.dumps(_jsonable(value), ensure_ascii=False)
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "NULL", True: "true", False: "false"}[value]
    if isinstance(value, float):
        # sums of floats agree to some digits, and the two zeros are one value
        return repr(float(f"{value:.12g}") + 0.0)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}" if value else "0"
    if isinstance(value, datetime):
        text = value.replace(tzinfo=None).isoformat(" ").rstrip("0") if value.microsecond else None
        return (text or value.replace(tzinfo=None).isoformat(" ")) + ("Z" if value.tzinfo else "")
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    assert isinstance(value, (int, date, time, timedelta)), f"a known kind of value, not {type(value)}"
    return str(value)


def _quoted(text: str) -> str:
    is_odd = not text or text != text.strip() or text == "NULL" or text[0] in "'#=" or "|" in text
    shown = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
    return "'" + shown.replace("'", "''") + "'" if is_odd or shown != text else text


def _jsonable(value: Any) -> Any:
    if isinstance(value, list):
        return [_jsonable(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    return value if value is None or isinstance(value, (bool, int, str)) else _scalar(value)


def _has_map(held: DataType) -> bool:
    if isinstance(held, List):
        return _has_map(held.item)
    if isinstance(held, Struct):
        return any(_has_map(f.type) for f in held.fields)
    return isinstance(held, Map)


def plain(value: Any, held: DataType) -> Any:
    """A value with its maps, which may be lists of pairs, as dictionaries."""
    if value is None:
        return None
    if isinstance(held, List):
        return [plain(v, held.item) for v in value]
    if isinstance(held, Struct):
        return {f.name: plain(value[f.name], f.type) for f in held.fields}
    if isinstance(held, Map):
        pairs = value.items() if isinstance(value, dict) else ((p["key"], p["value"]) for p in value)
        return {key: plain(inner, held.value) for key, inner in pairs}
    return value


# Reading ---------------------------------------------------------------------------------------------


def read_rows(rows: tuple[str, ...], schema: Schema) -> pl.DataFrame:
    """The rows below a CREATE TABLE as a frame."""
    cells = [[c.strip() for c in f" {row} ".split(BAR)] for row in rows]
    for row in cells:
        assert len(row) == len(schema), f"{len(schema)} columns, and the row {row}"
    columns = []
    for i, column in enumerate(schema):
        values = [read_value(row[i], column.type) for row in cells]
        columns.append(pl.Series(column.name, values, dtype=column.type.polars, strict=True))
    return pl.DataFrame(columns)


def read_value(text: str, held: DataType) -> Any:
    """A cell as a value of its type."""
    if text == "NULL":
        return None
    if held == STRING:
        return text[1:-1].replace("''", "'") if text[:1] == "'" == text[-1:] and len(text) > 1 else text
    if isinstance(held, (List, Struct, Map)):
        return _nested(json.loads(text), held)
    return _simple(text, held)


def _simple(text: str, held: DataType) -> Any:
    if isinstance(held, Timestamp):
        return datetime.fromisoformat(text + ("+00:00" if held.zone else ""))
    if held == BOOLEAN:
        return {"true": True, "false": False}[text]
    kinds: list[tuple[Any, Any]] = [(Integer, int), (Float, float), (DecimalType, Decimal)]
    for kind, read in kinds:
        if isinstance(held, kind):
            return read(text)
    return {DATE: date.fromisoformat, TIME: time.fromisoformat, BINARY: bytes.fromhex}[held](text)  # type: ignore[operator]


def _nested(value: Any, held: DataType) -> Any:
    if value is None:
        return None
    if isinstance(held, List):
        return [_nested(v, held.item) for v in value]
    if isinstance(held, Struct):
        return {f.name: _nested(value.get(f.name), f.type) for f in held.fields}
    if isinstance(held, Map):
        return [{"key": k, "value": _nested(v, held.value)} for k, v in value.items()]
    return value if held == STRING or isinstance(value, (bool, int, float)) else read_value(value, held)
