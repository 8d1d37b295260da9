"""Define what lists and maps are before they are taken apart: the entries of maps, items with their numbers.

Not here: other functions of lists and maps (nested.py), taking lists apart (plan/unnest.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from thalweg.base.types import INT32, STRING, DataType, Field, List, Map, Struct
from thalweg.expr.functions.kit import vecs
from thalweg.expr.nodes import ITEM, NUMBERED, ORDINALITY
from thalweg.expr.registry import Function, Signature, register


def _infer_entries(types: Sequence[DataType]) -> Signature | None:
    if len(types) != 1 or not isinstance(types[0], Map):
        return None
    entry = Struct((Field("key", types[0].key), Field("value", types[0].value)))
    return Signature((types[0],), List(entry))


_ENTRIES = [{"key": "a", "value": 1}, {"key": "b", "value": None}]
register(
    Function(
        "map_entries",
        _infer_entries,
        lambda args, types: args[0],
        "a map",
        vectors=vecs(Map(STRING, INT32), (_ENTRIES, _ENTRIES), ([], []), (None, None)),
    )
)


def _infer_numbered(types: Sequence[DataType]) -> Signature | None:
    if len(types) != 1 or not isinstance(types[0], List):
        return None
    return Signature((types[0],), List(Struct((Field(ITEM, types[0].item), Field(ORDINALITY, INT32)))))


def _numbered(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    number = pl.int_range(1, pl.len() + 1, dtype=pl.Int32)
    return args[0].list.eval(pl.struct(pl.element().alias(ITEM), number.alias(ORDINALITY)))


register(
    Function(
        NUMBERED,
        _infer_numbered,
        _numbered,
        "an array",
        vectors=vecs(
            *(List(STRING), ([], [])),
            *((["b", None], [{ITEM: "b", ORDINALITY: 1}, {ITEM: None, ORDINALITY: 2}]), (None, None)),
        ),
    )
)
