"""Finish in Python what the kernels only cut out.

Decimals, binary values, intervals, lists and maps arrive as text; one value per distinct text is made,
and the column is put together from these. Numbers that are rare or hard to read are read again by Python.

Not here: which values are slow (numbers.py), lists and maps (lists.py).
"""

from __future__ import annotations

import base64
import binascii
import decimal
import json
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.durations import from_iso
from thalweg.columnar.json.lists import NUMBER, decode_lists
from thalweg.columnar.json.numbers import FAULT, GOOD, SLOW
from thalweg.columnar.json.program import integer_range


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
    try:
        value = decimal.Decimal(number)
    except decimal.InvalidOperation:  # an exponent of more than 18 digits
        return None
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
    if isinstance(dtype, pl.Duration):
        return (
            pl.Series([_interval(text) for text in raw], dtype=pl.Int64).cast(pl.Duration("us")).cast(dtype)
        )
    assert isinstance(dtype, pl.List), "only these types are cut out as text"
    return decode_lists(raw, dtype)


def _decimal(text: str, dtype: pl.Decimal) -> decimal.Decimal | None:
    if text.startswith('"'):
        text = json.loads(text)
    if not NUMBER.fullmatch(text):
        return None
    exact = decimal.Context(prec=dtype.precision, rounding=decimal.ROUND_HALF_UP, Emax=10**6, Emin=-(10**6))
    try:
        return decimal.Decimal(text).quantize(decimal.Decimal(1).scaleb(-dtype.scale), context=exact)
    except decimal.InvalidOperation:
        return None


def _interval(text: str) -> int | None:
    return from_iso(json.loads(text)) if text.startswith('"') else None


def _binary(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
