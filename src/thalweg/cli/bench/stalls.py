"""A sink that stops for a while: memory must stay flat, and nothing may be lost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from thalweg.cli import nexmark
from thalweg.cli.bench.model import Benchmark, Measured, Options, own_mib, usage
from thalweg.cli.bench.workload import event_files
from thalweg.connectors.sinks import ChecksumSink

if TYPE_CHECKING:
    from thalweg.base.schema import Schema
    from thalweg.columnar.batch import Batch
    from thalweg.protocols.sink import Delivery, Writer

_STALL_AT = 2
"""Which batch the sink stops at."""
_SETTLE = 0.25
"""The part of the stall in which queues may still fill."""
_GROWTH_MAX_MIB = 32.0


@dataclass
class Stall:
    """What was seen while the sink stood still: when, and how much memory, in MiB."""

    seconds: float
    seen: list[tuple[float, float]] = field(default_factory=list)

    def stand_still(self) -> None:
        """Do nothing but look at the memory."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < self.seconds:
            self.seen.append((passed, own_mib()))
            time.sleep(min(0.2, self.seconds / 20))

    def growth(self) -> float:
        """How much memory grew after the queues were full."""
        settled = [mib for at, mib in self.seen if at >= self.seconds * _SETTLE]
        assert settled, "the sink is handed enough batches to stall"
        return max(settled) - settled[0]


@dataclass(frozen=True, eq=False)
class StallingSink:
    """A checksum whose first writer stops once."""

    stall: Stall
    inner: ChecksumSink = field(default_factory=ChecksumSink)
    takes_updates: bool = True
    delivery: Delivery = "at_least_once"
    emit: Literal["cut", "now"] = "now"
    is_parallel: bool = True

    def describe(self) -> str:
        """Its name."""
        return "checksum that stalls"

    def open(self, schema: Schema, task: int) -> Writer:
        """A writer; the first one stalls."""
        inner = self.inner.open(schema, task)
        return _StallingWriter(inner, self.stall) if task == 0 else inner


class _StallingWriter:
    def __init__(self, inner: Writer, stall: Stall) -> None:
        self._inner, self._stall, self._count = inner, stall, 0

    def write(self, batch: Batch) -> None:
        self._count += 1
        if self._count == _STALL_AT:
            self._stall.stand_still()
        self._inner.write(batch)

    def cut(self, number: int) -> None:
        self._inner.cut(number)

    def end(self) -> None:
        self._inner.end()

    def close(self) -> None:
        self._inner.close()


def _run(options: Options) -> Measured:
    from thalweg.cli.bench.answers import differences, reference
    from thalweg.connectors.files.source import file_source

    rate = options.rate or nexmark.RATE
    files = event_files(options.events, rate)
    session = nexmark.nexmark_session(file_source(files), parallelism=options.parallelism or 2)
    plan = nexmark.query(session, "q17")
    sink = StallingSink(Stall(options.seconds))
    session.write_sink(plan, sink)
    with usage() as used:
        session.run("stalled-sink", mode="stream")
    measured = Measured("MiB", [sink.stall.growth()])
    measured.details = used.as_details() | {
        "stall_seconds": options.seconds,
        "mib_at_start": round(sink.stall.seen[0][1], 1),
        "mib_at_end": round(sink.stall.seen[-1][1], 1),
    }
    measured.problems = differences(sink.inner.seen, reference("q17", files, plan.schema))
    if sink.stall.growth() > _GROWTH_MAX_MIB:
        measured.problems.append(f"memory grew by {sink.stall.growth():.0f} MiB while the sink stood still")
    return measured


STALLS = [
    Benchmark(
        "stalled-sink",
        "sink",
        "Does memory stay flat while a sink stands still, and is nothing lost?",
        "every edge is bounded: 0 MiB once the queues are full",
        _run,
        target=_GROWTH_MAX_MIB,
    )
]
