"""Convert values between types as SQL's CAST does, without ever failing for a whole column.

`build_cast` gives NULL where a value has no counterpart; `cast_failure` finds those rows, so that
CAST can name them and TRY_CAST can leave them. Floats become integers toward zero, decimals are
rounded half up, naive timestamps are read as UTC.

Not here: text (cast_text.py), the common type of several values (common_type.py), which casts are
inserted (infer.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.types import DataType, Decimal, Field, Float, Integer, List, Map, Struct, Timestamp
from thalweg.expr import cast_text as text
from thalweg.expr.common_type import as_decimal, common_type
from thalweg.expr.decimals import rescale, unscaled

__all__ = ["build_cast", "can_cast", "cast_failure", "common_type"]

Build = Callable[[pl.Expr, Any, Any], pl.Expr]
"""From the value, its type and the wanted one; the types are of the kinds the table says."""


def can_cast(held: DataType, wanted: DataType) -> bool:
    """Whether a value of one type can become one of the other.

    Example:
        >>> from thalweg.base.types import BOOLEAN, DATE, INT32
        >>> can_cast(INT32, BOOLEAN), can_cast(DATE, INT32)
        (True, False)
    """
    pairs = _members(held, wanted)
    if pairs is not None:
        return all(can_cast(a, b) for a, b in pairs)
    return held == wanted or _kind(held) == "null" or (_kind(held), _kind(wanted)) in _CASTS


def build_cast(arg: pl.Expr, held: DataType, wanted: DataType) -> pl.Expr:
    """The converted value; NULL for rows that have none."""
    if held == wanted:
        return arg
    if _kind(held) == "null":
        return arg.cast(wanted.polars, strict=False)
    if isinstance(wanted, Struct) and isinstance(held, Struct):
        return _build_struct(arg, held, wanted)
    if isinstance(wanted, (List, Map)):
        item, target = _item(held), _item(wanted)
        return arg.list.eval(build_cast(pl.element(), item, target))
    return _CASTS[_kind(held), _kind(wanted)](arg, held, wanted)


def cast_failure(arg: pl.Expr, held: DataType, wanted: DataType) -> pl.Expr | None:
    """The rows whose value does not fit the wanted type; None if every value does."""
    if held == wanted or not _can_fail(held, wanted):
        return None
    if isinstance(held, Integer) and isinstance(wanted, Integer):
        return (arg < wanted.bounds[0]) | (arg > wanted.bounds[1])
    if isinstance(held, Struct) and isinstance(wanted, Struct):
        masks = [
            cast_failure(arg.struct.field(a.name), a.type, b.type)
            for a, b in zip(held.fields, wanted.fields, strict=True)
        ]
        return pl.any_horizontal(m for m in masks if m is not None)
    if isinstance(wanted, (List, Map)):
        mask = cast_failure(pl.element(), _item(held), _item(wanted))
        assert mask is not None, "a list fails where an item fails"
        return arg.list.eval(mask).list.any()
    return build_cast(arg, held, wanted).is_null() & arg.is_not_null()


def _can_fail(held: DataType, wanted: DataType) -> bool:
    pairs = _members(held, wanted)
    if pairs is not None:
        return any(_can_fail(a, b) for a, b in pairs)
    kinds = (_kind(held), _kind(wanted))
    if isinstance(held, Integer) and isinstance(wanted, Integer):
        return held.bounds[0] < wanted.bounds[0] or held.bounds[1] > wanted.bounds[1]
    if isinstance(wanted, (Integer, Decimal)) and isinstance(held, (Integer, Decimal)):
        return _digits(held) + (_scale(held) > _scale(wanted)) > _digits(wanted)
    if kinds == ("boolean", "decimal"):
        return _digits(wanted) == 0  # type: ignore[arg-type]
    return held != wanted and kinds in _LOSSY


def _digits(t: Integer | Decimal) -> int:
    if isinstance(t, Integer):
        return len(str(t.bounds[1])) - 1
    return t.precision - t.scale


def _scale(t: Integer | Decimal) -> int:
    return t.scale if isinstance(t, Decimal) else 0


def _members(held: DataType, wanted: DataType) -> list[tuple[DataType, DataType]] | None:
    """The pairs of member types of two nested types of one shape; None for others."""
    if isinstance(held, Struct) and isinstance(wanted, Struct):
        if len(held.fields) != len(wanted.fields):
            return None
        return [(a.type, b.type) for a, b in zip(held.fields, wanted.fields, strict=True)]
    if isinstance(held, List) and isinstance(wanted, List):
        return [(held.item, wanted.item)]
    if isinstance(held, Map) and isinstance(wanted, Map):
        return [(held.key, wanted.key), (held.value, wanted.value)]
    return None


def _item(t: DataType) -> DataType:
    if isinstance(t, Map):
        return Struct((Field("key", t.key), Field("value", t.value)))
    assert isinstance(t, List), f"{t} has no items"
    return t.item


def _build_struct(arg: pl.Expr, held: Struct, wanted: Struct) -> pl.Expr:
    members = [
        build_cast(arg.struct.field(a.name), a.type, b.type).alias(b.name)
        for a, b in zip(held.fields, wanted.fields, strict=True)
    ]
    return pl.when(arg.is_not_null()).then(pl.struct(members))


def _kind(t: DataType) -> str:
    kinds = {Integer: "integer", Float: "float", Decimal: "decimal", Timestamp: "timestamp"}
    return kinds.get(type(t), str(t).lower())


def _plain(arg: pl.Expr, held: DataType, wanted: DataType) -> pl.Expr:
    return arg.cast(wanted.polars, strict=False)


def _physical(arg: pl.Expr, held: DataType, wanted: DataType) -> pl.Expr:
    return arg.cast(pl.Int64).cast(wanted.polars)


def _to_decimal(arg: pl.Expr, held: DataType, wanted: Decimal) -> pl.Expr:
    return rescale(unscaled(arg, held), as_decimal(held), wanted)


def _decimal_to_integer(arg: pl.Expr, held: Decimal, wanted: Integer) -> pl.Expr:
    value = unscaled(arg, held)
    if held.scale:
        value = value.truncdiv(pl.lit(10**held.scale, dtype=pl.Int128))
    return value.cast(wanted.polars, strict=False)


def _float_to_decimal(arg: pl.Expr, held: DataType, wanted: Decimal) -> pl.Expr:
    def run(column: pl.Series) -> pl.Series:
        whole, odd = round_scaled(column.cast(pl.Float64), wanted.scale)
        value = pl.select(
            rescale(pl.lit(whole).cast(pl.Int128), Decimal(19, wanted.scale), wanted)
        ).to_series()
        texts = [str(v) for v in column.gather(odd).to_numpy()]
        exact = [text.decimal_of(t, wanted) if np.isfinite(float(t)) else None for t in texts]
        return value.scatter(odd, pl.Series(exact, dtype=wanted.polars)) if len(odd) else value

    return arg.map_batches(run, return_dtype=wanted.polars, is_elementwise=True)


def round_scaled(column: pl.Series, digits: int) -> tuple[pl.Series, pl.Series]:
    """Floats times 10^digits rounded half up to integers, and the rows where that is not sure.

    A float stands for the shortest decimal that names it (1.005 rounds to 1.01 though its binary
    value is a little less). Only near a tie, or far from zero, does that need its text.
    """
    scaled = column.to_numpy() * 10.0**digits
    size = np.abs(scaled)
    with np.errstate(invalid="ignore"):
        sure = (size < 2.0**42) & (np.abs(size - np.floor(size) - 0.5) > 1e-3)
        whole = np.where(sure, np.copysign(np.floor(size + 0.5), scaled), 0).astype(np.int64)
    missing = column.is_null()
    odd = pl.Series(~sure) & ~missing
    values = pl.select(pl.when(~missing).then(pl.Series(whole))).to_series()
    return values, odd.arg_true()


def _to_boolean(arg: pl.Expr, held: DataType, wanted: DataType) -> pl.Expr:
    return arg != 0


_CASTS: dict[tuple[str, str], Build] = {
    **{(a, b): _plain for a in ("integer", "float") for b in ("integer", "float")},
    ("integer", "decimal"): _to_decimal,
    ("decimal", "decimal"): _to_decimal,
    ("decimal", "integer"): _decimal_to_integer,
    ("decimal", "float"): _plain,
    ("float", "decimal"): _float_to_decimal,
    ("integer", "boolean"): _to_boolean,
    ("float", "boolean"): _to_boolean,
    ("decimal", "boolean"): _to_boolean,
    ("boolean", "integer"): _plain,
    ("boolean", "float"): _plain,
    ("boolean", "decimal"): lambda a, h, w: _to_decimal(a.cast(pl.Int8), Integer(8), w),
    ("timestamp", "timestamp"): _physical,
    ("timestamp", "date"): lambda a, h, w: _physical(a, h, Timestamp()).cast(pl.Date),
    ("date", "timestamp"): lambda a, h, w: _physical(a.cast(pl.Datetime("us")), h, w),
    ("timestamp", "time"): lambda a, h, w: _physical(a, h, Timestamp()).dt.time(),
    ("string", "boolean"): lambda a, h, w: text.parse_boolean(a),
    ("string", "integer"): lambda a, h, w: text.parse_integer(a, w),
    ("string", "float"): lambda a, h, w: text.parse_float(a, w),
    ("string", "decimal"): lambda a, h, w: text.parse_decimal(a, w),
    ("string", "timestamp"): lambda a, h, w: text.parse_timestamp(a, w),
    ("string", "date"): lambda a, h, w: text.parse_date(a),
    ("string", "time"): lambda a, h, w: text.parse_time(a),
    ("string", "bytes"): _plain,
    ("bytes", "string"): lambda a, h, w: text.parse_bytes(a),
    ("boolean", "string"): lambda a, h, w: text.print_boolean(a),
    ("integer", "string"): _plain,
    ("float", "string"): lambda a, h, w: text.print_float(a),
    ("decimal", "string"): _plain,
    ("timestamp", "string"): lambda a, h, w: text.print_timestamp(a, h),
    ("date", "string"): lambda a, h, w: a.dt.strftime("%Y-%m-%d"),
    ("time", "string"): lambda a, h, w: text.print_time(a),
}

_LOSSY = {(a, b) for a, b in _CASTS if a == "string" or (a, b) == ("bytes", "string")}
_LOSSY |= {("float", "integer"), ("float", "decimal")}
_LOSSY -= {("string", "bytes"), ("string", "string")}
