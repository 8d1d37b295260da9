"""Turn rows of a state, as a checkpoint of an earlier program has them, into those of the state as it is now.

Not here: whether that is possible (job/changed_columns.py), where rows come from (checkpoint/).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec
import polars as pl

from thalweg.columnar.arrow import to_frame
from thalweg.errors import CheckpointError
from thalweg.protocols.increments import GONE
from thalweg.protocols.state import ColumnSpec, ColumnsSpec

_HELD: dict[str, pl.DataType] = {
    "int64": pl.Int64(),
    "float64": pl.Float64(),
    "bool": pl.Boolean(),
    "object": pl.Binary(),
}
_SHOWN_MAX = 200


def fits(frame: pl.DataFrame, spec: ColumnsSpec) -> bool:
    """Whether the rows have the columns of the state, and their types."""
    wanted = {spec.stored(name): _HELD.get(column.kind, pl.Binary()) for name, column in spec.columns.items()}
    others = {n: t for n, t in frame.schema.items() if n not in spec.key and n != GONE}
    return others == wanted


def migrated(frame: pl.DataFrame, spec: ColumnsSpec, through: Collection[str]) -> pl.DataFrame:
    """Rows with the columns that the state has now.

    Args:
        frame: rows of an increment; of those that have gone only the key counts.
        spec: the state.
        through: the columns whose values go through the program's function.

    Raises:
        CheckpointError: `upgrade-migration`.

    Example:
        >>> spec = ColumnsSpec("n", {"k": pl.Int64()}, {"n": ColumnSpec("float64", migrate=lambda n: n / 2)})
        >>> migrated(pl.DataFrame({"k": [1], "n": [3]}), spec, ["n"]).rows()
        [(1, 1.5)]
    """
    kept = [frame.get_column(n) for n in (*spec.key, GONE) if n in frame.columns]
    return to_frame([*kept, *(_column(frame, spec, name, name in through) for name in spec.columns)])


def _column(frame: pl.DataFrame, spec: ColumnsSpec, name: str, is_through: bool) -> pl.Series:
    column, stored = spec.columns[name], spec.stored(name)
    if stored not in frame.columns:
        begin = column.initial if column.taken_over is None else column.taken_over
        return pl.Series(stored, [begin], _HELD[column.kind]).new_from_index(0, frame.height)
    held = frame.get_column(stored)
    if is_through:
        return _through(held, column, name)
    if held.dtype == _HELD[column.kind]:
        return held
    if column.codec is None:
        return held.cast(_HELD[column.kind])
    encode = column.codec.encode
    values = [None if value is None else encode(value) for value in held.to_list()]
    return pl.Series(stored, values, pl.Binary)


def _through(held: pl.Series, column: ColumnSpec, name: str) -> pl.Series:
    """Values by the program's function."""
    migrate, codec = column.migrate, column.codec
    assert migrate is not None, "the plan of the upgrade has found one"
    value: Any = None
    try:
        found = []
        for value in held.to_list():
            old = msgspec.msgpack.decode(value) if isinstance(value, bytes) else value
            made = None if value is None else migrate(old)
            # what cannot be read again is found here, and not by the next run
            found.append(
                made if codec is None or made is None else _checked(codec.encode(made), codec.decode)
            )
        return pl.Series(held.name, found, _HELD[column.kind], strict=True)
    except Exception as error:
        shown = msgspec.msgpack.decode(value) if isinstance(value, bytes) else value
        code = getattr(migrate, "__code__", None)
        raise CheckpointError(
            f'the function for the state "{name}" failed on a value of the checkpoint: '
            f"{type(error).__name__}: {str(error)[:_SHOWN_MAX]}",
            code="upgrade-migration",
            where=None if code is None else f"{code.co_filename}:{code.co_firstlineno}",
            found=repr(shown)[:_SHOWN_MAX],
            hint="nothing was changed; the old program still goes on from its checkpoint",
        ) from error


def _checked(data: bytes, decode: Callable[[bytes], Any]) -> bytes:
    decode(data)
    return data
