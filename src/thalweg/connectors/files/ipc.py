"""Read Arrow files: record batch by record batch.

Not here: the layout of the file (ipc_footer.py).
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from thalweg.base.schema import Schema
from thalweg.connectors.files.select import expressions
from thalweg.connectors.frames import FrameReader
from thalweg.errors import ConnectorError
from thalweg.protocols.source import Position, Reader

DECODED_ROWS = 131_072


class ArrowFormat:
    """Arrow IPC files, packed or not."""

    def held(self, file: str) -> pl.Schema:
        """The columns that the file has."""
        try:
            return pl.Schema(pl.read_ipc_schema(file))
        except pl.exceptions.PolarsError as error:
            raise not_arrow(file, str(error).splitlines()[0]) from error

    def reader(self, file: str, target: Schema, position: Position) -> Reader:
        """Reads from the record batch that holds the position."""
        plan = self.scan(file, target)
        return FrameReader(lambda row: _frames(plan, row), position)

    def scan(self, file: str, target: Schema) -> pl.LazyFrame:
        """The file as a plan of Polars."""
        return pl.scan_ipc(file, glob=False, hive_partitioning=False).select(
            expressions(target, self.held(file))
        )


def not_arrow(file: str, why: str) -> ConnectorError:
    """The error for a file that is damaged, unfinished or of another format."""
    return ConnectorError(
        "an Arrow file cannot be read",
        code="source-damaged-file",
        where=file,
        found=why,
        hint="the file is damaged, still being written, or of another format",
    )


def _frames(plan: pl.LazyFrame, row: int) -> Iterator[pl.DataFrame]:
    while True:
        frame = plan.slice(row, DECODED_ROWS).collect()
        if not frame.height:
            return
        yield frame
        row += frame.height
