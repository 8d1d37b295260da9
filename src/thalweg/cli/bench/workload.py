"""Keep the events of the benchmarks as files: made once per machine, the same everywhere.

One generator's events, dealt to two files by turns: Arrow IPC (record batches of 65 536 rows, not
compressed), Parquet, or JSON lines.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

SPLITS = 2
BATCH_ROWS = 131_072
_ENDINGS = {"arrow": "arrow", "parquet": "parquet", "json": "jsonl"}


def cache_directory() -> Path:
    """Where the files are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "thalweg" / "bench"


def event_files(events: int, rate: int, form: str = "arrow") -> list[str]:
    """The files of a stream, written if they are not there yet."""
    directory = cache_directory() / f"nexmark-{events}-{rate}-{SPLITS}-{BATCH_ROWS}"
    paths = [directory / f"events-{i}.{_ENDINGS[form]}" for i in range(SPLITS)]
    directory.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(paths):
        if not path.exists():
            print(f"writing {path} (once)", file=sys.stderr, flush=True)
            _write(events, rate, number, path)
    return [str(p) for p in paths]


def _write(events: int, rate: int, number: int, path: Path) -> None:
    hidden = path.with_name(f".{path.name}.writing-{os.getpid()}")
    try:
        frames = _events(events, rate, number)
        if path.suffix == ".arrow":
            frames.sink_ipc(hidden, compression="uncompressed", record_batch_size=BATCH_ROWS)
        elif path.suffix == ".parquet":
            frames.sink_parquet(hidden)
        else:
            frames.sink_ndjson(hidden, check_extension=False)
        hidden.rename(path)
    finally:
        hidden.unlink(missing_ok=True)


def _events(events: int, rate: int, number: int) -> pl.LazyFrame:
    from polars.io.plugins import register_io_source

    from thalweg.cli.nexmark import events as generated

    source = generated(events, rate=rate, splits=SPLITS)

    def frames(*_: object) -> Iterator[pl.DataFrame]:
        reader = source.open(source.splits()[number], {}, None)
        while (chunk := reader.read(BATCH_ROWS)).frame is not None:
            yield chunk.frame

    return register_io_source(frames, schema=source.schema.polars)
