"""A job of two sinks over files: rows that pass, and counts of windows. Started as a process, and killed.

    python -m tests.chaos.job INPUT OUTPUT CHECKPOINTS [MODE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

import thalweg as tw
from thalweg.runtime.options import RunOptions

ROWS, FILES, USERS = 6_000, 3, 17
_BATCH, _EVERY = 100, 6
_TABLE = """
CREATE TABLE clicks (user_id INT, page STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'parquet')
"""
_COUNTS = """
SELECT user_id, window_start, COUNT(*) AS n, MAX(page) AS last_page
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY user_id, window_start, window_end
"""


def events() -> pl.DataFrame:
    """Every row has a page of its own, so that one that is lost or repeated is seen."""
    numbers = pl.int_range(0, ROWS, eager=True)
    return pl.DataFrame(
        {
            "user_id": (numbers * 7919 % USERS).cast(pl.Int32),
            "page": "page " + numbers.cast(pl.String).str.zfill(6),
            "ts": (numbers * 700 + numbers * 31 % 4_000).cast(pl.Datetime("ms")),
        }
    )


def write_input(directory: Path) -> None:
    """The events as some files."""
    directory.mkdir(parents=True)
    for number, part in enumerate(events().iter_slices(ROWS // FILES)):
        part.write_parquet(directory / f"part-{number}.parquet")


def expected() -> dict[str, list[tuple[object, ...]]]:
    """What both directories hold in the end."""
    rows = events()
    counts = rows.group_by("user_id", pl.col("ts").dt.truncate("1m").alias("window_start")).agg(
        pl.len().alias("n"), pl.col("page").max().alias("last_page")
    )
    return {"passed": sorted(rows.filter(pl.col("user_id") != 3).rows()), "counts": sorted(counts.rows())}


def found(output: Path) -> dict[str, list[tuple[object, ...]]]:
    """What both directories hold."""
    return {
        name: sorted(pl.concat([pl.read_parquet(f) for f in sorted((output / name).glob("*.parquet"))]).rows())
        for name in ("passed", "counts")
    }


def main() -> None:
    """Run the job to its end."""
    source, output, checkpoints, *rest = sys.argv[1:]
    session = tw.Session(
        parallelism=2,
        checkpoint_dir=checkpoints,
        options={"execution.checkpointing.num-retained": "1"},
    )
    session.execute_sql(_TABLE.format(path=source))
    session.table("clicks").filter(tw.col("user_id") != 3).write_parquet(f"{output}/passed")
    session.sql(_COUNTS).write_parquet(f"{output}/counts")
    options = RunOptions(rows_max=_BATCH, checkpoint_batches=_EVERY, runtime=rest[0] if rest else "threads")
    session.run("clicks", mode="stream", options=options)


if __name__ == "__main__":
    main()
