"""Define functions that make JSON texts of values: JSON_OBJECT and JSON_ARRAY, each with and without NULLs.

As in Flink: the names of an object are sorted, of two equal ones the later counts; bytes are base64,
timestamps ISO 8601; dates, times and intervals must be cast to texts. Numbers are written without
exponents and trailing zeros. What a JSON function made goes into another one as JSON, not as a text.

Not here: reading JSON (json.py), JSON as a format (connectors/).
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import polars as pl

from thalweg.base.types import (
    BINARY,
    BOOLEAN,
    FLOAT64,
    INT32,
    NULL,
    STRING,
    DataType,
    Decimal,
    Field,
    Float,
    Integer,
    List,
    Map,
    Struct,
    Timestamp,
)
from thalweg.expr.functions.kit import accepts, per_row, vecs
from thalweg.expr.registry import FAILS, Build, Failure, Function, Signature, register

Write = Callable[[Any], str]
"""From a value, not NULL, to its JSON text."""

_PART = Struct((Field("__json", STRING),))
"""The type of a text that goes into another one as it is."""


# Values -------------------------------------------------------------------------------------------


def writer(held: DataType) -> Write | None:
    """How values of a type are written; None for types that have no form in JSON.

    Example:
        >>> write = writer(List(Float(64)))
        >>> write and write([1.0, None, float("nan")])
        '[1.0,null,"NaN"]'
    """
    if held == _PART:
        return lambda value: str(value["__json"])
    if isinstance(held, List):
        return _list(held)
    if isinstance(held, Map):
        return _map(held)
    if isinstance(held, Struct):
        return _row(held)
    if isinstance(held, Timestamp):
        return _timestamp(held)
    simple: tuple[tuple[bool, Write], ...] = (
        (held == STRING, _text),
        (held == BOOLEAN, lambda value: "true" if value else "false"),
        (isinstance(held, Integer), str),
        (isinstance(held, Decimal), _decimal),
        (isinstance(held, Float), _float),
        (held == BINARY, lambda value: _text(base64.b64encode(value).decode())),
        (held == NULL, lambda value: "null"),
    )
    return next((write for fits, write in simple if fits), None)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _decimal(value: Any) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _float(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return '"NaN"' if math.isnan(value) else f'"{"-" if value < 0 else ""}Infinity"'


def _timestamp(held: Timestamp) -> Write:
    zone = "" if held.zone is None else "Z"

    def write(value: datetime) -> str:
        fraction = f".{value.microsecond:06}".rstrip("0").rstrip(".")
        return f'"{value.replace(tzinfo=None, microsecond=0).isoformat()}{fraction}{zone}"'

    return write


def _list(held: List) -> Write | None:
    item = _or_null(held.item)
    return item and (lambda values: f"[{','.join(map(item, values))}]")


def _row(held: Struct) -> Write | None:
    members = [(f.name, _or_null(f.type)) for f in held.fields]
    if any(write is None for _, write in members):
        return None
    return lambda value: _object((n, write(value[n])) for n, write in members if write is not None)


def _map(held: Map) -> Write | None:
    item = _or_null(held.value)
    if item is None or held.key != STRING:
        return None

    # a key that is NULL has failed the row already
    return lambda entries: _object((str(e["key"]), item(e["value"])) for e in entries)


def _or_null(held: DataType) -> Write | None:
    write = writer(held)
    return write and (lambda value: "null" if value is None else write(value))


def _object(pairs: Any) -> str:  # an iterable of names and JSON texts
    return f"{{{','.join(f'{_text(n)}:{v}' for n, v in sorted(dict(pairs).items()))}}}"


def _holds_null_key(value: Any, held: DataType) -> bool:
    """Whether a map, at any depth, has a key that JSON has no name for."""
    if value is None:
        return False
    if isinstance(held, List):
        return any(_holds_null_key(v, held.item) for v in value)
    if isinstance(held, Struct):
        return any(_holds_null_key(value[f.name], f.type) for f in held.fields)
    if not isinstance(held, Map):
        return False
    return any(e["key"] is None or _holds_null_key(e["value"], held.value) for e in value)


# Functions ----------------------------------------------------------------------------------------


def _rows(
    args: Sequence[pl.Expr], make: Callable[[Sequence[Any]], Any], result: DataType = STRING
) -> pl.Expr:
    """A value for every row of the arguments, of which any may be NULL."""
    if not args:
        return pl.lit(make(()))

    def run(columns: Sequence[pl.Series]) -> pl.Series:
        height = 0 if any(len(c) == 0 for c in columns) else max(map(len, columns))
        lists = [c.to_list() if len(c) == height else [c[0]] * height for c in columns]
        return pl.Series([make(row) for row in zip(*lists, strict=True)], dtype=result.polars)

    return pl.map_batches(list(args), run, return_dtype=result.polars, is_elementwise=True)


def _object_of(*, with_nulls: bool) -> Build:
    def build(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
        names = [pl.select(n).item() for n in args[::2]]
        writes = [_or_null(t) for t in types[1::2]]

        def make(row: Sequence[Any]) -> str:
            parts = zip(names, writes, row, strict=True)
            return _object((n, w(v)) for n, w, v in parts if w and (with_nulls or v is not None))

        return _rows(args[1::2], make)

    return build


def _array_of(*, with_nulls: bool) -> Build:
    def build(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
        writes = [_or_null(t) for t in types]

        def make(row: Sequence[Any]) -> str:
            parts = zip(writes, row, strict=True)
            return f"[{','.join(w(v) for w, v in parts if w and (with_nulls or v is not None))}]"

        return _rows(args, make)

    return build


def _null_keys(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr | None:
    held = [(a, t) for a, t in zip(args, types, strict=True) if isinstance(t, (List, Map, Struct))]
    nested = [t for _, t in held]
    if not held:
        return None
    return _rows([a for a, _ in held], lambda row: any(map(_holds_null_key, row, nested)), BOOLEAN)


_NULL_KEY = Failure(_null_keys, "data-json-key", "a key of a map is NULL, which JSON has no name for")


def _infer_object(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
    if len(types) % 2 or not all(isinstance(v, str) for v in values[::2]):
        return None
    return _infer_array(types)


def _infer_array(types: Sequence[DataType]) -> Signature | None:
    return None if any(writer(t) is None for t in types) else Signature(tuple(types), STRING)


_PAIRS = "pairs of a constant text and a value; dates, times and intervals as texts"
_PRICES = Map(STRING, INT32)
_PERSON = Struct((Field("name", STRING), Field("age", INT32)))
_TWO = (STRING, INT32, STRING, STRING)

for _name, _with_nulls, _some in (
    ("json_object", True, '{"a":null,"b":"x"}'),
    ("json_object_absent", False, '{"b":"x"}'),
):
    register(
        Function(
            _name,
            lambda types: None,
            _object_of(with_nulls=_with_nulls),
            _PAIRS,
            failures=(_NULL_KEY,),
            strict=False,
            infer_values=_infer_object,
            constants=tuple(range(0, 200, 2)),
            vectors=(
                *vecs(_TWO, ("a", 1, "b", 'é "q"', '{"a":1,"b":"é \\"q\\""}'), ("a", None, "b", "x", _some)),
                *vecs(_TWO, ("b", 1, "a", "x", '{"a":"x","b":1}'), ("a", 1, "a", "x", '{"a":"x"}')),
                *vecs((STRING, FLOAT64), ("f", 0.5, '{"f":0.5}'), ("f", math.inf, '{"f":"Infinity"}')),
                *vecs((STRING, FLOAT64), ("f", math.nan, '{"f":"NaN"}'), ("f", -0.0, '{"f":-0.0}')),
                *vecs((STRING, BINARY), ("b", b"\x00\xff", '{"b":"AP8="}')),
                *vecs(
                    (STRING, _PRICES),
                    ("m", [{"key": "z", "value": 1}, {"key": "k", "value": None}], '{"m":{"k":null,"z":1}}'),
                    ("m", [{"key": None, "value": 1}], FAILS),
                ),
                *vecs((STRING, _PERSON), ("p", {"name": "x", "age": None}, '{"p":{"age":null,"name":"x"}}')),
                *vecs((STRING, _PART), ("j", {"__json": "[1]"}, '{"j":[1]}')),
            ),
        )
    )

for _name, _with_nulls, _some in (("json_array", False, '["x"]'), ("json_array_null", True, '[null,"x"]')):
    register(
        Function(
            _name,
            _infer_array,
            _array_of(with_nulls=_with_nulls),
            "values; dates, times and intervals as texts",
            failures=(_NULL_KEY,),
            strict=False,
            vectors=(
                *vecs((INT32, STRING), (1, "", '[1,""]'), (None, "x", _some)),
                *vecs((BOOLEAN,), (True, "[true]"), (False, "[false]")),
                *vecs((Decimal(5, 2),), ("1.50", "[1.5]"), ("100.00", "[100]"), ("0.00", "[0]")),
                *vecs((List(INT32), _PART), ([1, None], {"__json": "{}"}, "[[1,null],{}]")),
            ),
        )
    )


def _is_no_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return True
    return False


def _infer_part(types: Sequence[DataType]) -> Signature | None:
    return Signature((STRING,), _PART) if len(types) == 1 and accepts(types[0], STRING) else None


register(
    Function(
        "json_part",
        _infer_part,
        lambda args, types: pl.when(args[0].is_not_null()).then(pl.struct(args[0].alias("__json"))),
        "a JSON text, which json_object and json_array take as it is",
        failures=(
            Failure(
                lambda args, types: per_row(args, _is_no_json, BOOLEAN),
                "data-no-json",
                "a text that goes into JSON as it is must be JSON itself",
            ),
        ),
        vectors=vecs(
            STRING,
            ('{"a":1}', {"__json": '{"a":1}'}),
            ("null", {"__json": "null"}),
            (None, None),
            ("{", FAILS),
            ("", FAILS),
        ),
    )
)
__all__ = ["writer"]
