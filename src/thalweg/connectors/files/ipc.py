"""Read Arrow files: mapped into memory where their layout allows it, by Polars otherwise.

Not here: the layout of the file (ipc_footer.py), the mapping (ipc_mapped.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.eager import compute
from thalweg.connectors.files.format import UNREADABLE
from thalweg.connectors.files.ipc_footer import DAMAGED, UnknownLayout
from thalweg.connectors.files.ipc_mapped import MappedFile
from thalweg.connectors.files.select import expressions
from thalweg.connectors.frames import FrameReader
from thalweg.errors import ConnectorError
from thalweg.protocols.figures import Meter
from thalweg.protocols.source import Position, Reader

DECODED_ROWS = 131_072
"""Rows unpacked at a time, where the file cannot be mapped."""


@dataclass(frozen=True)
class ArrowFormat:
    """Arrow IPC files, packed or not.

    Attributes:
        meter: counts what is read of files that are mapped.
    """

    meter: Meter = field(default_factory=Meter, repr=False, compare=False)

    def metered(self, meter: Meter) -> ArrowFormat:
        """The same files, and a count of what is read."""
        return replace(self, meter=meter)

    def held(self, file: str) -> pl.Schema:
        """The columns that the file has."""
        try:
            return pl.Schema(pl.read_ipc_schema(file))
        except UNREADABLE as error:
            raise not_arrow(file, error) from error

    def reader(self, file: str, target: Schema, position: Position) -> Reader:
        """Reads from the record batch that holds the position."""
        try:
            mapped = MappedFile(file, target, self.meter)
        except UnknownLayout:
            plan = self.scan(file, target)
            return FrameReader(lambda row: _unpacked(file, plan, row), position)
        except (*DAMAGED, OSError) as error:
            raise not_arrow(file, error) from error
        return FrameReader(lambda row: _mapped(file, mapped, target, row), position)

    def scan(self, file: str, target: Schema) -> pl.LazyFrame:
        """The file as a plan of Polars."""
        plan = pl.scan_ipc(file, glob=False, hive_partitioning=False)
        return plan.select(expressions(target, self.held(file)))


def not_arrow(file: str, error: Exception) -> ConnectorError:
    """The error for a file that is damaged, unfinished or of another format."""
    return ConnectorError(
        "an Arrow file cannot be read",
        code="source-damaged-file",
        where=file,
        found=str(error).splitlines()[0] if str(error) else type(error).__name__,
        hint="the file is damaged, still being written, or of another format",
    )


def _mapped(file: str, mapped: MappedFile, target: Schema, row: int) -> Iterator[pl.DataFrame]:
    try:
        for frame in mapped.frames(row):
            held = frame.schema
            yield frame if held == target.polars else compute(frame, expressions(target, held))
    except (*DAMAGED, *UNREADABLE) as error:
        raise not_arrow(file, error) from error


def _unpacked(file: str, plan: pl.LazyFrame, row: int) -> Iterator[pl.DataFrame]:
    while True:
        try:
            frame = plan.slice(row, DECODED_ROWS).collect()
        except UNREADABLE as error:
            raise not_arrow(file, error) from error
        if not frame.height:
            return
        yield frame
        row += frame.height
