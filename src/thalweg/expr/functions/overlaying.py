"""Define OVERLAY, which puts one text over a part of another.

As in Flink: a start outside of the text leaves it as it is, and with a length that is not positive, or
that reaches beyond the end, nothing follows the new part.

Not here: other functions of text (strings.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from thalweg.base.types import INT64, STRING, DataType
from thalweg.expr.functions.kit import fixed, vecs
from thalweg.expr.registry import Function, register

_MAX = 1 << 31


def _overlay(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    text, part, start = args[:3]
    count = args[3] if len(args) == 4 else part.str.len_chars().cast(pl.Int64)
    length = text.str.len_chars().cast(pl.Int64)
    is_inside = (start > 0) & (start <= length)
    first = pl.when(is_inside).then(start).otherwise(1)
    # the sum of two numbers must not leave their type
    after = first + count.clip(-_MAX, _MAX)
    has_rest = (count > 0) & (after <= length)
    rest = pl.when(has_rest).then(text.str.slice(after.clip(1) - 1)).otherwise(pl.lit(""))
    made = pl.concat_str(text.str.slice(0, first - 1), part, rest)
    known = pl.all_horizontal(a.is_not_null() for a in args)
    return pl.when(known).then(pl.when(is_inside).then(made).otherwise(text))


register(
    Function(
        "overlay",
        fixed([STRING, STRING, INT64, INT64], STRING, optional=1),
        _overlay,
        "a text, what to put over it, a number from 1 and, optionally, how many characters to replace",
        vectors=(
            *vecs(
                (STRING, STRING, INT64),
                ("xxxxxtest", "xxxx", 6, "xxxxxxxxx"),
                ("abcdef", "ÄÖ", 2, "aÄÖdef"),
                ("abc", "xyz", 3, "abxyz"),
                ("abc", "", 2, "a"),
                ("abc", "x", 0, "abc"),
                ("abc", "x", 4, "abc"),
                ("", "x", 1, ""),
                (None, "x", 1, None),
                ("abc", None, 9, None),
                ("abc", "x", None, None),
            ),
            *vecs(
                (STRING, STRING, INT64, INT64),
                ("xxxxxtest", "xxxx", 6, 2, "xxxxxxxxxst"),
                ("abcdef", "z", 2, 4, "azf"),
                ("abcdef", "z", 2, 9, "az"),
                ("abcdef", "z", 2, (1 << 63) - 1, "az"),
                ("abcdef", "z", 2, 0, "az"),
                ("abcdef", "z", -1, 4, "abcdef"),
                ("abcdef", "z", 2, None, None),
                ("abcdef", "z", 9, None, None),
            ),
        ),
    )
)
