"""Compute the right answers, independently of every engine's SQL: Polars, written by hand.

Not here: those queries (thalweg/cli/bench/answers.py), what is added up in SQL (sums.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from benchmarks.peers.sums import EPOCH_MS
from thalweg.cli import nexmark
from thalweg.cli.bench.answers import QUERIES, UNDEFINED
from thalweg.cli.bench.functions import EVERY
from thalweg.columnar.batch import Batch
from thalweg.connectors.files.source import file_source
from thalweg.connectors.sinks import ChecksumSink


@dataclass
class Right:
    """One query's answer in two forms.

    Attributes:
        columns: the kind of each column that is defined, see sums.py.
        plain: what `sums.answer` should give.
        exact: rows, sums and NULLs of a `ChecksumSink`: over hashes, not lengths, of texts.
    """

    columns: dict[str, str]
    plain: dict[str, Any] = field(default_factory=dict)
    exact: dict[str, Any] = field(default_factory=dict)


def right(name: str, files: list[str]) -> Right:
    """The answer of a query over Parquet files; columns that depend on the order of rows are left out."""
    schema = nexmark.query(nexmark.nexmark_session(file_source(files)), name).schema
    left_out = UNDEFINED.get(name, ())
    found = Right({n: _kind(t) for n, t in schema.polars.items() if n not in left_out})
    sink = ChecksumSink()
    writer = sink.open(schema, 0)
    totals = dict.fromkeys(found.columns, 0)
    query = QUERIES[name](pl.scan_parquet(files))
    for part in query.collect_batches(engine="streaming", maintain_order=False):
        frame = part.select(schema.names).cast(dict(schema.polars))  # type: ignore[arg-type]
        writer.write(Batch(frame))
        for column, value in (
            frame.select(*(_sum(n, k) for n, k in found.columns.items())).row(0, named=True).items()
        ):
            totals[column] += value or 0
    found.plain = {"rows": sink.seen.rows, "sums": {n: f"{v:.3f}" for n, v in totals.items()}}
    found.exact = {"rows": sink.seen.rows, "sums": dict(sink.seen.sums), "nulls": dict(sink.seen.nulls)}
    return found


def right_alerts(files: list[str]) -> Right:
    """The answer of the functions by row: how often each key has its hundredth row, and which that is."""
    counts = pl.scan_parquet(files).group_by("k").agg(n=pl.len().cast(pl.Int64) // EVERY)
    many = counts.filter(pl.col("n") > 0)
    made = many.with_columns(pl.int_ranges(1, pl.col("n") + 1).alias("n")).explode("n")
    made = made.with_columns(pl.col("n") * EVERY)
    frame = made.collect()
    sums = {name: int(frame[name].sum()) for name in frame.columns}
    plain = {"rows": frame.height, "sums": {n: f"{v:.3f}" for n, v in sums.items()}}
    exact = {"rows": frame.height, "sums": sums, "nulls": dict.fromkeys(sums, 0)}
    return Right(dict.fromkeys(sums, "number"), plain, exact)


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """What differs between two answers of `sums.answer`, in words."""
    pairs = {"rows": (found["rows"], wanted["rows"])}
    pairs |= {f"sum of {n}": (found["sums"].get(n), v) for n, v in wanted["sums"].items()}
    return [f"{what} is {a}, not {b}" for what, (a, b) in pairs.items() if a != b]


def _kind(type: pl.DataType | type[pl.DataType]) -> str:
    return "time" if type == pl.Datetime else "text" if type == pl.String else "number"


def _sum(name: str, kind: str) -> pl.Expr:
    column = pl.col(name)
    if kind == "text":
        return column.str.len_chars().cast(pl.Int64).sum()
    return (column.dt.epoch("ms") - EPOCH_MS).sum() if kind == "time" else column.sum()
