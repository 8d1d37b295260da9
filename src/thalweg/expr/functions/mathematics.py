"""Define roots, powers, logarithms and angles; all compute in DOUBLE.

Not here: arithmetic (arithmetic.py), rounding (rounding.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import polars as pl

from thalweg.base.types import FLOAT64, INT32
from thalweg.expr.functions.kit import fixed, vec, vecs
from thalweg.expr.registry import Function, Vector, register

_NAN, _INF = float("nan"), float("inf")
_ONE = fixed([FLOAT64], FLOAT64)
_TWO = fixed([FLOAT64, FLOAT64], FLOAT64)

_NULL = vec((None,), FLOAT64, None)


def _unary(name: str, call: Callable[[pl.Expr], pl.Expr], vectors: tuple[Vector, ...]) -> None:
    register(Function(name, _ONE, lambda args, types: call(args[0]), "one number", vectors=(_NULL, *vectors)))


_unary("sqrt", lambda a: a.sqrt(), vecs(FLOAT64, (4.0, 2.0), (-1.0, _NAN), (_INF, _INF), (0.0, 0.0)))
_unary("cbrt", lambda a: a.cbrt(), vecs(FLOAT64, (27.0, 3.0), (-8.0, -2.0)))
_unary("exp", lambda a: a.exp(), vecs(FLOAT64, (0.0, 1.0), (-_INF, 0.0), (1000.0, _INF)))
_unary("ln", lambda a: a.log(), vecs(FLOAT64, (1.0, 0.0), (0.0, -_INF), (-1.0, _NAN)))
_unary("log10", lambda a: a.log10(), vecs(FLOAT64, (1000.0, 3.0), (0.0, -_INF), (-1.0, _NAN)))
_unary("log2", lambda a: a.log(2), vecs(FLOAT64, (8.0, 3.0), (0.0, -_INF), (-1.0, _NAN)))
_unary("sin", lambda a: a.sin(), vecs(FLOAT64, (0.0, 0.0), (_INF, _NAN)))
_unary("cos", lambda a: a.cos(), vecs(FLOAT64, (0.0, 1.0), (_INF, _NAN)))
_unary("tan", lambda a: a.tan(), vecs(FLOAT64, (0.0, 0.0), (_INF, _NAN)))
_unary("asin", lambda a: a.arcsin(), vecs(FLOAT64, (1.0, math.pi / 2), (2.0, _NAN)))
_unary("acos", lambda a: a.arccos(), vecs(FLOAT64, (1.0, 0.0), (2.0, _NAN)))
_unary("atan", lambda a: a.arctan(), vecs(FLOAT64, (0.0, 0.0), (_INF, math.pi / 2)))
_unary("sinh", lambda a: a.sinh(), vecs(FLOAT64, (0.0, 0.0), (_INF, _INF)))
_unary("cosh", lambda a: a.cosh(), vecs(FLOAT64, (0.0, 1.0), (_INF, _INF)))
_unary("tanh", lambda a: a.tanh(), vecs(FLOAT64, (0.0, 0.0), (_INF, 1.0)))
_unary("degrees", lambda a: a.degrees(), vecs(FLOAT64, (math.pi, 180.0), (0.0, 0.0)))
_unary("radians", lambda a: a.radians(), vecs(FLOAT64, (180.0, math.pi), (0.0, 0.0)))

register(
    Function(
        "power",
        _TWO,
        lambda args, types: args[0].pow(args[1]),
        "two numbers",
        vectors=(
            *vecs(FLOAT64, (2.0, 10.0, 1024.0), (2.0, -1.0, 0.5), (None, 2.0, None), (2.0, None, None)),
            *vecs(FLOAT64, (0.0, 0.0, 1.0), (-8.0, 1 / 3, _NAN), (0.0, -1.0, _INF)),
            *vecs(INT32, (2, 31, 2147483648.0)),
        ),
        aliases=("pow",),
    )
)
register(
    Function(
        "atan2",
        _TWO,
        lambda args, types: pl.arctan2(args[0], args[1]),
        "two numbers",
        vectors=vecs(FLOAT64, (0.0, 1.0, 0.0), (1.0, 0.0, math.pi / 2), (None, 1.0, None), (1.0, None, None)),
    )
)
register(
    Function(
        "log",
        fixed([FLOAT64, FLOAT64], FLOAT64, optional=1),
        lambda args, types: args[0].log() if len(args) == 1 else args[1].log() / args[0].log(),
        "one number, or a base and a number",
        vectors=(
            *vecs(FLOAT64, (1.0, 0.0), (0.0, -_INF), (None, None)),
            *vecs(FLOAT64, (2.0, 8.0, 3.0), (None, 8.0, None), (2.0, 0.0, -_INF)),
        ),
    )
)
register(
    Function(
        "pi",
        fixed([], FLOAT64),
        lambda args, types: pl.lit(math.pi),
        "nothing",
        vectors=(vec((), (), math.pi),),
    )
)
