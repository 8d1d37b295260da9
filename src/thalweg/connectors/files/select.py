"""Decide which columns of a file are read, and turn them into the declared types.

A file and the declaration fit if they have the same columns and types. Times in milli- or nanoseconds
become microseconds, categories become strings; anything else that differs is an error that names the
column, both types and the file.

Not here: reading (parquet.py, ipc.py, text.py).
"""

from __future__ import annotations

import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import DataType, Field, Struct, from_polars
from thalweg.errors import PlanError, did_you_mean
from thalweg.protocols.source import Fields


def pruned(schema: Schema, fields: Fields | None) -> Schema:
    """The schema of the columns and struct members asked for, in the order asked for.

    Example:
        >>> from thalweg.base.types import INT64
        >>> pair = Struct((Field("a", INT64), Field("b", INT64)))
        >>> str(pruned(Schema.of({"x": INT64, "s": pair}), [("s", ("b",))]))
        's ROW<b BIGINT>'
    """
    if fields is None:
        return schema
    return Schema(tuple(Field(name, _members(schema.type_of(name), kept)) for name, kept in fields))


def _members(held: DataType, kept: tuple[str, ...] | None) -> DataType:
    if kept is None or not isinstance(held, Struct):
        return held
    by_name = {f.name: f for f in held.fields}
    return Struct(tuple(by_name[name] for name in kept))


def check_file(declared: Schema, held: pl.Schema, file: str) -> None:
    """Raise `source-schema` unless the file has every declared column with its type."""
    for field in declared:
        if field.name not in held:
            raise PlanError(
                f'the source has no column "{field.name}"',
                code="source-schema",
                where=file,
                expected=f"{field.name} {field.type}",
                choices=held.names(),
                hint=did_you_mean(field.name, held.names()),
            )
        found = from_polars(held[field.name])
        if found is None or not is_same(field.type, found):
            raise PlanError(
                f'column "{field.name}" of the source has another type than declared',
                code="source-schema",
                where=file,
                expected=f"{field.name} {field.type}",
                found=f"{field.name} {held[field.name] if found is None else found}",
                hint="declare the type that the file has, and CAST it in the query",
            )


def is_same(declared: DataType, found: DataType) -> bool:
    """Whether a file's type is read as the declared one without changing values; members may be left out."""
    if isinstance(declared, Struct) and isinstance(found, Struct):
        pairs = [(f, found.field(f.name)) for f in declared.fields]
        return all(held is not None and is_same(f.type, held.type) for f, held in pairs)
    return declared.polars == found.polars


def expressions(target: Schema, held: pl.Schema) -> list[pl.Expr]:
    """What selects the target's columns from a frame with the file's own types."""
    return [_column(field.name, field.type.polars, held[field.name]) for field in target]


def _column(name: str, wanted: pl.DataType, held: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if wanted == held:
        return column
    return _value(column, wanted, held).alias(name)


def _value(value: pl.Expr, wanted: pl.DataType, held: pl.DataType) -> pl.Expr:
    if not isinstance(wanted, pl.Struct) or not isinstance(held, pl.Struct) or _has_members(wanted, held):
        return value.cast(wanted)
    types = _types(held)
    members = [_value(value.struct.field(n), t, types[n]).alias(n) for n, t in _types(wanted).items()]
    # A struct made of its members is never NULL; the rows that were must stay so.
    return pl.when(value.is_not_null()).then(pl.struct(members))


def _has_members(wanted: pl.DataType, held: pl.DataType) -> bool:
    """Whether structs, at any depth, have the same members in the same order."""
    if not isinstance(wanted, pl.Struct) or not isinstance(held, pl.Struct):
        return True
    ours, theirs = _types(wanted), _types(held)
    return list(ours) == list(theirs) and all(_has_members(ours[n], theirs[n]) for n in ours)


def _types(struct: pl.Struct) -> dict[str, pl.DataType]:
    return {f.name: f.dtype if isinstance(f.dtype, pl.DataType) else f.dtype() for f in struct.fields}
