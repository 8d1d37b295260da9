"""Compare the demo's answers: with known ones for a small stream, and with the batch run for the flood.

Not here: running the flood (flood.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thalweg.connectors.sinks import Checksum

SMALL_EVENTS, SMALL_RATE = 1_000_000, 10_000
KNOWN = {
    "q5": {"rows": 59, "auction": 1_907_800, "num": 48_369},
    "q17": {
        "rows": 59_970,
        "min_price": 3_928_754_549,
        "max_price": 2_181_478_617_217,
        "sum_price": 6_678_936_136_085,
    },
}
"""What any right implementation gives for the first million events of seed 1 at 10 000 events/s."""


def small_problems() -> Iterator[str]:
    """What differs from the known answers, in words."""
    seen = checksums(SMALL_EVENTS, SMALL_RATE, mode="stream")
    for name, known in KNOWN.items():
        found = {"rows": seen[name].rows} | seen[name].sums
        for column, value in known.items():
            if found.get(column) != value:
                yield f"{name}: {column} of the first million events is {found.get(column)}, not {value}"


def flood_problems(events: int, rate: int, written: dict[str, Path]) -> Iterator[str]:
    """What differs between the files that the stream wrote and the batch run, in words."""
    batch = checksums(events, rate, mode="batch")
    for name, path in written.items():
        stream = of_files(path)
        right = batch[name]
        if (stream.rows, stream.sums, stream.nulls) != (right.rows, right.sums, right.nulls):
            yield f"{name}: the stream gave {stream.rows} rows, {stream.sums}; the batch {right}"


def checksums(events: int, rate: int, *, mode: str) -> dict[str, Checksum]:
    """The sums over the answers of both queries."""
    from thalweg.cli import nexmark
    from thalweg.connectors.sinks import ChecksumSink

    session = nexmark.nexmark_session(nexmark.events(events, rate=rate))
    sinks = {name: ChecksumSink() for name in KNOWN}
    for name, sink in sinks.items():
        session.write_sink(nexmark.query(session, name), sink)
    session.run("demo-check", mode=mode)
    return {name: sink.seen for name, sink in sinks.items()}


def of_files(directory: Path) -> Checksum:
    """The sums over all rows of a directory of Parquet files."""
    import polars as pl

    from thalweg.base.schema import Schema
    from thalweg.columnar.batch import Batch
    from thalweg.connectors.sinks import ChecksumSink

    frame = pl.read_parquet(directory / "*.parquet")
    sink = ChecksumSink()
    sink.open(Schema.from_polars(dict(frame.schema)), 0).write(Batch(frame))
    return sink.seen
