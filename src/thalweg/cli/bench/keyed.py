"""Measure programs over generated events with keys, and judge what they give.

Not here: the programs (functions.py, windows.py), the events (generated.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thalweg.cli.bench.generated import EventsSource
from thalweg.cli.bench.model import Measured, Options, usage

if TYPE_CHECKING:
    import polars as pl

    import thalweg as tw
    from thalweg.connectors.sinks import Checksum

_LIMIT_RUNS = 2


@dataclass(frozen=True)
class Keyed:
    """A program over events with keys.

    Attributes:
        program: what is measured.
        right: its answer, found in another way.
        limit: the same work in a plain loop.
        limit_name: what that loop is.
        unit: of what there is one for each of the source's events.
        undefined: columns that depend on the order in which rows come.
        parallelism, runtime: how it is run.
    """

    source: Callable[[Options], EventsSource]
    program: Callable[[tw.Dataset, EventsSource], tw.Dataset]
    right: Callable[[EventsSource], pl.DataFrame]
    limit: Callable[[EventsSource], object]
    limit_name: str
    unit: str = "events/s"
    undefined: tuple[str, ...] = ()
    parallelism: int = 2
    runtime: str = "threads"

    def measured(self, options: Options) -> Measured:
        """Run it as a stream, once more often than is counted."""
        from thalweg.base.schema import Schema
        from thalweg.cli.bench.answers import checksum, differences

        source = self.source(options)
        measured = Measured(self.unit, [])
        self._once(source, options)
        with usage() as used:
            for _ in range(options.runs):
                begun = time.perf_counter()
                seen = self._once(source, options)
                measured.values.append(source.events / (time.perf_counter() - begun))
        measured.details = used.as_details() | {
            "cpu_seconds_per_run": round(used.cpu_seconds / options.runs, 2),
            "events": source.events,
            "rows": seen.rows,
        }
        right = self.right(source).drop(self.undefined)
        measured.problems = differences(seen, checksum([right], Schema.from_polars(dict(right.schema))))
        measured.limit_name = self.limit_name
        measured.limit = source.events / min(_seconds(self.limit, source) for _ in range(_LIMIT_RUNS))
        return measured

    def _once(self, source: EventsSource, options: Options) -> Checksum:
        import thalweg as tw
        from thalweg.api.columns import plan_of
        from thalweg.connectors.sinks import ChecksumSink

        session = tw.Session(parallelism=options.parallelism or self.parallelism)
        session.settings.set("execution.runtime", self.runtime)
        rows = session.from_source(source, name="events").assign_watermark("ts", "1s")
        sink = ChecksumSink()
        session.write_sink(plan_of(self.program(rows, source)), sink)
        session.run(mode=options.mode or "stream")
        return sink.seen


def _seconds(work: Callable[[EventsSource], object], source: EventsSource) -> float:
    begun = time.perf_counter()
    work(source)
    return time.perf_counter() - begun
