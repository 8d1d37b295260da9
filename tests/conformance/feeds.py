"""Make input for operators: rows of every awkward kind, with the columns that a source would add.

Not here: plans and the operators that they become (test_operators.py).
"""

from __future__ import annotations

from random import Random
from typing import Any

import polars as pl

from thalweg.columnar.batch import BEFORE, OFFSET, SPLIT, Batch
from thalweg.protocols.messages import Watermark

SECOND = 1_000_000
TEXTS = ["a", "b", "", "a text of more than twelve bytes", None]
FLOATS = [0.1, 0.2, -0.0, 1e17, -1e17, float("nan"), float("inf"), None]
SCHEMA: dict[str, pl.DataType] = {
    "k": pl.Int64(),
    "s": pl.String(),
    "v": pl.Int64(),
    "f": pl.Float64(),
    "d": pl.Decimal(12, 2),
    "items": pl.List(pl.Int64()),
    "t": pl.Datetime("us"),
}


def rows(count: int = 18, seed: int = 0) -> pl.DataFrame:
    """Rows whose times stray, tie, and come late now and then."""
    r = Random(seed)
    made = {
        "k": [r.choice([1, 2, 3, None]) for _ in range(count)],
        "s": [r.choice(TEXTS) for _ in range(count)],
        "v": [r.choice([None, *range(6)]) for _ in range(count)],
        "f": [r.choice(FLOATS) for _ in range(count)],
        "d": pl.Series([r.choice([None, 1, 25, -3]) for _ in range(count)]).cast(SCHEMA["d"]),
        "items": [[i] * r.choice([0, 1, 2, 5]) for i in range(count)],
        "t": [i * SECOND // 2 + r.randrange(-12, 3) * SECOND // 2 for i in range(count)],
    }
    return pl.DataFrame(made).cast(SCHEMA)


def batches(frame: pl.DataFrame, size: int = 5) -> list[Any]:
    """The rows in batches."""
    return [frame[at : at + size] for at in range(0, frame.height, size)]


def placed(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows with their position."""
    split, offset = pl.lit(1 << 32, pl.Int64), pl.int_range(pl.len(), dtype=pl.Int64)
    return frame.with_columns(split.alias(SPLIT), offset.alias(OFFSET))


def timed(frame: pl.DataFrame, lag: int = 2 * SECOND, size: int = 4) -> list[Any]:
    """Rows with the watermark before each, and watermarks between the batches."""
    latest = frame.get_column("t").to_physical().cum_max() - lag
    frame = frame.with_columns(latest.shift(1).alias(BEFORE))
    feed: list[Any] = []
    for at in range(0, frame.height, size):
        feed.append(frame[at : at + size])
        feed.append(Watermark(latest[min(at + size, frame.height) - 1]))
    return feed


def changes(frame: pl.DataFrame) -> list[Any]:
    """Rows that come, some more than once, and some of which go again."""
    third = frame.height // 3
    first, second, rest = frame[:third], frame[third : 2 * third], frame[2 * third :]
    often = pl.Series([1 + n % 3 for n in range(second.height)], dtype=pl.Int64)
    gone = pl.Series([-1] * (third // 2), dtype=pl.Int64)
    return [
        first,
        Batch(second, often),
        Batch(first[: third // 2], gone),
        Batch(pl.concat([second[:2], rest[:3]]), pl.Series([-1, -1, 1, 2, 1], dtype=pl.Int64)),
        rest[3:],
        Batch(rest[3:], pl.Series([-1] * (rest.height - 3), dtype=pl.Int64)),
    ]
