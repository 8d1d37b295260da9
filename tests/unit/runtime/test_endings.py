"""What is shown at the end of the input is shown when all tasks of the sink have ended, or not at all."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.columnar.hash import partitions
from thalweg.errors import DataError
from thalweg.job.job import PARTITIONS
from thalweg.runtime.outputs import owner_of

ROWS = pl.DataFrame({"k": range(200), "part": [n % 3 for n in range(200)]})


TASKS = 4


def last_key() -> int:
    """A key of the last task: on one thread the others have ended before."""
    owners = owner_of(partitions(ROWS, ["k"], PARTITIONS), TASKS, PARTITIONS)
    return int(ROWS["k"].to_numpy()[owners == TASKS - 1][0])


class Fails(tw.ProcessFunction):
    """Fails at the end of one key."""

    seen: bool = False

    def __init__(self, key: int | None) -> None:
        self.failing = key

    def on_event(self, row: Any) -> Any:
        yield row.k, row.part
        self.set_timer(timedelta(days=1))

    def on_timer(self) -> None:
        if self.key.k == self.failing:
            raise ValueError("no")


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("partition_by", [None, ["part"]])
def test_a_task_that_fails_leaves_nothing(
    tmp_path: Path, fails: bool, partition_by: list[str] | None
) -> None:
    session = tw.Session(parallelism=TASKS, options={"execution.runtime": "inline"})
    timed = ROWS.with_columns(at=pl.from_epoch(pl.col("k"), time_unit="s").cast(pl.Datetime("us")))
    rows = session.from_polars(timed).assign_watermark("at", "1s").key_by("k")
    made = rows.process(Fails(last_key() if fails else None), "k BIGINT, part BIGINT")
    made.write_parquet(tmp_path / "out", **({} if partition_by is None else {"partition_by": partition_by}))
    if not fails:
        session.run("job", mode="stream")
        assert pl.read_parquet(tmp_path / "out" / "**" / "*.parquet").height == ROWS.height
        return
    with pytest.raises(DataError, match="raised ValueError: no"):
        session.run("job", mode="stream")
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == []
