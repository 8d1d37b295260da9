"""Add the sinks of dead letters to a job: for rows that cannot be read, are late, or that functions fail on.

They are sinks like any other, so that a letter is published with the checkpoint that covers its row, and
neither lost nor repeated by a crash.

Reads:    the clock, for the time at which a late row was kept apart.
Not here: what a letter says (protocols/letters.py), who finds rows that cannot be read (runtime/,
          reading.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from thalweg.base.types import TIMESTAMP
from thalweg.columnar.spelled import json_rows
from thalweg.connectors.files.sink import FileSink
from thalweg.plan.asynchronous import MapAsync
from thalweg.plan.late import Behind
from thalweg.plan.lookup import LookupJoin
from thalweg.plan.nodes import (
    WINDOW_END,
    WINDOW_START,
    BadRows,
    FrameFunction,
    Join,
    Late,
    MapBatches,
    Plan,
    Scan,
    SessionWindow,
    Window,
    Write,
)
from thalweg.plan.over import Over
from thalweg.plan.process import Failed, MissedRows, Process, late_of_process
from thalweg.plan.properties import late_of_join, properties
from thalweg.protocols.letters import FAILED, LATE, LETTERS, letter_id
from thalweg.protocols.sink import Sink
from thalweg.protocols.source import Source

LetterBox = str | os.PathLike[str] | Sink
"""Where dead letters go: a directory, or any sink that takes their columns."""
_PLACE = ("split", "position")
_BOUNDS = (WINDOW_START, WINDOW_END)


def letter_sink(target: LetterBox, source: Source) -> Sink:
    """The sink of a directory, whose files are JSON lines; another sink is taken as it is."""
    if isinstance(target, (str, os.PathLike)):
        return FileSink(os.fspath(target), "json", is_bounded=source.is_bounded)
    return target


def with_letters(writes: Sequence[Write], *, late: bool, failed: bool = False) -> list[Write]:
    """The sinks of a job, with those of its dead letters.

    Args:
        writes: the sinks.
        late: whether rows that come too late for a step go there too.
        failed: whether rows that a function fails on do.
    """
    scans = dict.fromkeys(s for w in writes for s in _scans(w))
    made = [Write(BadRows(s, is_whole=True), s.letters) for s in scans if s.letters is not None]
    if late:
        steps = dict.fromkeys(step for w in writes for step in _late_steps(w))
        made += [Write(_letters_of(s), box) for s in steps if (box := _box(s.rows)) is not None]
    if failed:
        functions = dict.fromkeys(p for w in writes for p in _functions(w))
        made += [Write(_letters_of_failed(p), box) for p in functions if (box := _box(p)) is not None]
    there = {(w.input, w.sink) for w in writes}
    return [*writes, *(w for w in made if (w.input, w.sink) not in there)]


@dataclass(frozen=True)
class _LateStep:
    """The rows that are late for a step, and which of their columns is event time."""

    rows: Plan
    time: str
    name: str


def _late_steps(plan: Plan) -> Iterator[_LateStep]:
    if isinstance(plan, (Window, SessionWindow)):
        yield _LateStep(Late(plan), plan.column, plan.describe())
    elif isinstance(plan, Join):
        sides = (late_of_join(plan, port) for port in (0, 1))
        yield from (_LateStep(s, s.column, plan.describe()) for s in sides if isinstance(s, Behind))
    elif isinstance(plan, Over) and plan.order in properties(plan.input).times:
        late = Behind(plan.input, plan.order, properties(plan.input).times[plan.order])
        yield _LateStep(late, plan.order, plan.describe())
    elif isinstance(plan, Process):
        late_rows = (late_of_process(plan, port) for port in range(len(plan.parts)))
        for rows, by in zip(late_rows, plan.by, strict=True):
            if isinstance(rows, (Behind, MissedRows)) and by.time is not None:
                yield _LateStep(rows, by.time, plan.describe())
    for below in plan.inputs:
        yield from _late_steps(below)


def _functions(plan: Plan) -> Iterator[Process | MapAsync]:
    """The functions whose rows can be kept apart when they fail."""
    if isinstance(plan, Process) or (isinstance(plan, MapAsync) and not properties(plan.input).is_updating):
        yield plan
    for below in plan.inputs:
        yield from _functions(below)


def _box(plan: Plan) -> Sink | None:
    """Where the dead letters of the rows of a plan go: where its first source says."""
    return next((s.letters for s in _scans(plan) if s.letters is not None), None)


def _letters_of(step: _LateStep) -> Plan:
    sources = {s.source.describe() for s in _scans(step.rows)}
    # of several, a row does not say which one it came from; its split does
    source = sources.pop() if len(sources) == 1 else None
    made = _LateLetters(step.time, step.name, source)
    return MapBatches(step.rows, FrameFunction(f"late letters of {step.name}", made), LETTERS)


def _letters_of_failed(step: Process | MapAsync) -> Plan:
    sources = {s.source.describe() for s in _scans(step)}
    made = _FailedLetters(step.describe(), sources.pop() if len(sources) == 1 else None)
    return MapBatches(Failed(step), FrameFunction(f"failed letters of {step.describe()}", made), LETTERS)


@dataclass(frozen=True)
class _FailedLetters:
    """Makes dead letters of rows that a function has failed on."""

    step: str
    source: str | None

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        raws = [text.encode() for text in frame["row"].to_list()]
        places = zip(frame["split"], frame["position"], frame["code"], raws, strict=True)
        ids = [letter_id(self.source, FAILED, self.step, *p) for p in places]
        at = pl.when(pl.col("place").is_not_null()).then(pl.format(" (at {})", "place")).otherwise(pl.lit(""))
        told = {"reason": FAILED, "source": self.source, "unit": "row", "step": self.step, "form": "row"}
        made = frame.with_columns(
            pl.Series("id", ids, pl.String),
            *(pl.lit(value, dtype=pl.String).alias(name) for name, value in told.items()),
            pl.lit(None, dtype=pl.Int64).alias("byte"),
            pl.concat_str("error", at).alias("error"),
            pl.lit(time.time_ns() // 1000).cast(pl.Datetime("us", "UTC")).alias("quarantined_at"),
            pl.lit(True).alias("is_whole"),
            pl.Series("raw", raws, pl.Binary),
            pl.lit(None, dtype=pl.Binary).alias("header"),
            pl.col("row").str.slice(0, 200).alias("sample"),
        )
        return made.select(LETTERS.names).cast(LETTERS.polars)


@dataclass(frozen=True)
class _LateLetters:
    """Makes dead letters of late rows."""

    time: str
    step: str
    source: str | None

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        rows = frame.drop(*_PLACE, *(n for n in _BOUNDS if n in frame.columns))
        raws = [line.encode() for line in json_rows(rows)]
        bounds = (
            [str(row) for row in frame.select(pl.col(*_BOUNDS)).rows()] if self._has_bounds(frame) else []
        )
        tells = [*bounds, *[""] * (frame.height - len(bounds))]
        places = zip(frame["split"], frame["position"], tells, raws, strict=True)
        made = frame.select(
            pl.Series("id", [letter_id(self.source, LATE, self.step, *p) for p in places], pl.String),
            pl.lit(LATE).alias("reason"),
            pl.lit(self.source, dtype=pl.String).alias("source"),
            pl.col("split"),
            pl.col("position"),
            pl.lit("row").alias("unit"),
            pl.lit(None, dtype=pl.Int64).alias("byte"),
            pl.lit(self.step).alias("step"),
            pl.lit("data-late").alias("code"),
            self._message(frame).alias("error"),
            _event_time(frame, self.time).alias("event_time"),
            pl.lit(time.time_ns() // 1000).cast(pl.Datetime("us", "UTC")).alias("quarantined_at"),
            pl.lit("row").alias("form"),
            pl.lit(True).alias("is_whole"),
            pl.Series("raw", raws, pl.Binary),
            pl.lit(None, dtype=pl.Binary).alias("header"),
            pl.Series("sample", [raw.decode()[:200] for raw in raws], pl.String),
        )
        return made.cast(LETTERS.polars)

    @staticmethod
    def _has_bounds(frame: pl.DataFrame) -> bool:
        return WINDOW_START in frame.columns

    def _message(self, frame: pl.DataFrame) -> pl.Expr:
        if not self._has_bounds(frame):
            return pl.lit("the watermark had passed the row")
        start, end = (pl.col(n).dt.to_string("%Y-%m-%d %H:%M:%S%.6f") for n in _BOUNDS)
        return pl.format("the window [{}, {}) had closed", start, end)


def _event_time(frame: pl.DataFrame, name: str) -> pl.Expr:
    held = frame.schema[name]
    value = pl.col(name)
    plain = value.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if _has_zone(held) else value
    return plain.cast(TIMESTAMP.polars)


def _has_zone(held: pl.DataType) -> bool:
    return isinstance(held, pl.Datetime) and held.time_zone is not None


def _scans(plan: Plan) -> Iterator[Scan]:
    """What a plan reads; tables that rows are looked up in are not read but asked."""
    if isinstance(plan, Scan):
        yield plan
    for below in plan.inputs[:1] if isinstance(plan, LookupJoin) else plan.inputs:
        yield from _scans(below)


__all__ = ["LetterBox", "letter_sink", "with_letters"]
