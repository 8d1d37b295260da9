"""A job of three sinks over files: rows that pass, counts of windows, and partitions that are marked.

Started as a process, and killed:

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
MARK = "_SUCCESS"
_TABLE = """
CREATE TABLE clicks (user_id INT, page STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'parquet')
"""
_COUNTS = """
SELECT user_id, window_start, COUNT(*) AS n, MAX(page) AS last_page
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY user_id, window_start, window_end
"""


_HOURS = "SELECT DATE_FORMAT(ts, 'yyyy-MM-dd HH') AS hr, page FROM clicks"


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
    """What the directories hold in the end."""
    rows = events()
    counts = rows.group_by("user_id", pl.col("ts").dt.truncate("1m").alias("window_start")).agg(
        pl.len().alias("n"), pl.col("page").max().alias("last_page")
    )
    hours = rows.select("page", pl.col("ts").dt.strftime("%Y-%m-%d %H").alias("hr"))
    passed = rows.filter(pl.col("user_id") != 3)
    tables = {"passed": passed, "counts": counts, "hours": hours}
    return {name: sorted(table.rows()) for name, table in tables.items()}


def found(output: Path) -> dict[str, list[tuple[object, ...]]]:
    """What the directories hold; every partition is marked."""
    partitions = sorted((output / "hours").glob("hr=*"))
    assert all((p / MARK).exists() for p in partitions), "all partitions are complete"
    names = "passed", "counts", "hours"
    return {name: _rows(output / name, hive=name == "hours") for name in names}


def _rows(directory: Path, *, hive: bool) -> list[tuple[object, ...]]:
    files = sorted(directory.glob("**/*.parquet"))
    parts = [pl.read_parquet(f, hive_partitioning=hive, try_parse_hive_dates=False) for f in files]
    return sorted(pl.concat(parts).rows())


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
    session.sql(_HOURS).write_parquet(
        f"{output}/hours", partition_by="hr", success_file=MARK, partition_time="$hr:00:00"
    )
    options = RunOptions(rows_max=_BATCH, checkpoint_batches=_EVERY, runtime=rest[0] if rest else "threads")
    session.run("clicks", mode="stream", options=options)


if __name__ == "__main__":
    main()
