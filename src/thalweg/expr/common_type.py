"""Find the one type that several values can share.

Answers which type the branches of a CASE, the sides of a comparison or the inputs of a UNION
have together. Numbers widen (TINYINT … BIGINT, DECIMAL, DOUBLE), NULL adopts any type, dates
widen to timestamps, nested types widen member by member. Text never becomes a number by itself.

Not here: converting the values (casts.py), results of arithmetic (decimals.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from thalweg.base.types import (
    DATE,
    FLOAT32,
    FLOAT64,
    NULL,
    DataType,
    Decimal,
    Field,
    Float,
    Integer,
    List,
    Map,
    Struct,
    Timestamp,
    is_numeric,
)

PRECISION_MAX = 38
_INTEGER_DIGITS = {(8, True): 3, (16, True): 5, (32, True): 10, (64, True): 19}
_INTEGER_DIGITS |= {(8, False): 3, (16, False): 5, (32, False): 10, (64, False): 20}


def common_type(types: Iterable[DataType]) -> DataType | None:
    """The narrowest type that holds the values of all, or None where there is none.

    Example:
        >>> from thalweg.base.types import INT32, INT64
        >>> str(common_type([INT32, NULL, INT64])), str(common_type([INT32, Decimal(4, 3)]))
        ('BIGINT', 'DECIMAL(13, 3)')
    """
    found: DataType = NULL
    for one in types:
        pair = _pair(found, one)
        if pair is None:
            return None
        found = pair
    return found


def as_decimal(t: DataType) -> Decimal:
    """The decimal type that holds every value of an exact number."""
    if isinstance(t, Decimal):
        return t
    assert isinstance(t, Integer), f"{t} is not an exact number"
    return Decimal(_INTEGER_DIGITS[t.bits, t.signed], 0)


def fit_decimal(digits: int, scale: int) -> Decimal:
    """A decimal type with that many digits before and after the point, as far as 38 digits go.

    Where they do not, digits before the point are kept and at most six after it (Flink's rule).
    """
    if digits + scale <= PRECISION_MAX:
        return Decimal(max(1, digits + scale), scale)
    return Decimal(PRECISION_MAX, max(PRECISION_MAX - digits, min(scale, 6)))


def _pair(a: DataType, b: DataType) -> DataType | None:
    if a == b:
        # equal timestamp types may still differ in the digits that they print
        return max(a, b, key=lambda t: t.precision) if isinstance(a, Timestamp) else a  # type: ignore[attr-defined]
    if NULL in (a, b):
        return b if a == NULL else a
    if is_numeric(a) and is_numeric(b):
        return _numbers(a, b)
    if (isinstance(a, Timestamp) and b == DATE) or (isinstance(b, Timestamp) and a == DATE):
        return a if isinstance(a, Timestamp) else b
    return _nested(a, b)


def _numbers(a: DataType, b: DataType) -> DataType:
    if isinstance(a, Float) or isinstance(b, Float):
        wide = any(isinstance(t, Decimal) or t == FLOAT64 for t in (a, b))
        return FLOAT64 if wide else FLOAT32
    if isinstance(a, Integer) and isinstance(b, Integer):
        return _integers(a, b)
    x, y = as_decimal(a), as_decimal(b)
    return fit_decimal(max(x.precision - x.scale, y.precision - y.scale), max(x.scale, y.scale))


def _integers(a: Integer, b: Integer) -> DataType:
    if a.signed == b.signed:
        return a if a.bits >= b.bits else b
    signed, unsigned = (a, b) if a.signed else (b, a)
    if signed.bits > unsigned.bits:
        return signed
    return Integer(unsigned.bits * 2) if unsigned.bits < 64 else Decimal(20, 0)


def _nested(a: DataType, b: DataType) -> DataType | None:
    if isinstance(a, List) and isinstance(b, List):
        item = _pair(a.item, b.item)
        return None if item is None else List(item)
    if isinstance(a, Map) and isinstance(b, Map):
        key, value = _pair(a.key, b.key), _pair(a.value, b.value)
        return None if key is None or value is None else Map(key, value)
    if isinstance(a, Struct) and isinstance(b, Struct) and len(a.fields) == len(b.fields):
        pairs = [_pair(x.type, y.type) for x, y in zip(a.fields, b.fields, strict=True)]
        found = [p for p in pairs if p is not None]
        if len(found) < len(pairs):
            return None
        return Struct(tuple(Field(f.name, t) for f, t in zip(a.fields, found, strict=True)))
    return None
