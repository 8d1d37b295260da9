"""Finish in Python what the kernels only cut out.

Decimals, binary values, lists and maps arrive as text, one value per distinct text is made, and the column is put
together from these. Numbers that are rare or hard to read are read again by Python.

Not here: which values are slow (numbers.py).
"""

from __future__ import annotations

import base64
import binascii
import decimal
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.json.numbers import FAULT, GOOD, SLOW
from thalweg.columnar.json.program import instance, integer_range

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_PYTHON = (pl.Binary, pl.Decimal, pl.List)
_TEXTUAL = (pl.String, pl.Binary, pl.Decimal, pl.Date, pl.Time, pl.Datetime)
# Numbers stay text: their digits matter, and Python limits the length of those it converts.
_scan = json.JSONDecoder(parse_int=str, parse_float=str).scan_once  # type: ignore[attr-defined]


def needs_python(dtype: pl.DataType) -> bool:
    """Whether values of a type are finished here."""
    return isinstance(dtype, _PYTHON)


def finish_slow(
    text: np.ndarray[Any, Any],
    base: int,
    values: np.ndarray[Any, Any],
    marks: np.ndarray[Any, Any],
    dtype: pl.DataType,
) -> None:
    """Read the numbers that the kernel left, in place.

    Args:
        text: the decoded text.
        base: its address.
        values: the column; slow values hold the address of their text.
        marks: what became of each value.
        dtype: the column's type.
    """
    for row in np.flatnonzero(marks == SLOW).tolist():
        start = int(values[row]) - base
        stop = start + 1
        while text[stop] in b"0123456789+-.eE":
            stop += 1
        number = text[start:stop].tobytes().decode()
        if isinstance(dtype, (pl.Float32, pl.Float64)):
            values.view(np.float64)[row] = float(number)
            marks[row] = GOOD
        else:
            whole = whole_number(number, *integer_range(dtype))
            marks[row] = FAULT if whole is None else GOOD
            values.view(np.uint64)[row] = (whole or 0) % 2**64


def whole_number(number: str, low: int, high: int) -> int | None:
    """The value of a JSON number if it is whole and between `low` and `high`.

    Example:
        >>> whole_number("1.5e1", 0, 100), whole_number("1.5", 0, 100), whole_number("1e9", 0, 100)
        (15, None, None)
    """
    value = decimal.Decimal(number)
    if value.adjusted() > 20 or value != value.to_integral_value():
        return None
    return int(value) if low <= value <= high else None


def finish_raw(raw: pl.Series, dtype: pl.DataType) -> pl.Series:
    """The column for texts of JSON values, null where a text is not a value of the type."""
    distinct = raw.unique().drop_nulls().alias("raw")
    finished = _finish_distinct(distinct, dtype).alias("value")
    table = pl.DataFrame([distinct, finished])
    found = raw.alias("raw").to_frame().join(table, on="raw", how="left", maintain_order="left")
    return found["value"].alias(raw.name)


def _finish_distinct(raw: pl.Series, dtype: pl.DataType) -> pl.Series:
    if isinstance(dtype, pl.Decimal):
        return pl.Series([_decimal(text, dtype) for text in raw], dtype=dtype)
    if isinstance(dtype, pl.Binary):
        return pl.Series([_binary(text) for text in raw], dtype=dtype)
    assert isinstance(dtype, pl.List), "only these types are cut out as text"
    return _lists(raw, dtype)


def _decimal(text: str, dtype: pl.Decimal) -> decimal.Decimal | None:
    if text.startswith('"'):
        text = json.loads(text)
    if not _NUMBER.fullmatch(text):
        return None
    exact = decimal.Context(prec=dtype.precision, rounding=decimal.ROUND_HALF_UP, Emax=10**6, Emin=-(10**6))
    try:
        return decimal.Decimal(text).quantize(decimal.Decimal(1).scaleb(-dtype.scale), context=exact)
    except decimal.InvalidOperation:
        return None


def _binary(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _lists(raw: pl.Series, dtype: pl.List) -> pl.Series:
    """Write the items of all lists below each other, decode them like lines, and put them together again."""
    from thalweg.columnar.json.decoder import JsonDecoder

    inner = instance(dtype.inner)
    lines, owners, failed = [], [], np.zeros(len(raw), dtype=np.bool_)
    for number, text in enumerate(raw):
        items = list(_items(text, inner))
        failed[number] = None in items
        lines += [item for item in items if item is not None]
        owners += [number] * (len(lines) - len(owners))
    decoded = JsonDecoder({"value": inner}).decode("\n".join(lines).encode())
    owner = np.array(owners, dtype=np.int64)
    failed[owner[[bad.line - 1 for bad in decoded.bad]]] = True
    items = decoded.frame.with_columns(owner=pl.Series(owner[decoded.lines - 1], dtype=pl.Int64))
    lists = items.group_by("owner", maintain_order=True).agg("value")
    every = pl.DataFrame({"owner": range(len(raw)), "failed": failed}, schema_overrides={"owner": pl.Int64})
    joined = every.join(lists, on="owner", how="left", maintain_order="left")
    empty = pl.lit(pl.Series([[]], dtype=dtype))
    value = pl.when(~pl.col("failed")).then(pl.col("value").fill_null(empty))
    return joined.select(value)["value"]


def _items(text: str, inner: pl.DataType) -> Iterator[str | None]:
    """A line for each item of an array or a map; None for what is neither, or for a bad key."""
    if text.startswith("["):
        yield from (f'{{"value":{item}}}' for item in _split(text, "]", lambda p: (None, p)))
    elif text.startswith("{") and isinstance(inner, pl.Struct) and [f.name for f in inner.fields] == ["key", "value"]:
        members = dict(_split_members(text))
        key_type = instance(inner.fields[0].dtype)
        for name, value in members.items():
            key = json.dumps(name) if isinstance(key_type, _TEXTUAL) else name
            is_key = isinstance(key_type, _TEXTUAL) or name in ("true", "false") or _NUMBER.fullmatch(name)
            yield f'{{"value":{{"key":{key},"value":{value}}}}}' if is_key else None
    else:
        yield None
