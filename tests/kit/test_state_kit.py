"""The state kit rejects every broken backend, naming the line, and accepts the one that is right.

Each broken kind is the one in memory with one method spoilt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from thalweg.columnar.cells import addresses_of
from thalweg.columnar.key_order import FLAGS, KIND, SIGNED
from thalweg.protocols.state import RowsSpec
from thalweg.state.memory import KeyedColumns
from thalweg.state.rows import Rows
from thalweg.testing import LINES, ConformanceError, check_state

SHELF: list[tuple[type, str]] = []


def breaks(line: str) -> Callable[[type], type]:
    def add(kind: type) -> type:
        SHELF.append((kind, line))
        return kind

    return add


@breaks("S1")
class GivesTwoKeysOneSlot(KeyedColumns):
    def slots(self, frame: pl.DataFrame) -> Any:
        found = super().slots(frame).copy()
        if len(found) > 1:
            found[-1] = found[0]
        return found


@breaks("S1")
class TellsEqualKeysApart(KeyedColumns):
    """Every second row of a key has a slot of its own."""

    def slots(self, frame: pl.DataFrame) -> Any:
        found = super().slots(frame).copy()
        repeated = np.ones(len(found), np.bool_)
        repeated[np.unique(found, return_index=True)[1]] = False
        found[repeated] += self.capacity
        return found


@breaks("S2")
class FindMakesSlots(KeyedColumns):
    def find(self, frame: pl.DataFrame) -> Any:
        return self.slots(frame)


@breaks("S3")
class KeepsValuesOfFreedSlots(KeyedColumns):
    def free(self, slots: Any) -> None:
        held = [column[slots] for column in self._cells]
        super().free(slots)
        for column, values in zip(self._cells, held, strict=True):
            column[slots] = values


@breaks("S4")
class ForgetsWhenItGrows(KeyedColumns):
    def slots(self, frame: pl.DataFrame) -> Any:
        before = self.capacity
        found = super().slots(frame)
        if self.capacity > before and "n" in self.spec.columns:
            self.column("n")[:] = self._layout.initials["n"]
        return found


@breaks("S4")
class ArraysAreShort(KeyedColumns):
    def column(self, name: str) -> Any:
        return super().column(name)[: self.capacity - 1]


@breaks("S5")
class ForgetsOneTooMany(KeyedColumns):
    def free(self, slots: Any) -> None:
        others = np.setdiff1d(self.live(), slots)
        super().free(np.concatenate([slots, others[:1]]))


@breaks("S5")
class ForgetsOneTooFew(KeyedColumns):
    def free(self, slots: Any) -> None:
        super().free(slots[:-1])


@breaks("S6")
class DumpLosesARow(KeyedColumns):
    def dump(self) -> pl.DataFrame:
        return super().dump()[1:] if self.spec.key else super().dump()


@breaks("S6")
class LoadForgetsText(KeyedColumns):
    def load(self, frame: pl.DataFrame) -> None:
        super().load(frame)
        if "o" in self.spec.columns:
            self.column("o")[self.live()] = self._layout.initials["o"]


@breaks("S6")
class LoadStartsAnew(KeyedColumns):
    """The second part of a dump replaces the first one."""

    def load(self, frame: pl.DataFrame) -> None:
        super().free(self.live())
        super().load(frame)


@breaks("S7")
class CompactForgets(KeyedColumns):
    def compact(self) -> None:
        super().compact()
        if "f" in self.spec.columns:
            self.column("f")[self.live()] = 0.5


@breaks("S8")
class NamesNewSlotsBackwards(KeyedColumns):
    @property
    def last_new(self) -> Any:
        return super().last_new[::-1]


@breaks("S8")
class ListsSlotsBackwards(KeyedColumns):
    def live(self) -> Any:
        return super().live()[::-1]


@breaks("S8")
class CountsSlotsThatWent(KeyedColumns):
    most = 0

    @property
    def count(self) -> int:
        self.most = max(self.most, super().count)
        return self.most


@breaks("S9")
class GivesNoMemoryBack(KeyedColumns):
    def compact(self) -> None:
        pass


@breaks("S10")
class DumpsInSlotOrder(KeyedColumns):
    def dump(self) -> pl.DataFrame:
        dump = super().dump()
        if not self.spec.key:
            return dump
        order = np.argsort(self.find(dump.select(list(self.spec.key))))
        return dump[pl.Series(order)]


@breaks("S15")
class WordsOfOtherColumns(KeyedColumns):
    def words(self, slots: Any, names: Any) -> Any:
        return super().words(slots, list(self.spec.key)[:1])


@breaks("S15")
class WordsForgetNull(KeyedColumns):
    """NULL and 0 become one."""

    def words(self, slots: Any, names: Any) -> Any:
        return super().words(slots, names)[:, : len(names)]


@breaks("S15")
class WordsAreNotTheNumbers(KeyedColumns):
    def words(self, slots: Any, names: Any) -> Any:
        return super().words(slots, names) + 1


@breaks("S16")
class AddressesOfACopy(KeyedColumns):
    @property
    def addresses(self) -> Any:
        if not hasattr(self, "_copy"):
            self._copy = [c.copy() for c in self._cells]
        return addresses_of(self._copy)


@breaks("S16")
class AddressesInAnotherOrder(KeyedColumns):
    @property
    def addresses(self) -> Any:
        return super().addresses[::-1].copy()


@breaks("S17")
class SlotsOfWordsForgetNull(KeyedColumns):
    def slots(self, frame: pl.DataFrame) -> Any:
        return super().slots_of(self._codec.encode(frame))

    def slots_of(self, words: Any) -> Any:
        return super().slots_of(words[:, : len(self.spec.key)])


@breaks("S18")
class OrderForgetsNull(KeyedColumns):
    """NULL is held for the value that its word has."""

    def order(self, order: Any) -> Any:
        made = super().order(order)
        made.columns[:, FLAGS] = -1
        return made


@breaks("S18")
class OrderOfBits(KeyedColumns):
    """Whatever words mean, they are compared as numbers with a sign."""

    def order(self, order: Any) -> Any:
        made = super().order(order)
        made.columns[:, KIND] = SIGNED
        return made


@breaks("S23")
class AddsUnderOneSlot(KeyedColumns):
    def add(self, frame: pl.DataFrame) -> Any:
        return super().add(frame)[:1].repeat(frame.height)


@breaks("S19")
class FreesWithoutAWord(KeyedColumns):
    def free(self, slots: Any) -> None:
        marks, self._marks = self._marks, None
        super().free(slots)
        self._marks = marks


@breaks("S19")
class KnowsNoTouch(KeyedColumns):
    def touch(self, slots: Any) -> None:
        pass


@breaks("S19")
class NotesOnlyNewKeys(KeyedColumns):
    def slots_of(self, words: Any) -> Any:
        marks, self._marks = self._marks, None
        slots = super().slots_of(words)
        self._marks = marks
        if marks is not None:
            marks.grow(self.capacity)
            marks.touch(self.last_new)
        return slots


@breaks("S20")
class GivesAllAgain(KeyedColumns):
    def changes(self) -> pl.DataFrame:
        self.touch(self.live())
        return super().changes()


@breaks("S20")
class LooksLikeAChange(KeyedColumns):
    def find(self, frame: pl.DataFrame) -> Any:
        found = super().find(frame)
        self.touch(found[found >= 0])
        return found


@breaks("S22")
class ReadsInOnePart(KeyedColumns):
    def read(self, keys: pl.DataFrame | None, rows_max: int) -> Any:
        return super().read(keys, 1 << 20)


@breaks("S22")
class ReadsKeysThatAreNotWanted(KeyedColumns):
    def read(self, keys: pl.DataFrame | None, rows_max: int) -> Any:
        return super().read(None if keys is not None and keys.height > 1 else keys, rows_max)


@breaks("S20")
class ReadingIsAChange(KeyedColumns):
    def read(self, keys: pl.DataFrame | None, rows_max: int) -> Any:
        self.touch(self.live())
        return super().read(keys, rows_max)


# Row stores --------------------------------------------------------------------------------------


@breaks("S11")
class GroupsAsTheyCame(Rows):
    def groups(self) -> list[int]:
        return list(self._groups)


@breaks("S13")
class TakeLeavesAnEmptyGroup(Rows):
    def take(self, group: int) -> pl.DataFrame:
        taken = super().take(group)
        self._groups[group] = [taken.clear()]
        return taken


@breaks("S12")
class KeepsEqualRowsOnce(Rows):
    def rows(self, group: int) -> pl.DataFrame:
        return super().rows(group).with_columns(pl.col("id") // 4).unique()


@breaks("S12")
class ReadingTakes(Rows):
    def rows(self, group: int) -> pl.DataFrame:
        found = super().rows(group)
        self._groups.pop(group, None)
        return found


@breaks("S13")
class TakesARowTooFew(Rows):
    def take(self, group: int) -> pl.DataFrame:
        return super().take(group)[1:]


@breaks("S13")
class TakesTheNextGroupToo(Rows):
    def take(self, group: int) -> pl.DataFrame:
        found = super().take(group)
        if self._groups:
            self._groups.pop(self.groups()[0])
        return found


@breaks("S14")
class GivesWhatItHolds(Rows):
    def rows(self, group: int) -> pl.DataFrame:
        super().rows(group)
        parts = self._groups.get(group)
        return self._schema.to_frame() if parts is None else parts[0]


@breaks("S6")
class DumpForgetsAGroup(Rows):
    def dump(self) -> pl.DataFrame:
        last = self.groups()[-1:]
        return super().dump().filter(~pl.col("at").is_in(last))


@breaks("S19")
class TakesWithoutAWord(Rows):
    def take(self, group: int) -> pl.DataFrame:
        self._known.discard(group)
        return super().take(group)


@breaks("S19")
class ForgetsGroupsThatComeAgain(Rows):
    """What came for a group that has gone in between is not in the increment."""

    def changes(self) -> pl.DataFrame:
        for group in self._gone:
            assert self._fresh is not None
            self._fresh.pop(group, None)
        return super().changes()


@breaks("S20")
class GivesRowsAgain(Rows):
    def changes(self) -> pl.DataFrame:
        found = super().changes()
        self._fresh = {g: list(parts) for g, parts in self._groups.items()}
        return found


@breaks("S22")
class ReadForgetsAGroup(Rows):
    def read(self, keys: pl.DataFrame | None, rows_max: int) -> Any:
        last = self.groups()[-1:]
        return (part.filter(~pl.col("at").is_in(last)) for part in super().read(keys, rows_max))


@breaks("S7")
class CompactDropsSmallGroups(Rows):
    def compact(self) -> None:
        self._groups = {g: parts for g, parts in self._groups.items() if self.rows(g).height > 1}


def factory(kind: type) -> Callable[[Any], Any]:
    """A backend of which one kind is broken."""
    other: type = KeyedColumns if issubclass(kind, Rows) else Rows
    rows, columns = (kind, other) if issubclass(kind, Rows) else (other, kind)
    return lambda spec: rows(spec) if isinstance(spec, RowsSpec) else columns(spec)


@pytest.mark.parametrize(("kind", "line"), SHELF, ids=[k.__name__ for k, _ in SHELF])
def test_a_broken_backend_is_rejected(kind: type, line: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_state(factory(kind))
    assert caught.value.line.id == line, str(caught.value)


def test_every_line_has_a_broken_backend() -> None:
    assert {line for _, line in SHELF} == {line for line in LINES if line[0] == "S"}


def test_only_the_kinds_asked_for_are_looked_at() -> None:
    check_state(factory(GroupsAsTheyCame), ["columns"])
    check_state(factory(GivesTwoKeysOneSlot), ["rows"])
