"""Stand in for live sources: rows that come at set times of a clock that the test moves.

Not here: what is expected of the runs (the tests beside this file).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from thalweg.base.schema import Schema
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.connectors.memory import MemorySink
from thalweg.expr.nodes import Aggregate, Column, Named
from thalweg.physical.planner import plan_job
from thalweg.plan import build
from thalweg.plan.nodes import WINDOW_END, WINDOW_START, Plan, Scan, Write
from thalweg.progress.windows import WindowSpec
from thalweg.protocols.source import Chunk, Fields, Position, Reader, Split
from thalweg.runtime.options import RunOptions
from thalweg.runtime.run import Run

SECOND = 1_000_000
SCHEMA = Schema.from_polars({"t": pl.Datetime("us")})
Script = Mapping[str, Sequence[tuple[float, Sequence[int]]]]
"""For each split what comes when: the clock's time, and the event times in seconds."""


@dataclass
class Clock:
    """Seconds that pass only when a test says so."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, eq=False)
class LiveSource:
    """A source that never ends, and may find splits later.

    Attributes:
        script: the rows of each split; one that begins with `+` and a time is found only then.
        interval: how often to look for splits; None: all are known.
    """

    script: Script = field(repr=False)
    clock: Clock = field(repr=False)
    name: str = "live"
    interval: float | None = None
    is_bounded: bool = False
    is_ordered: bool = False
    is_live: bool = True
    replay: str = "exact"

    @property
    def schema(self) -> Schema:
        return SCHEMA

    def describe(self) -> str:
        return self.name

    def splits(self) -> list[Split]:
        found = [(float(n.split("+")[1]) if "+" in n else 0.0, n) for n in self.script]
        return [Split(name) for at, name in found if at <= self.clock()]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        del fields
        return _LiveReader(self.script[split.id], int(position.get("next", 0)), self.clock, "+" in split.id)


class _LiveReader:
    def __init__(
        self, script: Sequence[tuple[float, Sequence[int]]], start: int, clock: Clock, ends: bool
    ) -> None:
        self._script, self._next, self._clock, self._ends = script, start, clock, ends
        self._row = sum(len(times) for _, times in script[:start])

    @property
    def position(self) -> Position:
        return {"next": self._next}

    def read(self, rows_max: int) -> Chunk:
        del rows_max
        if self._next == len(self._script) or self._script[self._next][0] > self._clock():
            return Chunk(None, wait=0.0, ended=self._ends and self._next == len(self._script))
        times, start = self._script[self._next][1], self._row
        self._next, self._row = self._next + 1, self._row + len(times)
        return Chunk(pl.DataFrame({"t": [t * SECOND for t in times]}, schema=SCHEMA.polars), start)

    def close(self) -> None:
        pass


def counted(*sources: LiveSource) -> Plan:
    """How many rows fall into each ten seconds, over all sources."""
    scans = [build.assign_watermark(Scan(s), "t", Column("t")) for s in sources]
    rows = build.window(build.union_all(scans), "t", WindowSpec.tumbling(10 * SECOND))
    bounds = [Named(n, Column(n)) for n in (WINDOW_START, WINDOW_END)]
    return build.group_by(rows, bounds, [*bounds, Named("n", Aggregate("count"))])


@dataclass
class Watched:
    """A run that a test looks at while its clock goes on."""

    run: Run
    sinks: list[MemorySink]
    clock: Clock

    def until(self, seconds: float) -> None:
        """Step every task some times per tenth of a second, until the clock says so; nobody waits."""
        while self.clock.now < seconds:
            for _ in range(20):
                for task in reversed(self.run.tasks):
                    self.run.after_step(task, task.step())
            self.clock.now = round(self.clock.now + 0.1, 1)

    def table(self, number: int = 0) -> dict[int, int]:
        """What a sink has published: the rows of each window by the second that it begins at."""
        frame = self.sinks[number].table()
        return {int(s.timestamp()): n for s, _, n in frame.sort(WINDOW_START).rows()}


def watched(
    plans: Sequence[Plan],
    clock: Clock,
    options: RunOptions,
    parallelism: int = 2,
    snapshot: JobSnapshot | None = None,
) -> Watched:
    """A run of the plans that has not begun."""
    sinks = [MemorySink(is_parallel=False) for _ in plans]
    writes: list[Plan] = [Write(p, s) for p, s in zip(plans, sinks, strict=True)]
    job = plan_job(writes, name="live", parallelism=parallelism)
    return Watched(Run(job, options, snapshot, clock), sinks, clock)
