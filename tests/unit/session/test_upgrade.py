"""A changed program takes over what it has a place for, and nothing is lost that nobody gave up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import thalweg as tw
from thalweg.checkpoint.failpoints import armed
from thalweg.errors import CheckpointError, ThalwegError
from thalweg.runtime.options import RunOptions

ROWS = 3_000
SMALL = RunOptions(runtime="inline", rows_max=50, checkpoint_batches=4)
Build = Callable[[tw.Session, Path], None]


def _input(folder: Path) -> None:
    numbers = pl.int_range(0, ROWS, eager=True)
    frame = pl.DataFrame({"n": numbers, "k": numbers % 7, "g": numbers % 3})
    frame.write_parquet(folder / "in.parquet")


def counts(session: tw.Session, folder: Path) -> None:
    rows = session.read_parquet(str(folder / "in.parquet"))
    rows.group_by("k").agg(n=tw.count(), s=tw.sum("n")).write_sqlite(str(folder / "o.db"), "counts")


def counts_of_some(session: tw.Session, folder: Path) -> None:
    """The same, behind a new filter that lets everything pass from now on."""
    rows = session.read_parquet(str(folder / "in.parquet")).filter(tw.col("n") >= 0)
    rows.group_by("k").agg(n=tw.count(), s=tw.sum("n")).write_sqlite(str(folder / "o.db"), "counts")


def counts_and_more(session: tw.Session, folder: Path) -> None:
    """A second query before the first one, so that every id of the planner is another."""
    rows = session.read_parquet(str(folder / "in.parquet"))
    rows.group_by("g").agg(n=tw.count()).write_sqlite(str(folder / "o.db"), "by_g")
    rows.group_by("k").agg(n=tw.count(), s=tw.sum("n")).write_sqlite(str(folder / "o.db"), "counts")


def other_counts(session: tw.Session, folder: Path) -> None:
    """Other accumulators of the same keys."""
    rows = session.read_parquet(str(folder / "in.parquet"))
    rows.group_by("k").agg(n=tw.count(), s=tw.max("n")).write_sqlite(str(folder / "o.db"), "counts")


def two_counts(session: tw.Session, folder: Path) -> None:
    """Two steps that keep the same of the same rows, after different filters."""
    rows = session.read_parquet(str(folder / "in.parquet"))
    for name, limit in (("low", 1000), ("high", 2000)):
        some = rows.filter(tw.col("n") >= limit).group_by("k").agg(n=tw.count())
        some.write_sqlite(str(folder / "o.db"), name)


def two_other_counts(session: tw.Session, folder: Path) -> None:
    """The same with other filters: nothing tells which is which."""
    rows = session.read_parquet(str(folder / "in.parquet"))
    for name, limit in (("low", 1001), ("high", 2001)):
        some = rows.filter(tw.col("n") >= limit).group_by("k").agg(n=tw.count())
        some.write_sqlite(str(folder / "o.db"), name)


def run(folder: Path, build: Build, fails: str = "", **how: object) -> None:
    options = {"restart-strategy.type": "none"}
    session = tw.Session(parallelism=2, checkpoint_dir=folder / "kept", options=options)
    build(session, folder)
    with armed(fails):
        session.run("job", mode="stream", options=SMALL, **how)  # type: ignore[arg-type]  # as the test says


def broken_off(folder: Path, build: Build) -> None:
    """A run that fails after some checkpoints."""
    _input(folder)
    with pytest.raises((ThalwegError, OSError)):
        run(folder, build, "checkpoint.trigger:raise:6")


def read(folder: Path, table: str) -> list[tuple[object, ...]]:
    import sqlite3

    with sqlite3.connect(folder / "o.db") as database:
        return sorted(database.execute(f"SELECT * FROM {table}"))


def expected() -> list[tuple[int, int, int]]:
    numbers = range(ROWS)
    return [
        (k, sum(1 for n in numbers if n % 7 == k), sum(n for n in numbers if n % 7 == k)) for k in range(7)
    ]


@pytest.mark.parametrize("build", [counts_of_some, counts_and_more])
def test_state_positions_and_results_are_carried(tmp_path: Path, build: Build) -> None:
    broken_off(tmp_path, counts)
    with pytest.raises(CheckpointError, match="checkpoint-other-program"):
        run(tmp_path, build)
    run(tmp_path, build, upgrade=True)
    assert read(tmp_path, "counts") == expected()
    # the next run is of the same program again
    run(tmp_path, build)
    assert tw.Checkpoints(tmp_path / "kept").list()["lineage"].max() == 2


def test_what_is_new_begins_where_the_source_is(tmp_path: Path) -> None:
    broken_off(tmp_path, counts)
    positions = tw.Checkpoints(tmp_path / "kept").open("job").positions["rows_read"].sum()
    run(tmp_path, counts_and_more, upgrade=True)
    assert 0 < positions < ROWS
    assert sum(int(n) for _, n in read(tmp_path, "by_g")) == ROWS - positions  # type: ignore[call-overload]


def test_a_changed_program_that_fails_before_its_first_checkpoint_may_be_upgraded_again(
    tmp_path: Path,
) -> None:
    broken_off(tmp_path, counts)
    with pytest.raises((ThalwegError, OSError)):
        run(tmp_path, counts_and_more, "checkpoint.taken:raise:1", upgrade=True)
    run(tmp_path, counts_and_more, upgrade=True)
    assert read(tmp_path, "counts") == expected()


def names_but_of_runs(folder: Path) -> list[str]:
    """What is kept, without what each run leaves."""
    return sorted(
        str(p)
        for p in (folder / "kept").rglob("*")
        if "fences" not in p.parts and not p.name.startswith(".lock")
    )


def test_state_is_lost_only_by_name(tmp_path: Path) -> None:
    broken_off(tmp_path, counts)
    before = names_but_of_runs(tmp_path)
    with pytest.raises(CheckpointError, match="upgrade-drops-state") as caught:
        run(tmp_path, other_counts, upgrade=True)
    assert "--drop-state group1.group" in str(caught.value)
    assert names_but_of_runs(tmp_path) == before
    with pytest.raises(CheckpointError, match="upgrade-unknown-step"):
        run(tmp_path, other_counts, upgrade=["group7"])
    positions = tw.Checkpoints(tmp_path / "kept").open("job").positions["rows_read"].sum()
    run(tmp_path, other_counts, upgrade=["group1"])
    table = read(tmp_path, "counts")
    # the groups begin with nothing, and the input goes on where it was
    assert sum(int(n) for _, n, _ in table) == ROWS - positions  # type: ignore[call-overload]
    assert max(int(s) for *_, s in table) == ROWS - 1  # type: ignore[call-overload]


def test_the_state_of_an_unchanged_step_may_be_dropped(tmp_path: Path) -> None:
    broken_off(tmp_path, counts)
    positions = tw.Checkpoints(tmp_path / "kept").open("job").positions["rows_read"].sum()
    run(tmp_path, counts, upgrade=["group1.group"])
    assert sum(int(n) for _, n, _ in read(tmp_path, "counts")) == ROWS - positions  # type: ignore[call-overload]


def test_what_could_be_either_is_refused(tmp_path: Path) -> None:
    broken_off(tmp_path, two_counts)
    with pytest.raises(CheckpointError, match="upgrade-ambiguous") as caught:
        run(tmp_path, two_other_counts, upgrade=True)
    assert "group1.group" in str(caught.value)
    assert "group2.group" in str(caught.value)
    # the program that wrote it still goes on
    run(tmp_path, two_counts)
    assert sum(int(n) for _, n in read(tmp_path, "low")) == ROWS - 1000  # type: ignore[call-overload]


def test_check_says_what_would_become_of_each_part(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from thalweg.cli import main

    broken_off(tmp_path, counts)
    place = sorted((tmp_path / "kept" / "job" / "lineage-0001").glob("checkpoint-*/manifest"))[-1]
    program = tmp_path / "job.py"
    head = "import thalweg as tw\nfrom pathlib import Path\nfrom tests.unit.session.test_upgrade import *\n"
    body = (
        f"s = tw.Session(parallelism=2)\n{{build}}(s, Path({str(tmp_path)!r}))\ns.run('job', mode='stream')\n"
    )

    def check(build: Build, *more: str) -> tuple[int, str]:
        program.write_text(head + body.format(build=build.__name__))
        with pytest.raises(SystemExit) as ended:
            main(["check", str(program), "--against", str(place), *more])
        out = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out.out + out.err

    code, text = check(counts)
    assert (code, "the same program" in text) == (0, True)
    code, text = check(counts_and_more)
    assert code == 0
    assert "carried    state group1.group as group2.group" in text
    assert "begins     state group1.group: group by g" in text
    code, text = check(other_counts)
    assert code == 4
    assert "dropped    state group1.group" in text
    assert "--drop-state group1.group" in text
    assert check(other_counts, "--drop-state", "group1")[0] == 0
