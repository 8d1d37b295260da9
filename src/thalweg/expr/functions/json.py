"""Define functions of JSON texts: JSON_VALUE, JSON_QUERY, JSON_EXISTS and IS JSON.

Paths are `$.name`, `$['name']` and `$[0]`, one after another, in SQL's lax mode: what is not there
is NULL. So is everything in a text that is no JSON (NULL ON ERROR, the default in Flink).

Not here: JSON as a format of sources and sinks (connectors/).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import polars as pl

from thalweg.base.types import BOOLEAN, STRING, DataType
from thalweg.expr.functions.kit import bad_constant, by_value, fixed, vecs
from thalweg.expr.registry import Function, InferValues, Signature, register

_STEP = re.compile(r"\.([A-Za-z_]\w*)|\.\"([^\"]*)\"|\['([^']*)'\]|\[\"([^\"]*)\"\]|\[(\d+)\]")
_MISSING = object()
_decode = msgspec.json.Decoder().decode

Path = tuple[str | int, ...]


def parse_path(text: str) -> Path | None:
    """The steps of a JSON path, or None if it is none.

    Example:
        >>> parse_path("$.a['b c'][0]")
        ('a', 'b c', 0)
    """
    text = text.strip().removeprefix("lax ").removeprefix("strict ")
    if not text.startswith("$"):
        return None
    steps: list[str | int] = []
    at = 1
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            return None
        name = next((g for g in step.groups()[:4] if g is not None), None)
        steps.append(int(step[5]) if name is None else name)
        at = step.end()
    return tuple(steps)


def _at(text: str, path: Path) -> Any:
    """What the path leads to; `_MISSING` if nothing, or if the text is no JSON."""
    try:
        value = _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _MISSING
    for step in path:
        if isinstance(step, int):
            # lax: a value that is no array counts as an array of one
            items = value if isinstance(value, list) else [value]
            value = items[step] if step < len(items) else _MISSING
        else:
            value = value.get(step, _MISSING) if isinstance(value, dict) else _MISSING
        if value is _MISSING:
            return _MISSING
    return value


def _value(text: str, path: Path) -> str | None:
    found = _at(text, path)
    if found is _MISSING or found is None or isinstance(found, (dict, list)):
        return None
    return found if isinstance(found, str) else json.dumps(found)


def _query(text: str, path: Path) -> str | None:
    found = _at(text, path)
    return msgspec.json.encode(found).decode() if isinstance(found, (dict, list)) else None


def _exists(text: str, path: Path) -> bool:
    return _at(text, path) is not _MISSING


def _is_json(text: str, kind: str) -> bool:
    found = _at(text, ())
    if kind == "object":
        return isinstance(found, dict)
    if kind == "array":
        return isinstance(found, list)
    return found is not _MISSING and (kind == "value" or not isinstance(found, (dict, list)))


def _on_path(call: Callable[[str, Path], Any], result: DataType) -> Callable[..., pl.Expr]:
    def build(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
        return by_value(args, 1, lambda a, text: _mapped(a[0], call, parse_path(text), result), result)

    return build


def _mapped(arg: pl.Expr, call: Callable[[str, Any], Any], extra: Any, result: DataType) -> pl.Expr:
    if extra is None:
        return pl.lit(None, dtype=result.polars)
    return arg.map_batches(
        lambda s: pl.Series([None if t is None else call(t, extra) for t in s], dtype=result.polars),
        return_dtype=result.polars,
        is_elementwise=True,
    )


def _with_path(name: str, result: DataType) -> InferValues:
    plain = fixed([STRING, STRING], result)

    def infer(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
        if len(values) == 2 and isinstance(values[1], str) and parse_path(values[1]) is None:
            raise bad_constant(name, "path", values[1], expected="$ and steps such as .name, ['name'] or [0]")
        return plain(types)

    return infer


_TEXT = '{"a": {"b": "x", "n": 1.5, "t": true, "z": null}, "l": [10, [20]]}'
_TABLE: tuple[tuple[str, Callable[[str, Path], Any], DataType, tuple[tuple[Any, ...], ...]], ...] = (
    (
        "json_value",
        _value,
        STRING,
        (
            (_TEXT, "$.a.b", "x"),
            (_TEXT, "$.a.n", "1.5"),
            (_TEXT, "$.a.t", "true"),
            (_TEXT, "$.a.z", None),
            (_TEXT, "$.a", None),
            (_TEXT, "$.l[0]", "10"),
            (_TEXT, "$.l[9]", None),
            (_TEXT, "$['a']['b']", "x"),
            ("not json", "$.a", None),
            ("", "$", None),
            ("5", "$", "5"),
        ),
    ),
    (
        "json_query",
        _query,
        STRING,
        ((_TEXT, "$.l", "[10,[20]]"), (_TEXT, "$.a.b", None), ("[", "$", None), ('{"a": {}}', "$.a", "{}")),
    ),
    (
        "json_exists",
        _exists,
        BOOLEAN,
        ((_TEXT, "$.a.z", True), (_TEXT, "$.a.q", False), ("x", "$", False), (_TEXT, "$.l[1][0]", True)),
    ),
)
for _name, _call, _result, _cases in _TABLE:
    register(
        Function(
            _name,
            fixed([STRING, STRING], _result),
            _on_path(_call, _result),
            "a JSON text and a path",
            infer_values=_with_path(_name, _result),
            vectors=vecs(STRING, *_cases, (None, "$", None), ("{}", None, None)),
        )
    )

_KINDS = ("value", "object", "array", "scalar")


def _infer_is_json(types: Sequence[DataType], values: Sequence[Any]) -> Signature | None:
    if len(values) == 2 and str(values[1]).lower() not in _KINDS:
        raise bad_constant("is_json", "kind", values[1], expected=", ".join(_KINDS).upper())
    return _IS_JSON(types)


def _build_is_json(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    if len(args) == 1:
        return _mapped(args[0], _is_json, "value", BOOLEAN)
    return by_value(args, 1, lambda a, kind: _mapped(a[0], _is_json, kind.lower(), BOOLEAN), BOOLEAN)


_IS_JSON = fixed([STRING, STRING], BOOLEAN, optional=1)
register(
    Function(
        "is_json",
        _IS_JSON,
        _build_is_json,
        "a text and, optionally, VALUE, OBJECT, ARRAY or SCALAR",
        infer_values=_infer_is_json,
        constants=(1,),
        vectors=(
            *vecs(STRING, ("1", True), ("{}", True), ("{", False), ("", False), (None, None)),
            *vecs(
                STRING,
                ("[]", "ARRAY", True),
                ("[]", "OBJECT", False),
                ("1", "SCALAR", True),
                (None, "VALUE", None),
            ),
            *vecs(STRING, ("{}", "OBJECT", True), ("{}", "SCALAR", False)),
        ),
    )
)
