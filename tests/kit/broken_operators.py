"""A shelf of operators: some that keep their contract, and many that break it in one way each.

All are small: a count per key that goes on for ever, a count per window, a step without state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.batch import BEFORE, Batch
from thalweg.protocols.operator import Context, Output, Step
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, StateSpec

LENGTH = 10
"""How long a window is, in microseconds."""


@dataclass(frozen=True)
class TwinSpec:
    """Describes any of the operators below."""

    kind: Callable[[Any], Any]
    declared: tuple[ColumnsSpec, ...] = ()
    id: str = "twin"

    def states(self) -> Iterable[StateSpec]:
        return self.declared

    def build(self, context: Context) -> Any:
        return self.kind(context)

    def describe(self) -> str:
        return self.id


COUNTS = ColumnsSpec("counts", {"k": pl.Int64()}, {"n": ColumnSpec("int64"), "shown": ColumnSpec("int64")})
WINDOWS = ColumnsSpec(
    "windows", {"k": pl.Int64(), "end": pl.Int64()}, {"n": ColumnSpec("int64")}, partition=("k",)
)


@dataclass(frozen=True)
class Broken:
    """One broken operator, and the line that it breaks."""

    kind: Any
    line: str

    def __repr__(self) -> str:
        return str(self.kind.__name__)

    def spec(self) -> TwinSpec:
        return spec_of(self.kind)


SHELF: list[Broken] = []


def breaks(line: str) -> Callable[[type], type]:
    def add(kind: type) -> type:
        SHELF.append(Broken(kind, line))
        return kind

    return add


def spec_of(kind: Any) -> TwinSpec:
    declared = (
        (COUNTS,) if issubclass(kind, CountTwin) else (WINDOWS,) if issubclass(kind, WindowTwin) else ()
    )
    return TwinSpec(kind, declared)


# A count per key --------------------------------------------------------------------------------------


class CountTwin(Step):
    """Emits at cuts how the counts changed."""

    def __init__(self, context: Context) -> None:
        self.state = context.state("counts")
        self.rows_max = context.rows_max

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        slots = self.state.slots(batch.frame.select("k"))
        np.add.at(self.state.column("n"), slots, self.weights(batch))
        return iter(())

    def weights(self, batch: Batch) -> Any:
        return batch.weights().to_numpy()

    def on_cut(self, number: int) -> Iterator[Output]:
        live = self.state.live()
        now, shown = self.state.column("n")[live], self.state.column("shown")[live]
        changed = now != shown
        slots, now, shown = live[changed], now[changed], shown[changed]
        self.state.column("shown")[slots] = now
        keys = self.state.keys(slots)
        minus = keys.with_columns(pl.Series("n", shown)).filter(pl.Series(shown != 0))
        plus = keys.with_columns(pl.Series("n", now)).filter(pl.Series(now != 0))
        self.state.free(slots[now == 0])
        yield from self.changes(minus, plus)

    def changes(self, minus: pl.DataFrame, plus: pl.DataFrame) -> Iterator[Output]:
        weight = pl.Series([-1] * minus.height + [1] * plus.height, dtype=pl.Int64)
        if len(weight):
            yield from Batch(pl.concat([minus, plus]), weight).slices(self.rows_max)

    def on_end(self, port: int) -> Iterator[Output]:
        return self.on_cut(0)


@breaks("O3")
class KeepsCountsOnItself(CountTwin):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.counts: dict[Any, int] = {}

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        for key, weight in zip(batch.frame.get_column("k"), batch.weights(), strict=True):
            self.counts[key] = self.counts.get(key, 0) + weight
        slots = self.state.slots(batch.frame.select("k"))
        self.state.column("n")[slots] = [self.counts[k] for k in batch.frame.get_column("k")]
        return iter(())


@breaks("O4")
class HangsItsNotesOnTheState(CountTwin):
    """What is not declared does not travel with the state."""

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        notes = self.state.__dict__.setdefault("notes", {})
        for key, weight in zip(batch.frame.get_column("k"), batch.weights(), strict=True):
            notes[key] = notes.get(key, 0) + weight
        slots = self.state.slots(batch.frame.select("k"))
        self.state.column("n")[slots] = [notes[k] for k in batch.frame.get_column("k")]
        return iter(())


@breaks("O6")
class EmitsEverythingAtOnce(CountTwin):
    def changes(self, minus: pl.DataFrame, plus: pl.DataFrame) -> Iterator[Output]:
        parts = [b for b in super().changes(minus, plus) if isinstance(b, Batch)]
        if parts:
            yield Batch(pl.concat([b.frame for b in parts]), pl.concat([b.weights() for b in parts]))


@breaks("O8")
class ChangesItsInput(CountTwin):
    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        batch.frame.insert_column(0, pl.Series("seen", [True] * len(batch)))
        return super().on_batch(port, batch)


@breaks("O8")
class ChangesTheWeights(CountTwin):
    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        result = super().on_batch(port, batch)
        if batch.weight is not None:
            batch.weight[0] = 7
        return result


@breaks("O9")
class TakesNothingBack(CountTwin):
    def changes(self, minus: pl.DataFrame, plus: pl.DataFrame) -> Iterator[Output]:
        return super().changes(minus.clear(), plus)


@breaks("O9")
class OwesAfterACut(CountTwin):
    """Emits one key per cut, and the rest at the end."""

    def on_cut(self, number: int) -> Iterator[Output]:
        live = self.state.live()
        now, shown = self.state.column("n"), self.state.column("shown")
        for slot in live[now[live] != shown[live]].tolist():
            key = self.state.keys(np.array([slot]))
            minus, plus = (key.with_columns(n=pl.lit(int(c[slot]), dtype=pl.Int64)) for c in (shown, now))
            yield from self.changes(minus.filter(pl.col("n") != 0), plus.filter(pl.col("n") != 0))
            shown[slot] = now[slot]
            self.state.touch(np.array([slot]))
            if number:
                return


@breaks("O10")
class TakesBackWhatIsNotThere(CountTwin):
    def changes(self, minus: pl.DataFrame, plus: pl.DataFrame) -> Iterator[Output]:
        return super().changes(minus.with_columns(pl.col("n") + 1), plus)


@breaks("O11")
class IgnoresWeights(CountTwin):
    def weights(self, batch: Batch) -> Any:
        return 1


@breaks("O11")
class CountsAWeightOnce(CountTwin):
    def weights(self, batch: Batch) -> Any:
        return batch.weights().sign().to_numpy()


@breaks("O12")
class WeightsAreSmall(CountTwin):
    def changes(self, minus: pl.DataFrame, plus: pl.DataFrame) -> Iterator[Output]:
        for out in super().changes(minus, plus):
            assert isinstance(out, Batch)
            yield Batch(out.frame, out.weights().cast(pl.Int8))


@breaks("O13")
class CountsOneTooMany(CountTwin):
    def changes(self, minus: pl.DataFrame, plus: pl.DataFrame) -> Iterator[Output]:
        return super().changes(minus.with_columns(pl.col("n") + 1), plus.with_columns(pl.col("n") + 1))


# A count per window -----------------------------------------------------------------------------------


class WindowTwin(Step):
    """Counts rows per key and window; emits a window when the watermark reaches its end."""

    def __init__(self, context: Context) -> None:
        self.state = context.state("windows")
        self.rows_max = context.rows_max

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        end = (pl.col("t") // LENGTH + 1) * LENGTH
        frame = self.in_time(batch.frame.with_columns(end.alias("end")))
        slots = self.state.slots(frame.select("k", "end"))
        np.add.at(self.state.column("n"), slots, 1)
        return iter(())

    def in_time(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows that are not late, by what they carry themselves."""
        return frame.filter(pl.col("end") > pl.col(BEFORE).fill_null(-1))

    def on_watermark(self, time: int) -> Iterator[Output]:
        return self.close(time)

    def on_end(self, port: int) -> Iterator[Output]:
        return self.close(None)

    def close(self, until: int | None) -> Iterator[Output]:
        live = self.state.live()
        if until is not None:
            live = live[self.state.keys(live).get_column("end").to_numpy() <= until]
        if len(live):
            made = self.rows(live)
            self.state.free(live)
            yield from Batch(made).slices(self.rows_max)

    def rows(self, slots: Any) -> pl.DataFrame:
        return self.state.keys(slots).with_columns(pl.Series("n", self.state.column("n")[slots]))


