"""A session for tests of the fluent API: runs plans inline, and remembers what was written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from thalweg.api.dataset import Dataset
from thalweg.api.frames import to_frame
from thalweg.base.schema import Schema
from thalweg.connectors.memory import MemorySink, frame_source
from thalweg.plan.nodes import Plan, Scan, Write
from thalweg.protocols.sink import Sink
from thalweg.protocols.source import Fields, Position, Reader, Replay, Split
from thalweg.runtime.options import RunOptions
from thalweg.session.execute import Execution, execute
from thalweg.session.functions import Functions


@dataclass
class FakeSession(Functions):
    """Computes with the real engine, and only notes sinks down."""

    mode: str = "batch"
    rows_max: int = 3
    may_broadcast: bool = True
    runs: int = 0
    written: list[tuple[Any, ...]] = field(default_factory=list)

    def collect(self, plan: Plan, /, *, mode: str | None = None, lateness: str | None = None) -> pl.DataFrame:
        assert lateness is None, "tests of lateness use a real session"
        self.runs += 1
        sink = MemorySink(is_parallel=False)
        options = RunOptions(runtime="inline", rows_max=self.rows_max)
        execute([Write(plan, sink)], Execution(mode=mode or self.mode, options=options))  # type: ignore[arg-type]
        return sink.table()

    def peek(self, plan: Plan, rows: int, seconds: float, /) -> pl.DataFrame:
        self.written.append(("peek", rows, seconds))
        return self.collect(plan).head(rows)

    def write(self, plan: Plan, target: str, format: str, changelog: str | None, /, **options: Any) -> None:
        self.written.append((plan, target, format, changelog, *options.items()))

    def write_sqlite(self, plan: Plan, path: str, table: str) -> None:
        self.written.append((plan, path, "sqlite", table))

    def write_sink(self, plan: Plan, sink: Sink, changelog: str | None, /) -> None:
        self.written.append((plan, sink, changelog))

    def write_callback(
        self,
        plan: Plan,
        function: Callable[[pl.DataFrame], object],
        changes: bool,
        /,
        *,
        idempotent: bool = False,
    ) -> None:
        self.written.append((plan, function, changes, *(["idempotent"] if idempotent else [])))

    def show(self, plan: Plan, rows: int, /) -> None:
        self.written.append(("show", plan, rows))

    def explain(self, plan: Plan, /, *, state: bool = False) -> str:
        return plan.describe()

    def from_frame(self, obj: Any, /) -> Dataset:
        return dataset(obj, self)


def dataset(obj: Any, session: FakeSession | None = None) -> Dataset:
    """A dataset of rows in memory; a list of frames becomes several splits."""
    frames = obj if isinstance(obj, list) and obj and isinstance(obj[0], pl.DataFrame) else to_frame(obj)
    return Dataset(Scan(frame_source(frames)), session or FakeSession())


@dataclass(frozen=True)
class EndlessSource:
    """A source that only has a schema, and never ends."""

    schema: Schema
    is_bounded: bool = False
    is_ordered: bool = False
    is_live: bool = True
    replay: Replay = "none"

    def describe(self) -> str:
        return "endless"

    def splits(self) -> Sequence[Split]:
        return []

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        raise AssertionError("nobody reads it")


def at(second: float) -> datetime:
    """A time so many seconds after an arbitrary hour."""
    return datetime.fromtimestamp(1_700_000_000 + second, UTC).replace(tzinfo=None)
