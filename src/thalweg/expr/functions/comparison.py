"""Define comparisons, membership, GREATEST and LEAST.

A comparison with NULL is NULL. Floats compare as IEEE 754 says: NaN equals nothing and is neither
less nor greater, -0.0 equals 0.0. IS [NOT] DISTINCT FROM uses the engine's one equality for keys
instead: NULL is NULL, NaN is NaN. A time compares with a text that names one.

Not here: BETWEEN, which is two comparisons (the parser writes it so); three-valued AND and OR (logic.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal as Exact
from functools import reduce

import polars as pl

from thalweg.base.types import (
    BOOLEAN,
    DATE,
    FLOAT64,
    INT32,
    INT64,
    INTERVAL,
    NULL,
    STRING,
    TIMESTAMP,
    DataType,
    Decimal,
    Float,
    List,
    Map,
    Struct,
)
from thalweg.expr.functions.few import compare_few
from thalweg.expr.functions.kit import comparable, constant, vec, vecs
from thalweg.expr.registry import UNKNOWN, Function, Signature, Vector, register

_NAN, _INF = float("nan"), float("inf")
_BIG = 2**53


def _infer(*, ordered: bool) -> Callable[[Sequence[DataType]], Signature | None]:
    def infer(types: Sequence[DataType]) -> Signature | None:
        shared = comparable(types) if len(types) == 2 else None
        if shared is None or (ordered and isinstance(shared, (List, Map, Struct))):
            return None
        shared = BOOLEAN if shared == NULL else shared
        return Signature((shared, shared), BOOLEAN)

    return infer


def compare(operator: str, a: pl.Expr, b: pl.Expr) -> pl.Expr:
    """A comparison as Polars makes it.

    A constant goes to the right: Polars 2.1 gives one row, not all, for a constant on the left of a
    column that it holds as one repeated value.
    """
    if not a.meta.root_names():
        a, b, operator = b, a, _MIRRORED.get(operator, operator)
    return _POLARS[operator](a, b)


_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_POLARS: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "is": lambda a, b: a.eq_missing(b),
    "is_not": lambda a, b: a.ne_missing(b),
}


def equal(a: pl.Expr, b: pl.Expr, held: DataType) -> pl.Expr:
    """`a = b` for values of one type."""
    found = compare("=", a, b)
    # Polars holds that NaN equals NaN; NULL beside NaN must still give NULL
    return found & (a.is_not_nan() | b.is_null()) if _may_be_nan(a, b, held) else found


def _not_equal(a: pl.Expr, b: pl.Expr, held: DataType) -> pl.Expr:
    found = compare("<>", a, b)
    return found | (a.is_nan() & b.is_not_null()) if _may_be_nan(a, b, held) else found


def _less(a: pl.Expr, b: pl.Expr, held: DataType) -> pl.Expr:
    found = compare("<", a, b)
    # Polars holds that NaN is the greatest number
    return found & (b.is_not_nan() | a.is_null()) if _may_be_nan(b, b, held) else found


def _less_or_equal(a: pl.Expr, b: pl.Expr, held: DataType) -> pl.Expr:
    found = compare("<=", a, b)
    return found & (b.is_not_nan() | a.is_null()) if _may_be_nan(b, b, held) else found


def _may_be_nan(a: pl.Expr, b: pl.Expr, held: DataType) -> bool:
    """Whether both may be NaN; a constant usually settles it."""
    if not isinstance(held, Float):
        return False
    return all(v is UNKNOWN or v != v for v in (constant(a), constant(b)))


_COMPARISONS: dict[str, tuple[str, Callable[[pl.Expr, pl.Expr, DataType], pl.Expr]]] = {
    "=": ("equals", equal),
    "<>": ("not_equals", _not_equal),
    "<": ("less", _less),
    "<=": ("less_or_equal", _less_or_equal),
    ">": ("greater", lambda a, b, t: _less(b, a, t)),
    ">=": ("greater_or_equal", lambda a, b, t: _less_or_equal(b, a, t)),
}


def _vectors(operator: str) -> tuple[Vector, ...]:
    """Pairs that are less, equal, greater and, with NaN, none of these."""
    less = operator in ("<", "<=", "<>")
    same = operator in ("=", "<=", ">=")
    more = operator in (">", ">=", "<>")
    none = operator == "<>"
    return (
        *vecs(
            INT64,
            (1, 2, less),
            (2, 2, same),
            (3, 2, more),
            (None, 1, None),
            (1, None, None),
            (None, None, None),
        ),
        *vecs(FLOAT64, (1.0, _NAN, none), (_NAN, 1.0, none), (_NAN, _NAN, none), (-0.0, 0.0, same)),
        *vecs(FLOAT64, (_NAN, None, None), (None, _NAN, None), (1.0, _INF, less), (_INF, _INF, same)),
        *vecs((INT32, FLOAT64), (1, 1.5, less), (2, 2.0, same)),
        *vecs((INT64, Decimal(20, 1)), (_BIG + 1, Exact(_BIG), more)),
        *vecs(
            STRING, ("a", "b", less), ("", "", same), ("b", "a", more), ("a", None, None), ("a", "aa", less)
        ),
        *vecs(BOOLEAN, (False, True, less), (True, True, same)),
        *vecs(
            (TIMESTAMP, STRING),
            (datetime(2024, 1, 1), "2024-01-01 00:00:00", same),
            (None, "2024-01-01", None),
        ),
        *vecs((DATE, TIMESTAMP), (datetime(2024, 1, 1).date(), datetime(2024, 1, 1, 1), less)),
        *vecs((NULL, INT32), (None, 1, None)),
    )


_METHODS = {"=": "eq", "<>": "neq", "<": "lt", "<=": "lt_eq", ">": "gt", ">=": "gt_eq"}
"""The methods of Polars' columns."""


