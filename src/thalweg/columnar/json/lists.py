"""Decode arrays and maps that were cut out as text.

The items of all lists are written below each other as lines and go through the decoder again, so that
an item means the same as a column of its type, to any depth.

Not here: lists as such in the kernels; there are none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.types import instance

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_TEXTUAL = (pl.String, pl.Binary, pl.Decimal, pl.Date, pl.Time, pl.Datetime, pl.Duration)
# Numbers stay text: only where they end matters, and Python limits the length of those it converts.
_scan = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode


def decode_lists(raw: pl.Series, dtype: pl.List) -> pl.Series:
    """The lists that texts of JSON arrays or objects stand for, null where one is not of the type.

    Args:
        raw: valid JSON values on one line each, none null.
        dtype: the type of the lists.
    """
    from thalweg.columnar.json.decoder import JsonDecoder

    inner = instance(dtype.inner)
    lines: list[str] = []
    owners: list[int] = []
    failed = np.zeros(len(raw), dtype=np.bool_)
    for number, text in enumerate(raw):
        items = list(_items(text, inner))
        failed[number] = None in items
        lines += [f'{{"value":{item}}}' for item in items if item is not None]
        owners += [number] * (len(lines) - len(owners))
    decoded = JsonDecoder({"value": inner}).decode("\n".join(lines).encode())
    owner = np.array(owners, dtype=np.int64)
    failed[owner[[bad.line - 1 for bad in decoded.bad]]] = True
    return _collect(decoded.frame["value"], owner[decoded.lines - 1], failed, dtype)


def _collect(
    items: pl.Series, owner: np.ndarray[Any, Any], failed: np.ndarray[Any, Any], dtype: pl.List
) -> pl.Series:
    """One list per entry of `failed`: null if it failed, else the items it owns."""
    owned = pl.DataFrame([items, pl.Series("owner", owner)])
    lists = owned.group_by("owner", maintain_order=True).agg("value")
    every = pl.DataFrame([pl.Series("owner", np.arange(len(failed))), pl.Series("failed", failed)])
    joined = every.join(lists, on="owner", how="left", maintain_order="left")
    empty = pl.lit(pl.Series([[]], dtype=dtype))
    value = pl.when(~pl.col("failed")).then(pl.col("value").fill_null(empty))
    return joined.select(value)["value"]


def _items(text: str, inner: pl.DataType) -> Iterator[str | None]:
    """The items of an array or a map as JSON; None for what is neither, or for a key of another type."""
    if text.startswith("["):
        yield from _array_items(text)
        return
    fields = inner.fields if isinstance(inner, pl.Struct) else []
    if not text.startswith("{") or [field.name for field in fields] != ["key", "value"]:
        yield None
        return
    is_textual = isinstance(instance(fields[0].dtype), _TEXTUAL)
    for name, value in dict(_object_members(text)).items():
        if is_textual:
            yield f'{{"key":{json.dumps(name)},"value":{value}}}'
        else:
            is_key = name in ("true", "false") or NUMBER.fullmatch(name)
            yield f'{{"key":{name},"value":{value}}}' if is_key else None


def _array_items(text: str) -> Iterator[str]:
    place = _skip(text, 1)
    while text[place] != "]":
        _, stop = _scan(text, place)
        yield text[place:stop]
        place = _skip(text, stop)
        if text[place] == ",":
            place = _skip(text, place + 1)


def _object_members(text: str) -> Iterator[tuple[str, str]]:
    place = _skip(text, 1)
    while text[place] != "}":
        name, stop = _scan(text, place)
        place = _skip(text, _skip(text, stop) + 1)
        _, stop = _scan(text, place)
        yield name, text[place:stop]
        place = _skip(text, stop)
        if text[place] == ",":
            place = _skip(text, place + 1)


def _skip(text: str, place: int) -> int:
    while text[place] in " \t\r":
        place += 1
    return place
