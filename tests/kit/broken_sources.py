"""A shelf of sources: one that keeps its contract, and many that break it in one way each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

import polars as pl

from thalweg.base.schema import Schema
from thalweg.connectors.files.select import expressions, pruned
from thalweg.protocols.source import BadRow, Chunk, Fields, Position, Split

FRAME = pl.DataFrame(
    {
        "id": range(9),
        "name": ["a", None, "c", "d", "e", "f", "g", "h", "i"],
        "pair": [*({"x": i, "y": str(i)} for i in range(8)), None],
    }
)
FRAMES = (FRAME, FRAME[:3].with_columns(pl.col("id") + 100))
EXPECTED = pl.concat(FRAMES)


class TwinReader:
    """Reads a frame as it should be read."""

    def __init__(
        self, source: TwinSource, frame: pl.DataFrame, position: Position, fields: Fields | None
    ) -> None:
        self.source = source
        self.frame = frame.select(expressions(pruned(source.schema, fields), frame.schema))
        self.row = self.start = int(position.get("row", 0))

    @property
    def position(self) -> Position:
        return {"row": self.row}

    def read(self, rows_max: int) -> Chunk:
        first, part = self.row, self.frame[self.row : self.row + rows_max]
        self.row += part.height
        return Chunk(part if part.height else None, first, ended=self.row >= self.frame.height)

    def close(self) -> None:
        pass


class TwinSource:
    """Two frames, each a split."""

    reader: Callable[..., Any] = TwinReader
    is_bounded, is_ordered, is_live, replay = True, False, False, "exact"
    schema = Schema.from_polars(dict(FRAME.schema))

    def describe(self) -> str:
        return type(self).__name__

    def splits(self) -> list[Split]:
        return [Split(str(n), {"frame": n}) for n in range(len(FRAMES))]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Any:
        return self.reader(self, FRAMES[int(split.data["frame"])], position, fields)

    def lazy(self, fields: Fields | None) -> pl.LazyFrame:
        return EXPECTED.lazy().select(expressions(pruned(self.schema, fields), EXPECTED.schema))


@dataclass(frozen=True)
class Broken:
    """One plug-in that is broken, and the line that it breaks."""

    make: Callable[[], Any]
    line: str

    def __repr__(self) -> str:
        return getattr(self.make, "__name__", "plug-in")


SHELF: list[Broken] = []


def breaks(line: str) -> Callable[[type], type]:
    """Put a reader, or a whole source, on the shelf."""

    def add(broken: type) -> type:
        whole = broken if issubclass(broken, TwinSource) else None
        made = whole or type(broken.__name__, (TwinSource,), {"reader": broken})
        SHELF.append(Broken(made, line))
        return broken

    return add


# Readers -----------------------------------------------------------------------------------------


@breaks("R1")
class OtherOrderEachTime(TwinReader):
    opened = count()

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if next(self.opened) % 2:
            self.frame = self.frame.reverse()


@breaks("R1")
class LosesARowInSmallReads(TwinReader):
    def read(self, rows_max: int) -> Chunk:
        chunk = super().read(rows_max)
        if rows_max < 7 and self.row == 4 and self.start == 0:
            self.row += 1
        return chunk


@breaks("R2")
class LosesARowOnRestart(TwinReader):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.row += self.row > 0


@breaks("R2")
class RepeatsARowOnRestart(TwinReader):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.row -= self.row > 0


@breaks("R2")
class CountsFromZeroAfterRestart(TwinReader):
    def read(self, rows_max: int) -> Chunk:
        chunk = super().read(rows_max)
        return Chunk(chunk.frame, chunk.offset - self.start, ended=chunk.ended)


@breaks("R2")
class ForgetsARestart(TwinReader):
    """Right after one restart, and wrong after two: its position counts from where it was opened."""

    def __init__(
        self, source: TwinSource, frame: pl.DataFrame, position: Position, fields: Fields | None
    ) -> None:
        super().__init__(source, frame, position, fields)
        self.row = int(position.get("row", 0)) + int(position.get("more", 0)) * (position.get("row", 0) == 0)
        self.start = self.row

    @property
    def position(self) -> Position:
        return {"row": self.start, "more": self.row - self.start}


@breaks("R3")
class GivesOneTooMany(TwinReader):
    def read(self, rows_max: int) -> Chunk:
        return super().read(rows_max + 1)


@breaks("R3")
class GivesRowsAfterTheEnd(TwinReader):
    is_over = False

    def read(self, rows_max: int) -> Chunk:
        if self.is_over:
            return Chunk(self.frame[-1:], self.row, ended=True)
        chunk = super().read(rows_max)
        self.is_over = chunk.ended
        return chunk


@breaks("R3")
class GivesEmptyFrames(TwinReader):
    def read(self, rows_max: int) -> Chunk:
        if self.row == self.frame.height:
            return Chunk(self.frame.clear(), self.row, ended=True)
        chunk = super().read(rows_max)
        return Chunk(chunk.frame, chunk.offset)


@breaks("R4")
class AdvancesByItself(TwinReader):
    looked = 0

    @property
    def position(self) -> Position:
        self.looked += 1
        return {"row": self.row, "looked": self.looked}


@breaks("R4")
class SharesItsPlace(TwinReader):
    """All readers of a source stand at one place."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.source.place = self.row

    @property
    def position(self) -> Position:
        return {"row": self.source.place}

    def read(self, rows_max: int) -> Chunk:
        chunk = super().read(rows_max)
        self.source.place = self.row
        return chunk


