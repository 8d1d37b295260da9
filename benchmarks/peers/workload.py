"""Lay out the events for the engines: a folder per form, which holds nothing but Parquet files.

The files are those of the benchmarks (thalweg/cli/bench/workload.py), linked. `closed` has one more file with
one event of each kind a day later, for engines that give windows only after a later event. `keyed` are other
events, of a key, a number and a time, for functions that are called row by row.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl

from benchmarks.peers.environments import root
from thalweg.cli.bench.functions import ROWS_PER_KEY
from thalweg.cli.bench.generated import EventsSource
from thalweg.cli.bench.workload import event_files

RATE = 100_000
FEW = 20_000
_LATER = timedelta(days=1)


def laid_out(events: int, rate: int = RATE) -> dict[str, list[str]]:
    """The files per form; made once. The rate is that of event time."""
    plain = [Path(p) for p in event_files(events, rate, "parquet")]
    forms = {}
    for form in ("plain", "closed"):
        folder = root() / f"events-{events}-{rate}-{form}"
        folder.mkdir(parents=True, exist_ok=True)
        forms[form] = [str(_linked(path, folder)) for path in plain]
    last = Path(forms["closed"][0]).with_name("later.parquet")
    if not last.exists():
        _later(plain).write_parquet(last)
    forms["closed"].append(str(last))
    return forms | {"keyed": _keyed(events, rate)}


def _keyed(events: int, rate: int) -> list[str]:
    """The events of `thalweg bench function-rows`, dealt to two files by turns."""
    source = EventsSource(events, events // ROWS_PER_KEY, rate)
    folder = root() / f"events-{events}-{rate}-keyed"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"events-{turn}.parquet" for turn in range(source.turns)]
    for turn, path in enumerate(paths):
        if not path.exists():
            hidden = path.with_name(f".{path.name}")
            made = pl.concat(source.frames(turn, source.turns)).with_columns(pl.col("ts").to_physical())
            made.write_parquet(hidden)
            hidden.rename(path)
    return [str(path) for path in paths]


def _linked(path: Path, folder: Path) -> Path:
    link = folder / path.name
    if not link.exists():
        link.symlink_to(path)
    return link


def _later(files: list[Path]) -> pl.DataFrame:
    """The first event of each kind, a day later."""
    firsts = pl.scan_parquet(files).group_by("event_type", maintain_order=True).first().collect()
    times = {"person": ("dateTime",), "auction": ("dateTime", "expires"), "bid": ("dateTime",)}
    moved = [
        pl.col(kind).struct.with_fields(*(pl.field(n) + _LATER for n in names))
        for kind, names in times.items()
    ]
    kinds = [
        pl.when(pl.col("event_type") == number).then(column).alias(kind)
        for number, (kind, column) in enumerate(zip(times, moved, strict=True))
    ]
    return firsts.with_columns(kinds)