@breaks("O2")
class JudgesByTheWatermarkItWasTold(WindowTwin):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.time = -1

    def on_watermark(self, time: int) -> Iterator[Output]:
        self.time = time
        return super().on_watermark(time)

    def in_time(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter(pl.col("t") >= self.time)


@breaks("O3")
class ForgetsWhatClosesFirst(WindowTwin):
    """Remembers the end of the first window, and does not find it again in the state."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.next_end: int | None = None

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        super().on_batch(port, batch)
        live = self.state.live()
        if len(batch) and len(live):
            ends = ((batch.frame.get_column("t") // LENGTH + 1) * LENGTH).to_list()
            self.next_end = min([*ends, *([] if self.next_end is None else [self.next_end])])
        return iter(())

    def on_watermark(self, time: int) -> Iterator[Output]:
        if self.next_end is None or self.next_end > time:
            return
        yield from self.close(time)
        ends = self.state.keys(self.state.live()).get_column("end").to_list()
        self.next_end = min(ends) if ends else None


@breaks("O5")
class LooksAtOtherKeys(WindowTwin):
    def rows(self, slots: Any) -> pl.DataFrame:
        return super().rows(slots).with_columns(pl.len().over("end").alias("keys"))


@breaks("O7")
class ClosesOneWatermarkLate(WindowTwin):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.before: int | None = None

    def on_watermark(self, time: int) -> Iterator[Output]:
        before, self.before = self.before, time
        return iter(()) if before is None else self.close(before)


# Without state ----------------------------------------------------------------------------------------


class PlainTwin(Step):
    """Each row three times, with a number."""

    def __init__(self, context: Context) -> None:
        self.rows_max = context.rows_max

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        rows = np.repeat(np.arange(len(batch)), 3)
        weight = None if batch.weight is None else batch.weight[rows]
        made = batch.frame[rows].with_columns(pl.Series("part", np.tile(np.arange(3), len(batch))))
        for part in Batch(made, weight).slices(self.rows_max):
            yield Batch(self.change(part.frame), part.weight)

    def change(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame


@breaks("O1")
class NumbersRowsOfABatch(PlainTwin):
    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        numbered = batch.frame.with_columns(pl.int_range(pl.len()).alias("number"))
        yield Batch(numbered, batch.weight)


@breaks("O1")
class LosesTheLastOfABatch(PlainTwin):
    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        kept = len(batch) - 1 if len(batch) > 3 else len(batch)
        return super().on_batch(port, Batch(batch.frame[:kept], batch.weights()[:kept]))


@breaks("O6")
class MakesThreeOfOne(PlainTwin):
    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        parts = [b for b in super().on_batch(port, batch) if isinstance(b, Batch)]
        yield Batch(pl.concat([b.frame for b in parts]), pl.concat([b.weights() for b in parts]))


@breaks("O14")
class WritesBehindItsState(CountTwin):
    """Counts into slots that it has looked up, and says so to nobody."""

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        known = self.state.find(batch.frame.select("k"))
        if (known < 0).any():
            return super().on_batch(port, batch)
        np.add.at(self.state.column("n"), known, self.weights(batch))
        return iter(())


@breaks("O12")
class TypesFollowTheValues(PlainTwin):
    def change(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.col("t").cast(pl.Int32) if frame.height < 3 else pl.col("t"))