@breaks("R5")
class IgnoresColumnsAskedFor(TwinReader):
    def __init__(
        self, source: TwinSource, frame: pl.DataFrame, position: Position, fields: Fields | None
    ) -> None:
        super().__init__(source, frame, position, None)


@breaks("R5")
class IgnoresMembersAskedFor(TwinReader):
    def __init__(
        self, source: TwinSource, frame: pl.DataFrame, position: Position, fields: Fields | None
    ) -> None:
        super().__init__(source, frame, position, fields and [(name, None) for name, _ in fields])


@breaks("R5")
class KeepsItsOwnOrder(TwinReader):
    def __init__(
        self, source: TwinSource, frame: pl.DataFrame, position: Position, fields: Fields | None
    ) -> None:
        order = list(source.schema.names)
        super().__init__(source, frame, position, fields and sorted(fields, key=lambda f: order.index(f[0])))


@breaks("R5")
class GivesAnotherType(TwinReader):
    def read(self, rows_max: int) -> Chunk:
        chunk = super().read(rows_max)
        frame = None if chunk.frame is None else chunk.frame.cast({pl.Int64: pl.Int32})
        return Chunk(frame, chunk.offset, ended=chunk.ended)


@breaks("R5")
class MixesColumnsUp(TwinReader):
    """Gives the values of another column, under the right name and type, if only some are wanted."""

    def read(self, rows_max: int) -> Chunk:
        chunk = super().read(rows_max)
        if chunk.frame is None or chunk.frame.columns != ["id"]:
            return chunk
        return Chunk(chunk.frame.select(pl.col("id") * 2), chunk.offset, ended=chunk.ended)


@breaks("R6")
class DropsARow(TwinReader):
    """A row without a name is not given, and not reported."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if "name" in self.frame.columns:
            self.frame = self.frame.filter(pl.col("name").is_not_null())
        else:
            self.frame = pl.concat([self.frame[:1], self.frame[2:]])


@breaks("R7")
class GivesItsOwnPosition(TwinReader):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.held = {"row": self.row}

    @property
    def position(self) -> Position:
        return self.held

    def read(self, rows_max: int) -> Chunk:
        chunk = super().read(rows_max)
        self.held["row"] = self.row
        return chunk


@breaks("R7")
class PositionIsNoJson(TwinReader):
    @property
    def position(self) -> Position:
        return {"row": self.row, "since": datetime(2024, 1, 1)}


@breaks("R7")
class PositionHasNumbersForKeys(TwinReader):
    @property
    def position(self) -> Position:
        return {"row": self.row, 0: self.row}  # type: ignore[dict-item]


@breaks("R8")
class ClosesOnce(TwinReader):
    is_closed = False

    def close(self) -> None:
        if self.is_closed:
            raise ValueError("closed already")
        self.is_closed = True


@breaks("R8")
class ClosesTheOthers(TwinReader):
    """What is closed is the source's."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.source.is_closed = False

    def read(self, rows_max: int) -> Chunk:
        if self.source.is_closed:
            raise ValueError("the file is closed")
        return super().read(rows_max)

    def close(self) -> None:
        self.source.is_closed = True


