"""q12 counts every bid once, in windows of the clock; q13 finds each bid its value in the side table."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import thalweg as tw
from thalweg.runtime.options import RunOptions
from thalweg.session.session import Session

QUERIES = Path(__file__).parent.parent / "unit" / "sql" / "queries"
EVENTS = Path(__file__).parent.parent / "data" / "nexmark" / "events.parquet"
Mode = Literal["batch", "stream"]
WAYS = [("batch", 65_536, 2), ("stream", 4_096, 2), ("stream", 65_536, 1), ("stream", 700, 3)]
SIDE = pl.DataFrame({"key": range(10_000), "value": [str(i) for i in range(10_000)]})


def bids() -> pl.DataFrame:
    """The bids by themselves, without our operators."""
    events = pl.read_parquet(EVENTS).filter(pl.col("event_type") == 2)
    return events["bid"].struct.unnest().with_columns(pl.col("dateTime").cast(pl.Datetime("us")))


def session_of(rows: int, parallelism: int) -> Session:
    session = Session(parallelism=parallelism, options={"execution.batch-rows": str(rows)})
    ddl = (QUERIES / "ddl.sql").read_text().replace("${EVENTS}", str(EVENTS)).replace("${FORMAT}", "parquet")
    session.execute_sql(ddl)
    return session


def answer(session: Session, name: str, mode: Mode, **given: str) -> pl.DataFrame:
    """What a query gives; its definitions are carried out, all but that of its sink."""
    text = (QUERIES / f"{name}.sql").read_text()
    for key, value in given.items():
        text = text.replace(f"${{{key}}}", value)
    definitions, query = text.split("INSERT INTO answer\n")
    session.execute_sql(definitions[: definitions.index("CREATE TABLE answer")])
    return session.collect(session.sql(query.rstrip().rstrip(";")).plan, mode=mode)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "rows", "parallelism"), WAYS)
def test_q12(mode: Mode, rows: int, parallelism: int) -> None:
    session = session_of(rows, parallelism)
    # a clock that goes on by a second with every look
    seconds = iter(range(1_700_000_000, 1_800_000_000))
    session.run_options = RunOptions(wall=lambda: next(seconds) * 1_000_000)
    found = answer(session, "q12", mode)
    found.columns = ["bidder", "bid_count", "starttime", "endtime"]
    start = found["starttime"]
    assert (start.dt.epoch("us") % 10_000_000 == 0).all()
    assert (found["endtime"].dt.epoch("s") - start.dt.epoch("s") == 10).all()
    assert found.select("bidder", "starttime").is_unique().all()
    counted = bids().group_by("bidder").agg(bid_count=pl.len().cast(pl.Int64))
    total = found.group_by("bidder").agg(pl.col("bid_count").sum())
    assert_frame_equal(total.sort("bidder"), counted.sort("bidder"))
    assert (start.n_unique() > 1) == (mode == "stream" and rows < 65_536)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "rows", "parallelism"), WAYS)
def test_q13(mode: Mode, rows: int, parallelism: int, tmp_path: Path) -> None:
    side = tmp_path / "side.csv"
    SIDE.write_csv(side, include_header=False)
    found = answer(session_of(rows, parallelism), "q13", mode, SIDE_INPUT=str(side))
    text = (pl.col("auction") % 10_000).cast(pl.String)
    wanted = bids().select("auction", "bidder", "price", "dateTime", text.alias("value"))
    assert_frame_equal(found.sort(pl.all()), wanted.sort(pl.all()))


@pytest.mark.slow
def test_q13_with_a_table_that_is_changed_meanwhile() -> None:
    """Each bid has the value of the moment, and keeps it."""
    session = session_of(4_096, 2)
    table = tw.MemoryTable(SIDE)
    session.create_view("side_input", session.from_source(table))
    session.execute_sql("CREATE VIEW bid_now AS SELECT *, PROCTIME() AS p_time FROM bid")
    query = (QUERIES / "q13.sql").read_text().split("INSERT INTO answer\n")[1].rstrip().rstrip(";")
    seen: list[pl.DataFrame] = []

    def take(batch: pl.DataFrame) -> None:
        seen.append(batch)
        table.replace(SIDE.with_columns(value=pl.lit(f"v{len(seen)} ") + pl.col("value")))

    session.run_options = RunOptions(cut_batches=1)
    session.sql(query).write_callback(take)
    session.run(mode="stream")
    found = pl.concat(seen)
    own, key = pl.col("value").str.split(" ").list.last(), (pl.col("auction") % 10_000).cast(pl.String)
    assert found.select((own == key).all()).item()
    assert found.height == bids().height
    assert found["value"].str.split(" ").list.first().str.starts_with("v").any()
    assert (~found["value"].str.starts_with("v")).any()
