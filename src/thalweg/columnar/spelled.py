"""Spell values that CSV and JSON lines have no form of their own for.

- bytes: base64
- intervals: ISO 8601, `P1DT2H3.5S`
- maps, in JSON: an object with the keys as names; keys that are lists or rows: an array of entries

Everything else as Polars writes it.

Not here: how CSV is written (connectors/text/written.py), reading (columnar/json).
"""

from __future__ import annotations

import polars as pl

from thalweg.base.types import instance


def json_lines(frame: pl.DataFrame) -> str:
    r"""One JSON object per row.

    Example:
        >>> json_lines(pl.DataFrame({"a": [b"\x00\xff"]}))
        '{"a":"AP8="}\n'
    """
    return spelled(frame).write_ndjson()


def json_rows(frame: pl.DataFrame) -> list[str]:
    r"""One JSON object per row, each a text of its own, whatever is in its texts.

    Example:
        >>> len(json_rows(pl.DataFrame({"a": ["one\u2028two", "three"]})))
        2
    """
    # `splitlines` also ends lines at characters that JSON leaves as they are
    return json_lines(frame).split("\n")[:-1]


def spelled(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with texts in place of values that have no form of their own, for Polars to write."""
    held = {n: t for n, t in frame.schema.items() if _spelled_type(t) != t}
    return frame.with_columns(_spell(pl.col(n), t).alias(n) for n, t in held.items()) if held else frame


def _spell(value: pl.Expr, held: pl.DataType) -> pl.Expr:
    if _spelled_type(held) == held:
        return value
    if isinstance(held, pl.Binary):
        return value.bin.encode("base64")
    if isinstance(held, pl.Duration):
        return value.dt.to_string("iso")
    if isinstance(held, pl.List):
        return value.list.eval(_spell(pl.element(), instance(held.inner)))
    if isinstance(held, pl.Map):
        return _spell_map(value, held)
    assert isinstance(held, pl.Struct), "no other type holds one of these"
    members = [_spell(value.struct.field(f.name), instance(f.dtype)).alias(f.name) for f in held.fields]
    # A struct made of its members is never NULL; the rows that were must stay so.
    return pl.when(value.is_not_null()).then(pl.struct(members))


def _spell_map(value: pl.Expr, held: pl.Map) -> pl.Expr:
    key, item = instance(held.key), instance(held.value)
    entry = pl.element().struct
    name = _spell(entry.field("key"), key)
    if not key.is_nested():
        name = name.cast(pl.String)
    entries = value.cast(_entries(key, item)).list.eval(
        pl.struct(name.alias("key"), _spell(entry.field("value"), item).alias("value"))
    )
    return entries.cast(_spelled_type(held))


def _spelled_type(held: pl.DataType) -> pl.DataType:
    if isinstance(held, (pl.Binary, pl.Duration)):
        return pl.String()
    if isinstance(held, pl.List):
        return pl.List(_spelled_type(instance(held.inner)))
    if isinstance(held, pl.Struct):
        return pl.Struct({f.name: _spelled_type(instance(f.dtype)) for f in held.fields})
    if isinstance(held, pl.Map):
        key, value = instance(held.key), _spelled_type(instance(held.value))
        return _entries(_spelled_type(key), value) if key.is_nested() else pl.Map(pl.String(), value)
    return held


def _entries(key: pl.DataType, value: pl.DataType) -> pl.List:
    return pl.List(pl.Struct({"key": key, "value": value}))
