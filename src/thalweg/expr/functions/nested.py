"""Define members of structs, lists and maps, and how to build them.

Lists count from 1; what is not there is NULL. A map is a list of (key, value) structs. The name of a
struct's member is a constant and checked when the query is typed.

Not here: JSON texts (json.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from thalweg.base.types import (
    BOOLEAN,
    FLOAT64,
    INT32,
    INT64,
    NULL,
    STRING,
    DataType,
    Field,
    Integer,
    List,
    Map,
    Struct,
)
from thalweg.errors import PlanError, did_you_mean
from thalweg.expr.common_type import common_type
from thalweg.expr.functions.comparison import equal
from thalweg.expr.functions.few import field_few
from thalweg.expr.functions.kit import accepts, bad_constant, by_value, constant, vecs
from thalweg.expr.registry import UNKNOWN, Function, Signature, register

_PAIR = Struct((Field("a", INT32), Field("b", STRING)))
_NESTED = Struct((Field("p", _PAIR),))
_INTS, _TEXTS = List(INT32), List(STRING)
_PRICES = Map(STRING, INT32)


def _infer_field(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
    if len(types) != 2 or not isinstance(types[0], Struct) or types[1] != STRING:
        return None
    name = values[1]
    member = types[0].field(name)
    if member is None:
        names = [f.name for f in types[0].fields]
        raise PlanError(
            f'the row has no field "{name}"',
            code="plan-unknown-field",
            choices=names,
            hint=did_you_mean(name, names),
        )
    return Signature(tuple(types), member.type)


register(
    Function(
        "field",
        lambda types: None,
        lambda args, types: args[0].struct.field(constant(args[1])),
        "a row and the name of one of its fields",
        infer_values=_infer_field,
        constants=(1,),
        few=field_few,
        vectors=(
            *vecs(
                (_PAIR, STRING),
                ({"a": 1, "b": "x"}, "a", 1),
                ({"a": 1, "b": "x"}, "b", "x"),
                (None, "a", None),
            ),
            *vecs((_PAIR, STRING), ({"a": None, "b": ""}, "a", None)),
            *vecs((_NESTED, STRING), ({"p": {"a": 1, "b": "x"}}, "p", {"a": 1, "b": "x"})),
        ),
    )
)


def _infer_row(types: Sequence[DataType]) -> Signature | None:
    if not types:
        return None
    return Signature(tuple(types), Struct(tuple(Field(f"f{i}", t) for i, t in enumerate(types))))


register(
    Function(
        "row",
        _infer_row,
        lambda args, types: pl.struct(a.alias(f"f{i}") for i, a in enumerate(args)),
        "values",
        strict=False,
        vectors=vecs(
            (INT32, STRING),
            (1, "x", {"f0": 1, "f1": "x"}),
            (None, "", {"f0": None, "f1": ""}),
            (2, None, {"f0": 2, "f1": None}),
        ),
    )
)


def _infer_named_row(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
    if not types or len(types) % 2 or not all(isinstance(v, str) for v in values[::2]):
        return None
    if len(set(values[::2])) < len(values) // 2:
        raise bad_constant("named_row", "repeated field names", ", ".join(values[::2]))
    pairs = zip(values[::2], types[1::2], strict=True)
    return Signature(tuple(types), Struct(tuple(Field(n, t) for n, t in pairs)))


register(
    Function(
        "named_row",
        lambda types: None,
        lambda args, types: pl.struct(
            v.alias(constant(n)) for n, v in zip(args[::2], args[1::2], strict=True)
        ),
        "pairs of a constant name and a value",
        strict=False,
        infer_values=_infer_named_row,
        constants=tuple(range(0, 200, 2)),
        vectors=vecs(
            (STRING, INT32, STRING, STRING),
            ("a", 1, "b", "x", {"a": 1, "b": "x"}),
            ("a", None, "b", "", {"a": None, "b": ""}),
            ("a", 0, "b", None, {"a": 0, "b": None}),
        ),
    )
)

# Lists --------------------------------------------------------------------------------------------


def _infer_array(types: Sequence[DataType]) -> Signature | None:
    item = common_type(types)
    return None if item is None or not types else Signature((item,) * len(types), List(item))


def _array(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    # `concat_list` would flatten items that are lists; in a struct they stay what they are
    items = pl.concat_list(pl.struct(a.alias("item")) for a in args)
    return items.list.eval(pl.element().struct.field("item"))


register(
    Function(
        "array",
        _infer_array,
        _array,
        "values of one kind",
        strict=False,
        vectors=(
            *vecs(INT32, (1, 2, [1, 2]), (None, 2, [None, 2]), (None, None, [None, None])),
            *vecs((INT32, FLOAT64), (1, 0.5, [1.0, 0.5])),
            *vecs((_INTS, _INTS), ([1], [], [[1], []]), (None, [2], [None, [2]])),
        ),
    )
)


def _infer_item(types: Sequence[DataType]) -> Signature | None:
    if len(types) != 2:
        return None
    held, index = types
    if isinstance(held, List) and accepts(index, INT64):
        return Signature((held, INT64), held.item)
    if isinstance(held, Map):
        shared = common_type((held.key, index))
        return Signature((held, held.key), held.value) if shared == held.key else None
    return None


def _infer_item_values(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
    found = _infer_item(types)
    if found is None and len(types) == 2 and isinstance(types[0], Map):
        held, key = types[0], types[0].key
        if (
            isinstance(key, Integer)
            and type(values[1]) is int
            and key.bounds[0] <= values[1] <= key.bounds[1]
        ):
            # a number that is written down is of any type that holds it
            return Signature((held, key), held.value)
    return found


def _item(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    held, index = types[0], args[1]
    if isinstance(held, Map):
        return by_value(args, 1, lambda a, key: _at_key(a[0], key, held), held.value)
    place: pl.Expr = pl.when(index > 0).then(index - 1)
    value = constant(index)
    if value is not UNKNOWN and value is not None and value > 0:
        place = pl.lit(value - 1, dtype=pl.Int64)
    return args[0].list.get(place, null_on_oob=True)


def _at_key(arg: pl.Expr, key: Any, held: Map) -> pl.Expr:
    is_key = equal(pl.element().struct.field("key"), pl.lit(key, dtype=held.key.polars), held.key)
    return arg.list.eval(pl.element().filter(is_key).struct.field("value")).list.get(-1, null_on_oob=True)


_ENTRIES = [{"key": "a", "value": 1}, {"key": "b", "value": None}]
register(
    Function(
        "element_at",
        _infer_item,
        _item,
        "an array and a number from 1, or a map and a key of its kind",
        infer_values=_infer_item_values,
        vectors=(
            *vecs(
                (_INTS, INT32),
                ([5, 6], 1, 5),
                ([5, 6], 2, 6),
                ([5, 6], 3, None),
                ([5, 6], 0, None),
                ([5, 6], -1, None),
            ),
            *vecs((_INTS, INT32), (None, 1, None), ([5], None, None), ([], 1, None), ([None, 6], 1, None)),
            *vecs(
                (_PRICES, STRING),
                (_ENTRIES, "a", 1),
                (_ENTRIES, "b", None),
                (_ENTRIES, "c", None),
                (None, "a", None),
            ),
            *vecs((_PRICES, STRING), (_ENTRIES, None, None), ([], "a", None)),
        ),
        aliases=("item",),
    )
)


def _sized(types: Sequence[DataType]) -> Signature | None:
    if len(types) != 1 or not isinstance(types[0], (List, Map)):
        return None
    return Signature(tuple(types), INT32)


register(
    Function(
        "cardinality",
        _sized,
        lambda args, types: args[0].list.len().cast(pl.Int32),
        "an array or a map",
        vectors=(
            *vecs(_INTS, ([1, None], 2), ([], 0), (None, None)),
            *vecs(_PRICES, (_ENTRIES, 2), (None, None)),
        ),
        aliases=("array_length", "map_size"),
    )
)


def _with_item(result: DataType) -> Callable[[Sequence[DataType]], Signature | None]:
    def infer(types: Sequence[DataType]) -> Signature | None:
        if len(types) != 2 or not isinstance(types[0], List):
            return None
        item = common_type((types[0].item, types[1]))
        return None if item is None else Signature((List(item), item), result)

    return infer


def _position(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    items, wanted = args
    # every list beside its row's value: (value, item) structs would copy; comparing by row does not
    return pl.map_batches([items, wanted], _positions, return_dtype=pl.Int32(), is_elementwise=True)


def _positions(columns: Sequence[pl.Series]) -> pl.Series:
    items, wanted = columns
    height = 0 if 0 in (len(items), len(wanted)) else max(len(items), len(wanted))
    pairs = zip(*(c.to_list() * (height // max(len(c), 1)) for c in columns), strict=True)
    values = [None if a is None or v is None else a.index(v) + 1 if v in a else 0 for a, v in pairs]
    return pl.Series(values, dtype=pl.Int32)


register(
    Function(
        "array_position",
        _with_item(INT32),
        _position,
        "an array and a value of its kind",
        vectors=(
            *vecs((_INTS, INT32), ([5, 6, 5], 5, 1), ([5, 6], 6, 2), ([5], 7, 0), ([], 7, 0)),
            *vecs((_INTS, INT32), (None, 7, None), ([5], None, None)),
        ),
    )
)


def _contains(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    return pl.when(args[0].is_not_null()).then(args[0].list.contains(args[1], nulls_equal=True))


register(
    Function(
        "array_contains",
        _with_item(BOOLEAN),
        _contains,
        "an array and a value of its kind",
        strict=False,
        vectors=(
            *vecs((_INTS, INT32), ([1, 2], 2, True), ([1, 2], 3, False), ([], 1, False), (None, 1, None)),
            *vecs((_INTS, INT32), ([1, None], None, True), ([1], None, False)),
        ),
    )
)


def _infer_join(types: Sequence[DataType]) -> Signature | None:
    if len(types) not in (2, 3) or types[0] != _TEXTS or not all(t in (STRING, NULL) for t in types[1:]):
        return None
    return Signature((_TEXTS, STRING, STRING)[: len(types)], STRING)


def _join(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    if len(args) == 2:
        return args[0].list.drop_nulls().list.join(args[1])
    rest = [args[0], args[2]]
    filled = by_value(rest, 1, lambda a, text: a[0].list.eval(pl.element().fill_null(pl.lit(text))), _TEXTS)
    return filled.list.join(args[1])


register(
    Function(
        "array_join",
        _infer_join,
        _join,
        "an array of texts, a separator and, optionally, a text for NULL",
        vectors=(
            *vecs(
                (_TEXTS, STRING),
                (["a", None, "b"], ",", "a,b"),
                ([], ",", ""),
                (None, ",", None),
                (["a"], None, None),
            ),
            *vecs(
                (_TEXTS, STRING, STRING),
                (["a", None], ",", "?", "a,?"),
                (["a"], ",", None, None),
                (None, ",", "?", None),
            ),
        ),
    )
)


def _list_to_list(types: Sequence[DataType]) -> Signature | None:
    if len(types) != 1 or not isinstance(types[0], List):
        return None
    return Signature((types[0],), types[0])


register(
    Function(
        "array_distinct",
        _list_to_list,
        lambda args, types: args[0].list.unique(maintain_order=True),
        "an array",
        vectors=vecs(_INTS, ([2, 1, 2, None, None], [2, 1, None]), ([], []), (None, None)),
    )
)
register(
    Function(
        "array_reverse",
        _list_to_list,
        lambda args, types: args[0].list.reverse(),
        "an array",
        vectors=vecs(_INTS, ([1, None, 3], [3, None, 1]), ([], []), (None, None)),
    )
)


def _infer_repeat(types: Sequence[DataType]) -> Signature | None:
    if len(types) != 2 or not isinstance(types[1], Integer):
        return None
    return Signature((types[0], INT64), List(types[0]))


register(
    Function(
        "array_repeat",
        _infer_repeat,
        lambda args, types: pl.when(args[1].is_not_null()).then(
            args[0].repeat_by(args[1].clip(0, 2**31).fill_null(0))
        ),
        "a value, and how often it is repeated",
        strict=False,
        vectors=vecs(
            *((STRING, INT64), ("a", 2, ["a", "a"]), ("a", 0, []), ("a", -1, [])),
            *((None, 1, [None]), ("a", None, None)),
        ),
    )
)


def _infer_concat(types: Sequence[DataType]) -> Signature | None:
    shared = common_type(types)
    return Signature((shared,) * len(types), shared) if isinstance(shared, List) else None


register(
    Function(
        "array_concat",
        _infer_concat,
        lambda args, types: pl.concat_list(*args),
        "arrays of one kind",
        vectors=vecs(_INTS, ([1], [2, 1], [1, 2, 1]), ([], [1], [1]), (None, [1], None), ([1], None, None)),
    )
)


def _extreme_item(types: Sequence[DataType]) -> Signature | None:
    if len(types) != 1 or not isinstance(types[0], List) or isinstance(types[0].item, (List, Map, Struct)):
        return None
    return Signature((types[0],), types[0].item)


register(
    Function(
        "array_max",
        _extreme_item,
        lambda args, types: args[0].list.max(),
        "an array",
        vectors=vecs(_INTS, ([1, None, 3], 3), ([], None), (None, None)),
    )
)
register(
    Function(
        "array_min",
        _extreme_item,
        lambda args, types: args[0].list.min(),
        "an array",
        vectors=vecs(_INTS, ([1, None, 3], 1), ([], None), (None, None)),
    )
)

# Maps ---------------------------------------------------------------------------------------------


def _infer_map(types: Sequence[DataType]) -> Signature | None:
    if not types or len(types) % 2:
        return None
    key, value = common_type(types[::2]), common_type(types[1::2])
    if key is None or value is None:
        return None
    return Signature((key, value) * (len(types) // 2), Map(key, value))


def _map(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    pairs = zip(args[::2], args[1::2], strict=True)
    return pl.concat_list(*(pl.struct(k.alias("key"), v.alias("value")) for k, v in pairs))


register(
    Function(
        "map",
        _infer_map,
        _map,
        "pairs of a key and a value",
        strict=False,
        vectors=vecs(
            (STRING, INT32, STRING, INT32),
            ("a", 1, "b", None, _ENTRIES),
            ("", None, "", None, [{"key": "", "value": None}, {"key": "", "value": None}]),
            ("x", 1, "y", 2, [{"key": "x", "value": 1}, {"key": "y", "value": 2}]),
        ),
    )
)


def _members(name: str) -> Callable[[Sequence[DataType]], Signature | None]:
    def infer(types: Sequence[DataType]) -> Signature | None:
        if len(types) != 1 or not isinstance(types[0], Map):
            return None
        return Signature(tuple(types), List(types[0].key if name == "key" else types[0].value))

    return infer


for _name, _member, _expected in (("map_keys", "key", ["a", "b"]), ("map_values", "value", [1, None])):
    register(
        Function(
            _name,
            _members(_member),
            lambda args, types, member=_member: args[0].list.eval(pl.element().struct.field(member)),  # type: ignore[misc]
            "a map",
            vectors=vecs(_PRICES, (_ENTRIES, _expected), ([], []), (None, None)),
        )
    )
