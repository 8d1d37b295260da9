"""Make the schemas of steps that add columns or leave some out.

Not here: the steps (nodes.py).
"""

from __future__ import annotations

from typing import Literal

from thalweg.base.schema import STAMP, Schema
from thalweg.base.types import TIMESTAMP, TIMESTAMP_LTZ, Field, Struct, Timestamp

Stamp = Literal["column", "clock"] | None
"""Whether rows say when they were read, and whether the clock is also the watermark of their source."""
WINDOW_START, WINDOW_END, WINDOW_TIME = "window_start", "window_end", "window_time"


def with_stamp(read: Schema, stamp: Stamp) -> Schema:
    """The columns that a source gives, and when its rows were read, if they say so."""
    return read if stamp is None else Schema((*read.fields, Field(STAMP, TIMESTAMP_LTZ)))


def with_bounds(below: Schema, column: str) -> Schema:
    """The columns with those of a window: its bounds are local times, as in Flink."""
    held = below.get(column) or TIMESTAMP
    bound = TIMESTAMP if isinstance(held, Timestamp) and held.zone else held
    added = Field(WINDOW_START, bound), Field(WINDOW_END, bound), Field(WINDOW_TIME, held)
    return Schema((*below.fields, *added))


def pruned(schema: Schema, name: str, members: tuple[str, ...] | None) -> Field:
    """A column with some members only."""
    held = schema.type_of(name)
    if members is None or not isinstance(held, Struct):
        return Field(name, held)
    return Field(name, Struct(tuple(f for f in held.fields if f.name in members)))


def shown(name: str, members: tuple[str, ...] | None) -> str:
    """A column, or members of it, in a few words."""
    return name if members is None else f"{name}{{{', '.join(members)}}}"