@breaks("R9")
class SaysNoOffsets(TwinReader):
    def read(self, rows_max: int) -> Chunk:
        chunk = super().read(rows_max)
        return Chunk(chunk.frame, ended=chunk.ended)


@breaks("R9")
class BadRowTakesAPlace(TwinReader):
    def read(self, rows_max: int) -> Chunk:
        chunk = super().read(rows_max)
        bad = (BadRow(chunk.offset, "not a row", ""),) if chunk.frame is not None else ()
        return Chunk(chunk.frame, chunk.offset, bad=bad, ended=chunk.ended)


@breaks("D3")
class NeverSaysThatItEnded(TwinReader):
    def read(self, rows_max: int) -> Chunk:
        chunk = super().read(rows_max)
        return Chunk(chunk.frame, chunk.offset, wait=0.001)


# Sources -----------------------------------------------------------------------------------------


@breaks("D1")
class NamesSplitsAlike(TwinSource):
    def splits(self) -> list[Split]:
        return [Split("frame", {"frame": n}) for n in range(len(FRAMES))]


@breaks("D1")
class NamesSplitsAnew(TwinSource):
    listed = count()

    def splits(self) -> list[Split]:
        return [Split(f"{next(self.listed)}", {"frame": n}) for n in range(len(FRAMES))]


@breaks("D2")
class SplitHoldsAnObject(TwinSource):
    def splits(self) -> list[Split]:
        return [Split(str(n), {"frame": n, "data": frame}) for n, frame in enumerate(FRAMES)]


@breaks("L1")
class LazyForgetsASplit(TwinSource):
    def lazy(self, fields: Fields | None) -> pl.LazyFrame:
        return super().lazy(fields).head(FRAME.height)


@breaks("L1")
class LazyIgnoresMembers(TwinSource):
    def lazy(self, fields: Fields | None) -> pl.LazyFrame:
        return super().lazy(fields and [(name, None) for name, _ in fields])


# Twins that keep the contract in other ways ----------------------------------------------------------


class BadRowsReader(TwinReader):
    """Every row whose number is 2 more than a multiple of 4 cannot be read; reads are small at times."""

    def read(self, rows_max: int) -> Chunk:
        first, part = self.row, self.frame[self.row : self.row + min(rows_max, 5)]
        self.row += part.height
        numbers = pl.int_range(first, first + part.height, eager=True)
        bad = tuple(BadRow(n, "cannot be read", "?") for n in numbers.filter(numbers % 4 == 2))
        kept = part.filter(numbers % 4 != 2)
        frame = kept if kept.height else None
        offsets = numbers.filter(numbers % 4 != 2)
        return Chunk(frame, first, offsets, bad, ended=self.row >= self.frame.height)


class BadRowsSource(TwinSource):
    reader = BadRowsReader
    expected = pl.concat([FRAMES[0].filter(pl.col("id") % 4 != 2), FRAMES[1][:2]])


class SlowReader(TwinReader):
    """Has nothing at first, and says that it ended only when asked once more."""

    asked = 0

    def read(self, rows_max: int) -> Chunk:
        self.asked += 1
        if self.asked % 2:
            return Chunk(None, self.row, wait=0.0)
        if self.row == self.frame.height:
            return Chunk(None, self.row, ended=True)
        chunk = super().read(rows_max)
        return Chunk(chunk.frame, chunk.offset)


class SlowSource(TwinSource):
    reader = SlowReader


class EndlessReader(TwinReader):
    """The frame again and again."""

    def read(self, rows_max: int) -> Chunk:
        numbers = pl.int_range(self.row, self.row + rows_max, eager=True)
        self.row += rows_max
        return Chunk(self.frame[numbers % self.frame.height], self.row - rows_max)


class EndlessSource(TwinSource):
    reader = EndlessReader
    is_bounded = False
