"""Checkpoints are data: listed, opened, checked and deleted without the program."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import thalweg as tw
from thalweg.checkpoint.hold import held
from thalweg.checkpoint.holders import LockedFiles
from thalweg.cli.entry import run as thalweg
from thalweg.errors import CheckpointError, ConfigError
from thalweg.runtime.options import RunOptions

ROWS = 400


@pytest.fixture
def kept(tmp_path: Path) -> tw.Checkpoints:
    """A job that counts by key was broken off near its end."""

    @tw.udf(returns="BIGINT")
    def checked(n: int) -> int:
        if n == ROWS - 1:
            raise ValueError("enough")
        return n

    numbers = pl.int_range(0, ROWS, eager=True)
    pl.DataFrame({"n": numbers, "k": numbers % 3}).write_parquet(tmp_path / "in.parquet")
    session = tw.Session(
        parallelism=2,
        checkpoint_dir=tmp_path / "kept",
        options={"execution.checkpointing.num-retained": "4", "restart-strategy.type": "none"},
    )
    rows = session.read_parquet(str(tmp_path / "in.parquet")).with_columns(n=checked(tw.col("n")))
    rows.group_by("k").agg(total=tw.sum("n")).write_sqlite(tmp_path / "out.db", "totals")
    options = RunOptions(runtime="inline", rows_max=20, checkpoint_batches=3)
    with pytest.raises(tw.DataError):
        session.run("a job", mode="stream", options=options)
    return tw.Checkpoints(tmp_path / "kept")


def test_checkpoints_are_listed(kept: tw.Checkpoints) -> None:
    listed = kept.list("a job")
    assert kept.list().equals(listed)
    assert listed["job"].unique().to_list() == ["a job"]
    assert listed["number"].to_list() == sorted(listed["number"].to_list())
    assert listed["rows_read"].to_list() == [180, 240, 300, 360]
    assert not listed["has_ended"].any()
    assert (listed["bytes"] > 0).all()


def test_state_and_positions_are_frames(kept: tw.Checkpoints) -> None:
    newest = kept.open("a job")
    (operator,) = newest.states["operator"].to_list()
    found = newest.state(operator)
    rows = pl.int_range(0, 360, eager=True).to_frame("n").with_columns(k=pl.col("n") % 3)
    wanted = rows.group_by("k").agg(pl.col("n").sum()).sort("k")
    assert found.columns[0] == "k"
    sums = [c for c in found.columns if found.sort("k")[c].to_list() == wanted["n"].to_list()]
    assert sums, "the sums are among the values"
    position = newest.positions.row(0, named=True)
    assert (position["rows_read"], position["has_ended"]) == (360, False)
    assert Path(position["split"]).name == "in.parquet"
    assert "checkpoint" in repr(newest)


def test_what_is_not_there_is_named_with_what_is(kept: tw.Checkpoints) -> None:
    with pytest.raises(CheckpointError, match="checkpoint-no-job") as error:
        kept.open("ajob")
    assert error.value.choices == ("a%20job",)
    with pytest.raises(CheckpointError, match="checkpoint-missing"):
        kept.open("a job", 999)
    with pytest.raises(CheckpointError, match="checkpoint-no-state"):
        kept.open("a job").state("group9.group")


def test_one_that_nobody_goes_on_from_is_deleted(kept: tw.Checkpoints, tmp_path: Path) -> None:
    numbers = kept.list()["number"].to_list()
    with pytest.raises(CheckpointError, match="checkpoint-needed"):
        kept.delete("a job", numbers[-1])
    with (
        held(LockedFiles(str(tmp_path / "kept" / "a%20job")), "a job"),
        pytest.raises(ConfigError, match="job-already-running"),
    ):
        kept.delete("a job", numbers[0])
    kept.delete("a job", numbers[0])
    assert kept.list()["number"].to_list() == numbers[1:]
    kept.open("a job").verify()


def test_commands_show_check_and_delete(
    kept: tw.Checkpoints, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> tuple[int, str]:
        code = thalweg(["checkpoint", words[0], str(tmp_path / "kept"), *words[1:]])
        out, err = capsys.readouterr()
        return code, out + err

    numbers = kept.list()["number"].to_list()
    assert said("list")[1].count("a job") == 4
    assert said("list", "a job", "--json")[1].count('"job":"a job"') == 4
    code, text = said("show", "a job", str(numbers[0]))
    assert code == 0
    assert "source1" in text
    assert said("verify") == (0, "4 checkpoints are whole\n")
    assert said("delete", "a job", str(numbers[0])) == (0, "")
    for path in (tmp_path / "kept" / "a%20job" / "data").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    code, text = said("verify")
    assert code == 4
    assert "checkpoint-damaged" in text


def test_a_directory_without_checkpoints(tmp_path: Path) -> None:
    assert tw.Checkpoints(tmp_path).list().is_empty()
    assert tw.Checkpoints(tmp_path / "none").jobs() == []


def test_two_checkpoints_are_compared(kept: tw.Checkpoints, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = kept.list()["number"].to_list()
    first, last = kept.open("a job", numbers[0]), kept.open("a job", numbers[-1])
    found = first.diff(last)
    ((operator, state, here, there, changed, same),) = found.summary.rows()
    assert (operator, state, here, there, changed, same) == ("group1.group", "groups", 0, 0, 3, 0)
    rows = found.state("group1.group").changed.sort("k")
    assert rows["k"].to_list() == [0, 1, 2]
    sums = [n for n in rows.columns if f"{n}_other" in rows.columns and rows[n].sum() == sum(range(180))]
    assert sums, "the sums at 180 rows"
    assert rows[f"{sums[0]}_other"].sum() == sum(range(360))
    assert found.positions.select("rows_read", "rows_read_other").rows() == [(180, 360)]
    assert all(s.is_same for s in first.diff(kept.open("a job", numbers[0])).states)
    with pytest.raises(CheckpointError, match="checkpoint-no-state"):
        found.state("group2")
    where = kept._directory
    assert thalweg(["checkpoint", "diff", where, "a job", str(numbers[0]), str(numbers[-1])]) == 0
    out = capsys.readouterr().out
    assert "group1.group groups, changed (3):" in out
    saved = first.save()
    assert thalweg(["checkpoint", "diff", saved, saved, "--rows", "0"]) == 0
    assert "changed (" not in capsys.readouterr().out
    assert thalweg(["checkpoint", "diff", saved]) == 2


def test_a_checkpoint_is_a_table_in_sql(kept: tw.Checkpoints) -> None:
    session = tw.Session()
    with_ = f"'connector' = 'checkpoint', 'path' = '{kept._directory}', 'job' = 'a job'"
    number = kept.list()["number"][0]
    saved = kept.open("a job", number).save()
    session.execute_sql(
        f"""CREATE TABLE sums WITH ({with_});
        CREATE TABLE old WITH ({with_}, 'number' = '{number}', 'state' = 'group1.group groups');
        CREATE TABLE saved WITH ('connector' = 'checkpoint', 'path' = '{saved}', 'state' = 'group1.group');
        CREATE TABLE places WITH ({with_}, 'content' = 'positions');
        CREATE TABLE states WITH ({with_}, 'content' = 'states');"""
    )
    newest = kept.open("a job")
    state = newest.state("group1.group").sort("k")
    seen = session.table("sums").to_polars().sort("k")
    assert seen.rows() == state.rows()
    assert [n.lstrip("_") for n in state.columns] == seen.columns, "no column is hidden"
    grown = session.sql("SELECT s.k, s.`rows` - o.`rows` AS n FROM sums s JOIN old o ON s.k = o.k")
    assert sorted(grown.to_polars().rows()) == [(0, 60), (1, 60), (2, 60)]
    assert session.table("saved").to_polars().equals(session.table("old").to_polars())
    assert session.sql("SELECT rows_read, has_ended FROM places").to_polars().rows() == [(360, False)]
    assert session.sql("SELECT operator, `rows` FROM states").to_polars().rows() == [("group1.group", 3)]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("", "of a directory of checkpoints the job is to be named"),
        (", 'job' = 'ajob'", "no checkpoints of a job"),
        (", 'job' = 'a job', 'number' = '999'", "no such checkpoint"),
        (", 'job' = 'a job', 'number' = 'last'", "whole number"),
        (", 'job' = 'a job', 'state' = 'group2'", 'no state of "group2"'),
        (", 'job' = 'a job', 'content' = 'rows'", "state, states, positions"),
    ],
)
def test_a_table_of_no_checkpoint_says_why(kept: tw.Checkpoints, options: str, error: str) -> None:
    session = tw.Session()
    text = f"CREATE TABLE t WITH ('connector' = 'checkpoint', 'path' = '{kept._directory}'{options})"
    with pytest.raises((ConfigError, CheckpointError), match=error):
        session.sql(f"{text}; SELECT * FROM t")
