"""Register the aggregates that collect the values of a group: LISTAGG, ARRAY_AGG, COLLECT.

Values stand in the order of their rows' positions where rows come from a source one by one, and otherwise,
or with DISTINCT, in the order of the values: the same in a stream and in a batch.

Not here: how values are kept (operators/multiset.py), what an aggregate is (aggregates.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from thalweg.base.types import INT32, NULL, STRING, DataType, Field, List, Map, Struct
from thalweg.expr.aggregates import AggregateFunction
from thalweg.expr.aggregates import register as register_aggregate
from thalweg.expr.functions.kit import vecs
from thalweg.expr.nodes import Call
from thalweg.expr.registry import Function, Signature, register

_BOXED, _ITEM = "__boxed", "__item"


def _list(parts: Mapping[str, pl.Expr]) -> pl.Expr:
    (made,) = parts.values()
    return made


def _sorted(args: Sequence[pl.Expr]) -> pl.Expr:
    return args[0].drop_nulls().implode()


def _specialized(entry: AggregateFunction, *, distinct: bool) -> AggregateFunction:
    return replace(entry, parts=("set",)) if distinct else entry


# -- LISTAGG -----------------------------------------------------------------------------------------


def _texts(types: Sequence[DataType]) -> Signature | None:
    fits = len(types) in (1, 2) and all(t in (STRING, NULL) for t in types)
    return Signature((STRING,) * len(types), STRING) if fits else None


def _joined(made: pl.Expr, separator: str) -> pl.Expr:
    return pl.when(made.list.len() > 0).then(made.list.join(separator))


def _listagg(separator: str) -> AggregateFunction:
    def specialize(distinct: bool, constants: tuple[Any, ...]) -> AggregateFunction:
        return _specialized(_listagg(constants[0] if constants else ","), distinct=distinct)

    return AggregateFunction(
        "listagg",
        _texts,
        "a text, and a constant text to put between",
        parts=("list",),
        finish=lambda parts, _: _joined(_list(parts), separator),
        lazy=lambda args, _: _joined(_sorted(args), separator),
        aliases=("string_agg",),
        is_ordered=True,
        specialize=specialize,
    )


LISTAGG = register_aggregate(_listagg(","))

# -- ARRAY_AGG ---------------------------------------------------------------------------------------


def _box(types: Sequence[DataType]) -> Signature | None:
    return Signature(tuple(types), Struct((Field(_ITEM, types[0]),))) if len(types) == 1 else None


def _boxed(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    return pl.struct(args[0].alias(_ITEM))


def _array(types: Sequence[DataType]) -> Signature | None:
    if len(types) != 1 or types[0] == NULL:
        return None
    (held,) = types
    item = held.fields[0].type if _is_box(held) and isinstance(held, Struct) else held
    return Signature((held,), List(item))


def _is_box(held: DataType) -> bool:
    return isinstance(held, Struct) and [f.name for f in held.fields] == [_ITEM]


def _items(made: pl.Expr) -> pl.Expr:
    return pl.when(made.list.len() > 0).then(made)


register(
    Function(
        _BOXED,
        _box,
        _boxed,
        "a value of any type",
        strict=False,
        vectors=vecs(STRING, ("a", {_ITEM: "a"}), ("", {_ITEM: ""}), (None, {_ITEM: None})),
    )
)
ARRAY_AGG: AggregateFunction = register_aggregate(
    AggregateFunction(
        "array_agg",
        _array,
        "one value of any type",
        parts=("list",),
        finish=lambda parts, _: _items(_list(parts)),
        lazy=lambda args, _: _items(args[0].implode()),
        prepare=lambda arg: Call(_BOXED, (arg,)),
        is_ordered=True,
        specialize=lambda distinct, _: _specialized(ARRAY_AGG, distinct=distinct),
    )
)

# -- COLLECT -----------------------------------------------------------------------------------------


def _multiset(types: Sequence[DataType]) -> Signature | None:
    if len(types) != 1 or types[0] == NULL or isinstance(types[0], (List, Map, Struct)):
        return None
    return Signature(tuple(types), Map(types[0], INT32))


def _counted(made: pl.Expr) -> pl.Expr:
    run = pl.element().sort().rle()
    entry = pl.struct(
        run.struct.field("value").alias("key"), run.struct.field("len").cast(pl.Int32).alias("value")
    )
    return made.fill_null([]).list.eval(entry)


COLLECT: AggregateFunction = register_aggregate(
    AggregateFunction(
        "collect",
        _multiset,
        "one value of a type that is not nested",
        parts=("list",),
        finish=lambda parts, _: _counted(_list(parts)),
        lazy=lambda args, _: _counted(_sorted(args)),
        is_ordered=True,
        specialize=lambda distinct, _: _specialized(COLLECT, distinct=distinct),
    )
)


def unboxed(values: pl.Expr, held: DataType) -> pl.Expr:
    """The values themselves, of an argument that may have been wrapped to tell NULL from a row left out."""
    return values.struct.field(_ITEM) if _is_box(held) else values


__all__ = ["ARRAY_AGG", "COLLECT", "LISTAGG", "unboxed"]