def _register(operator: str) -> None:
    name, build = _COMPARISONS[operator]
    register(
        Function(
            operator,
            _infer(ordered=operator not in ("=", "<>")),
            lambda args, types: build(args[0], args[1], types[0]),
            "two values of one kind",
            vectors=_vectors(operator),
            aliases=(name, *(("!=",) if operator == "<>" else ())),
            operator=operator,
            few=compare_few(_METHODS[operator]),
        )
    )


for _operator in _COMPARISONS:
    _register(_operator)

_DISTINCT = (
    *vecs(INT64, (1, 1, False), (1, 2, True), (None, 1, True), (1, None, True), (None, None, False)),
    *vecs(FLOAT64, (_NAN, _NAN, False), (-0.0, 0.0, False), (_NAN, 1.0, True), (None, _NAN, True)),
    *vecs(STRING, ("", None, True), ("", "", False)),
)
register(
    Function(
        "is_distinct_from",
        _infer(ordered=False),
        lambda args, types: compare("is_not", args[0], args[1]),
        "two values of one kind",
        strict=False,
        vectors=_DISTINCT,
    )
)
register(
    Function(
        "is_not_distinct_from",
        _infer(ordered=False),
        lambda args, types: compare("is", args[0], args[1]),
        "two values of one kind",
        strict=False,
        vectors=tuple(Vector(v.args, v.types, not v.expected) for v in _DISTINCT),
    )
)


def _infer_in(types: Sequence[DataType]) -> Signature | None:
    shared = comparable(types) if types else None
    if shared is None:
        return None
    shared = BOOLEAN if shared == NULL else shared
    return Signature((shared,) * len(types), BOOLEAN)


def _in(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    arg, held = args[0], types[0]
    values = [constant(a) for a in args[1:]]
    if len(args) == 1:
        return pl.when(arg.is_not_null()).then(False)
    if UNKNOWN in values or isinstance(held, (List, Map, Struct)):
        return reduce(lambda a, b: a | b, (equal(arg, a, held) for a in args[1:]))
    known = [v for v in values if v is not None and v == v]
    found = arg.is_in(pl.lit(known, dtype=pl.List(held.polars)))
    return pl.when(found).then(True) if None in values else found


register(
    Function(
        "in",
        _infer_in,
        _in,
        "a value and a list of values of its kind",
        strict=False,
        vectors=(
            *vecs(INT32, (1, 2, None, None), (1, 1, None, True), (None, 1, 2, None), (1, 2, 3, False)),
            *vecs(FLOAT64, (_NAN, _NAN, False), (0.0, -0.0, True), (None, 1.0, None)),
            *vecs((INT32, FLOAT64, INT64), (1, 1.0, 5, True), (2, 1.0, 5, False)),
            *vecs(STRING, ("a", "b", "a", True), ("a", "b", None, None)),
            vec((Exact("1.50"), Exact("1.5")), (Decimal(3, 2), Decimal(2, 1)), True),
            vec((datetime(2024, 1, 1), "2024-01-01 00:00:00"), (TIMESTAMP, STRING), True),
        ),
    )
)


def _infer_extreme(types: Sequence[DataType]) -> Signature | None:
    shared = comparable(types) if types else None
    if shared is None or isinstance(shared, (List, Map, Struct)):
        return None
    return Signature((shared,) * len(types), shared)


def _extreme(*, greatest: bool) -> Callable[[Sequence[pl.Expr], Sequence[DataType]], pl.Expr]:
    def build(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
        def better(a: pl.Expr, b: pl.Expr) -> pl.Expr:
            # Polars orders NaN last, as sorting does; a NULL on either side fails both conditions
            first = compare(">=" if greatest else "<=", a, b)
            return pl.when(first).then(a).when(~first).then(b)

        return reduce(better, args)

    return build


for _name, _is_greatest in (("greatest", True), ("least", False)):
    register(
        Function(
            _name,
            _infer_extreme,
            _extreme(greatest=_is_greatest),
            "values of one kind",
            vectors=(
                *vecs(INT64, (1, 2, 2 if _is_greatest else 1), (None, 1, None), (1, None, None)),
                *vecs(INT64, (5, 9, 2, 9 if _is_greatest else 2), (5, None, 2, None)),
                *vecs(FLOAT64, (_NAN, _INF, _NAN if _is_greatest else _INF)),
                *vecs(STRING, ("b", "a", "b" if _is_greatest else "a")),
                vec((1, 1.5), (INT32, FLOAT64), 1.5 if _is_greatest else 1.0),
                *vecs(INTERVAL, (None, None, None)),
            ),
        )
    )
