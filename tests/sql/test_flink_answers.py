"""Nexmark queries give what Flink 2.3 answers, as a batch and as a stream, whatever the batch size.

`tests/data/nexmark/expected` was recorded from Flink (see its README); the file of events is one
ordered split without equal times.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.nexmark.running import COUNT_CHAR, comparable, difference
from thalweg.connectors.memory import MemorySink
from thalweg.job.job import describe
from thalweg.optimizer.optimize import optimize
from thalweg.optimizer.standard import RULES
from thalweg.physical.planner import plan_job
from thalweg.plan.nodes import Write
from thalweg.plan.properties import properties
from thalweg.runtime.options import RunOptions
from thalweg.session.session import Session

DATA = Path(__file__).parent.parent / "data" / "nexmark"
QUERIES = Path(__file__).parent.parent / "unit" / "sql" / "queries"
NAMES = ["q1", "q2", "q5", "q5_rank", "q11", "q14", "q15", "q16", "q17", "q18", "q19", "q21", "q22"]
NAMES += ["w_hop", "w_tumble", "w_cumulate", "w_session", "w_topn", "over_range"]
JOINS = ["q3", "q4", "q7", "q8", "q9", "q20", "q23", "interval_join", "interval_left"]
ANSWERS = {"q5_rank": "q5"}
WAYS = [("batch", 65_536, 2), ("stream", 4_096, 2), ("stream", 65_536, 1), ("stream", 700, 3)]


def query(name: str) -> str:
    """The SELECT of a query, without its sink."""
    text = (QUERIES / f"{name}.sql").read_text()
    return text[text.index("INSERT INTO") :].split("\n", 1)[1].rstrip().rstrip(";")


def nexmark(events: Path, parallelism: int) -> Session:
    """A session that knows the tables and functions of the queries."""
    session = Session(parallelism=parallelism)
    session.run_options = RunOptions()
    session.catalog.functions["count_char"] = COUNT_CHAR
    ddl = (QUERIES / "ddl.sql").read_text()
    text = ddl.replace("${EVENTS}", str(events)).replace("${FORMAT}", "parquet")
    session.execute_sql(text)
    return session


def answer(name: str, mode: str, rows: int, parallelism: int, events: Path) -> pl.DataFrame:
    """What a query gives over a file of events."""
    session = nexmark(events, parallelism)
    session.settings.set("execution.batch-rows", str(rows))
    # on one thread where batches are small: threads would only wait for one another
    session.settings.set("execution.runtime", "inline" if rows < 100 else "threads")
    return session.collect(session.sql(query(name)).plan, mode=mode)


def check(name: str, mode: str, rows: int, parallelism: int) -> None:
    found = answer(name, mode, rows, parallelism, DATA / "events.parquet")
    expected = pl.read_parquet(DATA / "expected" / f"{ANSWERS.get(name, name)}.parquet")
    wrong = difference(name, comparable(found), comparable(expected))
    assert wrong is None, wrong


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("mode", "rows", "parallelism"), WAYS)
@pytest.mark.parametrize("name", [*NAMES, *JOINS])
def test_answers_of_flink(name: str, mode: str, rows: int, parallelism: int) -> None:
    check(name, mode, rows, parallelism)


def test_q5_keeps_windows_only() -> None:
    """Its bounds have other names, and are still those of windows: nothing runs on, nothing is taken back."""
    plan = nexmark(DATA / "events.parquet", 2).sql(query("q5")).plan
    assert not properties(plan).is_updating
    (root,), _ = optimize([plan], RULES)
    job = describe(plan_job([Write(root, MemorySink())], name="q5", parallelism=2))
    assert "group by ws, we per window: top = max(num)" in job
    assert "left rows until ws + 10s; right rows until m.ws + 10s" in job
    assert "running" not in job
    # the counts are made once, for both of the steps that read them
    assert job.count("panes of hopping") == 1


@pytest.mark.slow
@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ["q1", "q3", "q20"])
def test_answers_of_flink_from_batches_of_seven(name: str) -> None:
    check(name, "stream", 7, 2)


@pytest.mark.slow
@pytest.mark.sampled(6, 2)
@pytest.mark.parametrize(("rows", "events"), [(1, 1_500), (7, 6_000)])
@pytest.mark.parametrize("name", [*NAMES, *JOINS])
def test_small_batches_give_what_a_batch_gives(name: str, rows: int, events: int, tmp_path: Path) -> None:
    """The first events, whose answers the batch gives; all of them are in `make nexmark-all`."""
    file = tmp_path / "events.parquet"
    pl.read_parquet(DATA / "events.parquet", n_rows=events).write_parquet(file)
    found = answer(name, "stream", rows, 2, file)
    assert_frame_equal(comparable(found), comparable(answer(name, "batch", 4096, 2, file)))


def test_every_recorded_answer_has_a_query() -> None:
    recorded = {p.stem for p in (DATA / "expected").glob("*.parquet")}
    assert recorded == {ANSWERS.get(n, n) for n in (*NAMES, *JOINS)}
