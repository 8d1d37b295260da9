"""A job begins with state that was made elsewhere, if it fits what the job declares."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import CheckpointError, ConfigError, ThalwegError
from thalweg.runtime.options import RunOptions

STATE = "group1.group"
OPTIONS = RunOptions(rows_max=20, checkpoint_batches=3)


class Totals:
    """Sums of some files of sales by shop, and pairs of sales and shops."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "sales").mkdir(parents=True)

    def sell(self, name: str, count: int) -> None:
        """Another file."""
        numbers = pl.int_range(0, count, eager=True)
        rows = pl.DataFrame({"shop": (numbers % 5).cast(pl.String), "n": numbers})
        rows.write_parquet(self.folder / "sales" / f"{name}.parquet")

    def queued(self, kept: str, *, parallelism: int = 2) -> tw.Session:
        session = tw.Session(
            checkpoint_dir=self.folder / kept,
            parallelism=parallelism,
            options={"restart-strategy.type": "none", "execution.checkpointing.num-retained": "99"},
        )
        sales = session.read_parquet(self.folder / "sales")
        sums = sales.group_by("shop").agg(total=tw.sum("n"), sales=tw.count())
        sums.write_sqlite(self.folder / f"{kept}.db", "totals")
        return session

    def run(self, kept: str, *, parallelism: int = 2) -> None:
        self.queued(kept, parallelism=parallelism).run("totals", mode="stream", options=OPTIONS)

    def found(self, kept: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.folder / f"{kept}.db")) as database:
            return sorted(database.execute("SELECT shop, total, sales FROM totals"))


@pytest.fixture
def job(tmp_path: Path) -> Totals:
    made = Totals(tmp_path)
    made.sell("a", 400)
    return made


def first_state(job: Totals, kept: str) -> tuple[tw.Checkpoint, pl.DataFrame]:
    """Of the first checkpoint."""
    checkpoints = tw.Checkpoints(job.folder / kept)
    number = checkpoints.list()["number"][0]
    found = checkpoints.open("totals", number)
    return found, found.state(STATE)


@pytest.mark.parametrize("parallelism", [1, 3])
def test_a_job_begins_with_the_state_that_it_is_given(job: Totals, parallelism: int) -> None:
    job.run("first")
    _, state = first_state(job, "first")
    read = state["__rows"].sum()
    job.queued("second").write_checkpoint("totals", {STATE: state})
    listed = tw.Checkpoints(job.folder / "second").list()
    assert listed.select("job", "lineage", "number", "rows_read").rows() == [("totals", 1, 1, 0)]
    assert tw.Checkpoints(job.folder / "second").open("totals").state(STATE).equals(state)
    # the sums so far, and the whole input on top of them
    job.run("second", parallelism=parallelism)
    (total, sales) = (sum(int(str(r[i])) for r in job.found("second")) for i in (1, 2))
    assert sales == read + 400
    assert total == sum(range(int(read))) + sum(range(400))


def test_input_counts_as_read_up_to_positions(job: Totals) -> None:
    job.run("first")
    checkpoint, state = first_state(job, "first")
    doubled = state.with_columns((pl.col(c) * 2) for c in state.columns if c != "shop")
    job.queued("second").write_checkpoint("totals", {f"{STATE} groups": doubled}, positions=checkpoint)
    job.run("second")
    read = int(checkpoint.positions["rows_read"].sum())
    (total, sales) = (sum(int(str(r[i])) for r in job.found("second")) for i in (1, 2))
    assert (total, sales) == (sum(range(400)) + sum(range(read)), 400 + read)


def test_a_new_lineage_is_begun_and_nothing_is_deleted(job: Totals) -> None:
    job.run("kept")
    before = tw.Checkpoints(job.folder / "kept").list()
    job.queued("kept").write_checkpoint("totals", {})
    after = tw.Checkpoints(job.folder / "kept").list()
    assert after.head(before.height).equals(before)
    assert after["lineage"].to_list()[-1] == 2
    job.run("kept")
    assert sum(int(str(r[2])) for r in job.found("kept")) == 400, "each shop's newest row"


def misfits(state: pl.DataFrame) -> dict[str, tuple[dict[str, pl.DataFrame], str]]:
    return {
        "columns": ({STATE: state.drop("__rows")}, "state-misfit.*other columns"),
        "types": ({STATE: state.with_columns(__rows=pl.lit("many"))}, "state-misfit.*other types"),
        "twice": ({STATE: pl.concat([state, state])}, "state-misfit.*rows for the same key"),
        "unknown": ({"group2.group": state}, "state-unknown"),
    }


@pytest.mark.parametrize("case", ["columns", "types", "twice", "unknown"])
def test_what_does_not_fit_is_refused_and_nothing_is_written(job: Totals, case: str) -> None:
    job.run("first")
    _, state = first_state(job, "first")
    states, error = misfits(state)[case]
    session = job.queued("second")
    with pytest.raises(ThalwegError, match=error) as caught:
        session.write_checkpoint("totals", states)
    assert isinstance(caught.value, (CheckpointError, ConfigError))
    assert not (job.folder / "second").exists()


def test_without_a_directory_there_is_nowhere_to_write(tmp_path: Path) -> None:
    session = tw.Session()
    session.from_polars(pl.DataFrame({"a": [1]})).write_parquet(tmp_path / "out")
    with pytest.raises(ConfigError, match="checkpoint-no-directory"):
        session.write_checkpoint("copy", {})
