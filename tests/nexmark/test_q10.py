"""q10 writes one directory per minute, marks each, and what it wrote is the bids."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from thalweg.connectors.files.commit import Commit
from thalweg.connectors.files.partitioned_sink import PartitionedSink
from thalweg.connectors.files.sink import FileSink
from thalweg.connectors.memory import frame_source
from thalweg.expr.nodes import Column
from thalweg.optimizer.optimize import optimize
from thalweg.optimizer.standard import RULES
from thalweg.physical.planner import plan_job
from thalweg.plan import build
from thalweg.plan.nodes import Scan, Write
from thalweg.runtime.inline import run_inline
from thalweg.runtime.options import RunOptions
from thalweg.runtime.run import Run
from thalweg.session.session import Session

QUERIES = Path(__file__).parent.parent / "unit" / "sql" / "queries"
EVENTS = Path(__file__).parent.parent / "data" / "nexmark" / "events.parquet"
COLUMNS = ["auction", "bidder", "price", "dateTime", "extra"]


def bids() -> pl.DataFrame:
    """The bids by themselves, without our operators."""
    events = pl.read_parquet(EVENTS).filter(pl.col("event_type") == 2)
    return events["bid"].struct.unnest().with_columns(pl.col("dateTime").cast(pl.Datetime("us")))


def session_with_partitions(mode: Literal["batch", "stream"], rows: int, target: Path) -> Session:
    session = Session(parallelism=3, options={"execution.batch-rows": str(rows)})
    ddl = (QUERIES / "ddl.sql").read_text().replace("${EVENTS}", str(EVENTS)).replace("${FORMAT}", "parquet")
    session.execute_sql(ddl)
    session.execute_sql((QUERIES / "q10.sql").read_text().replace("${OUT}", str(target)))
    session.run(mode=mode)
    return session


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "rows"), [("batch", 65_536), ("stream", 65_536), ("stream", 700)])
def test_partitions(mode: Literal["batch", "stream"], rows: int, tmp_path: Path) -> None:
    session = session_with_partitions(mode, rows, tmp_path)
    minutes = (
        bids().group_by(pl.col("dateTime").dt.strftime("dt=%Y-%m-%d/hm=%H%%3A%M")).len().sort("dateTime")
    )
    assert minutes.height == 3
    places = [p.parent for p in sorted(tmp_path.rglob("_SUCCESS"))]
    assert [str(p.relative_to(tmp_path)) for p in places] == minutes["dateTime"].to_list()
    written = [sum(pl.read_csv(f).height for f in place.glob("part-*.csv")) for place in places]
    assert written == minutes["len"].to_list()
    back = session.table("bids_by_minute").select(*COLUMNS).collect()
    assert_frame_equal(back.sort(pl.all()), bids().select(COLUMNS).sort(pl.all()))
    names = session.sql(
        "SELECT COUNT(*) AS n FROM bids_by_minute"
        " WHERE dt = DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AND hm = DATE_FORMAT(`dateTime`, 'HH:mm')"
    )
    assert names.collect().item() == back.height


@pytest.mark.parametrize("parallelism", [1, 3])
def test_minutes_are_complete_while_the_stream_runs(parallelism: int, tmp_path: Path) -> None:
    times = pl.Series([i * 10_000_000 for i in range(40)]).cast(pl.Datetime("us"))
    frame = pl.DataFrame({"n": range(40), "at": times, "m": times.dt.strftime("%Y-%m-%d %H:%M")})
    rows = build.assign_watermark(Scan(frame_source([frame[::2], frame[1::2]])), "at", Column("at"))
    commit = Commit("partition-time", 60_000_000, pattern="$m:00")
    sink = PartitionedSink(FileSink(str(tmp_path)), ("m",), marking=commit)
    plans = optimize([Write(rows, sink)], RULES)[0]
    run = Run(plan_job(plans, name="q10", parallelism=parallelism), RunOptions(rows_max=2, cut_batches=2))
    marked = list[int]()

    def is_half() -> bool:
        marked.append(len(list(tmp_path.rglob("_SUCCESS"))))
        return marked[-1] >= 3

    run_inline(run, until=is_half)
    assert 3 in marked
    # a minute that is marked is whole: its rows and no others
    for place in (p.parent for p in tmp_path.rglob("_SUCCESS")):
        found = pl.concat(pl.read_parquet(f) for f in place.glob("*.parquet"))
        minute = place.name.removeprefix("m=").replace("%3A", ":")
        assert sorted(found["n"]) == frame.filter(pl.col("m") == minute)["n"].to_list()
    assert len(list(tmp_path.iterdir())) < frame["m"].n_unique()
    run.close()


@pytest.mark.slow
def test_a_minute_that_is_asked_for_is_read_alone(tmp_path: Path) -> None:
    session = session_with_partitions("batch", 65_536, tmp_path)
    minute = sorted(tmp_path.glob("*/*"))[1]
    hm = minute.name.removeprefix("hm=").replace("%3A", ":")
    # the files are looked at when the table is described, and now
    found = session.sql(f"SELECT COUNT(*) AS n FROM bids_by_minute WHERE hm = '{hm}'")
    for other in tmp_path.glob("*/*/*.csv"):
        if other.parent != minute:
            # whoever opened it would fail
            other.write_bytes(b"PAR1")
    expected = bids().filter(pl.col("dateTime").dt.strftime("%H:%M") == hm).height
    for mode in ("batch", "stream"):
        assert session.collect(found.plan, mode=mode).item() == expected
