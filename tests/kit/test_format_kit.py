"""The format kit rejects broken file formats, naming the line, and accepts the one that is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.connectors.files.select import expressions
from thalweg.connectors.frames import FrameReader
from thalweg.protocols.source import Position
from thalweg.testing import ConformanceError, check_format

FRAME = pl.DataFrame(
    {"id": range(8), "name": [*"abcdefg", None], "pair": [{"x": i, "y": i / 2} for i in range(8)]}
)
SHELF: list[tuple[type, str]] = []


class TwinFormat:
    """Parquet, as Polars reads it."""

    def held(self, file: str) -> pl.Schema:
        return pl.read_parquet_schema(file)

    def reader(self, file: str, target: Schema, position: Position) -> FrameReader:
        frame = self.scan(file, target).collect()

        def rows(at: int) -> Iterator[pl.DataFrame]:
            return iter([frame[at:]])

        return FrameReader(rows, position)

    def scan(self, file: str, target: Schema) -> pl.LazyFrame:
        return pl.scan_parquet(file).select(expressions(target, self.held(file)))


def breaks(line: str) -> Callable[[type], type]:
    def add(kind: type) -> type:
        SHELF.append((kind, line))
        return kind

    return add


@breaks("F1")
class NamesColumnsInAlphabet(TwinFormat):
    def held(self, file: str) -> pl.Schema:
        return pl.Schema(dict(sorted(super().held(file).items(), reverse=True)))


@breaks("F1")
class HeldChanges(TwinFormat):
    asked = count()

    def held(self, file: str) -> pl.Schema:
        schema = dict(super().held(file))
        return pl.Schema(schema if next(self.asked) % 2 else {n: schema[n] for n in ("id", "name")})


@breaks("F3")
class ScanIsShort(TwinFormat):
    def scan(self, file: str, target: Schema) -> pl.LazyFrame:
        return super().scan(file, target).head(7)

    def reader(self, file: str, target: Schema, position: Position) -> FrameReader:
        return TwinFormat().reader(file, target, position)


@breaks("F3")
class ScanSorts(TwinFormat):
    def scan(self, file: str, target: Schema) -> pl.LazyFrame:
        return super().scan(file, target).reverse()

    def reader(self, file: str, target: Schema, position: Position) -> FrameReader:
        return TwinFormat().reader(file, target, position)


@breaks("F3")
class ScanGivesWholeStructs(TwinFormat):
    def scan(self, file: str, target: Schema) -> pl.LazyFrame:
        return pl.scan_parquet(file).select(target.names)

    def reader(self, file: str, target: Schema, position: Position) -> FrameReader:
        return TwinFormat().reader(file, target, position)


@breaks("R2")
class ReaderStartsAnew(TwinFormat):
    def reader(self, file: str, target: Schema, position: Position) -> FrameReader:
        reader = super().reader(file, target, position)
        frame = self.scan(file, target).collect()
        reader._open_frames = lambda row: iter([frame])
        return reader


@breaks("R5")
class ReaderGivesWholeStructs(TwinFormat):
    def reader(self, file: str, target: Schema, position: Position) -> FrameReader:
        frame = pl.read_parquet(file).select(target.names)
        return FrameReader(lambda row: iter([frame[row:]]), position)


@breaks("R6")
class LosesTheLastRow(TwinFormat):
    def scan(self, file: str, target: Schema) -> pl.LazyFrame:
        return super().scan(file, target).head(7)


@pytest.fixture
def file(tmp_path: Path) -> str:
    FRAME.write_parquet(tmp_path / "a.parquet")
    return str(tmp_path / "a.parquet")


@pytest.mark.parametrize(("kind", "line"), SHELF, ids=[k.__name__ for k, _ in SHELF])
def test_a_broken_format_is_rejected(kind: type, line: str, file: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_format(kind, file, FRAME)
    assert caught.value.line.id == line, str(caught.value)


def test_a_format_that_keeps_its_contract_is_accepted(file: str) -> None:
    check_format(TwinFormat, file, FRAME)
