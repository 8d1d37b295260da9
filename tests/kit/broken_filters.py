"""A shelf of sources that take conditions over: one that keeps its contract, and some that break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl

from tests.kit.broken_sources import FRAMES, Broken
from tests.rules.parted import PartedSource
from thalweg.connectors.frames import FrameReader
from thalweg.protocols.conditions import AnyOf, Comparison, Conditions
from thalweg.protocols.source import Fields, Position, Split

SHELF: list[Broken] = []


class FilteringTwin(PartedSource):
    """Takes conditions over as it should."""

    def __init__(self, frames: Any = FRAMES, *how: Any) -> None:
        super().__init__(frames, *how)

    def filtered(self, conditions: Conditions) -> FilteringTwin:
        return type(self)(self.frames, self.name, conditions)


def breaks(line: str) -> Callable[[type], type]:
    """Put a source that takes conditions over on the shelf."""

    def add(broken: type) -> type:
        SHELF.append(Broken(broken, line))
        return broken

    return add


@breaks("C1")
class TakesMoreThanItWasGiven(FilteringTwin):
    def taken(self, conditions: Conditions) -> Conditions:
        return (*conditions, Comparison(("id",), ">", (3,)))


@breaks("C1")
class TakesAnotherCondition(FilteringTwin):
    def taken(self, conditions: Conditions) -> Conditions:
        return tuple(Comparison(("id",), "is_null") for _ in super().taken(conditions))


@breaks("C2")
class LeavesOutTheBound(FilteringTwin):
    """Takes `<=` for `<`."""

    def may_hold(self, part: pl.DataFrame) -> bool:
        told = [c for c in self.conditions if isinstance(c, Comparison)]
        told = [replace(c, operator="<") if c.operator == "<=" else c for c in told]
        return PartedSource(self.frames, conditions=tuple(told)).may_hold(part)


@breaks("C2")
class ForgetsNulls(FilteringTwin):
    def may_hold(self, part: pl.DataFrame) -> bool:
        wanted = [getattr(c, "operator", "") for c in self.conditions]
        return "is_null" not in wanted and super().may_hold(part)


@breaks("C2")
class TakesOneCaseForAll(FilteringTwin):
    def may_hold(self, part: pl.DataFrame) -> bool:
        told = [c.cases[0] if isinstance(c, AnyOf) else (c,) for c in self.conditions]
        return PartedSource(self.frames, conditions=sum(told, ())).may_hold(part)


@breaks("C2")
class CountsWhatIsLeft(FilteringTwin):
    """The rows behind those left out move up."""

    def open(self, split: Split, position: Position, fields: Fields | None) -> Any:
        if not self.conditions:
            return super().open(split, position, fields)
        frame = self.frames[int(split.data["frame"])]
        parts = [frame[n : n + self.part_rows] for n in range(0, frame.height, self.part_rows)]
        kept = pl.concat([frame[:0], *(p for p in parts if self.may_hold(p))])
        return FrameReader(lambda row: iter([kept[row:]]), position)


@breaks("C2")
class LeavesOutMoreAsAPlan(FilteringTwin):
    def lazy(self, fields: Fields | None) -> pl.LazyFrame:
        rows = super().lazy(fields)
        return rows.slice(0, 5) if self.conditions else rows
