"""A savepoint is a checkpoint by itself: it can be moved, and a job goes on from it wherever it is."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import polars as pl
import pytest

import thalweg as tw
from thalweg.checkpoint.failpoints import armed
from thalweg.checkpoint.history import History
from thalweg.checkpoint.store import DirectoryStore
from thalweg.cli.entry import run as thalweg
from thalweg.errors import CheckpointError, ConfigError, ConnectorError, DataError, StoreError
from thalweg.runtime.options import RunOptions
from thalweg.session.handle import JobHandle

ROWS = 2_000
SMALL = RunOptions(runtime="inline", rows_max=50, checkpoint_batches=4)


@pytest.fixture(autouse=True)
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Jobs of other processes are not in the way; the path of a socket is short."""
    made = tempfile.mkdtemp(prefix="tw")
    monkeypatch.setenv("XDG_RUNTIME_DIR", made)
    yield
    shutil.rmtree(made)


class Live:
    """A job whose input goes on: numbers into files, and counts by key into a database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def running(self, kept: str | None, *, start: str = "newest", rows: int = 300) -> Iterator[JobHandle]:
        """The job in another thread, when it has read some rows; it has ended behind this."""
        options = {"execution.checkpointing.interval": "50 ms", "execution.checkpointing.num-retained": "1"}
        where = None if kept is None else self.folder / kept
        session = tw.Session(parallelism=1, checkpoint_dir=where, options=options)
        session.execute_sql(
            "CREATE TABLE e (a BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '2000', "
            "'fields.a.kind' = 'sequence', 'fields.a.start' = '0', 'fields.a.end' = '1000000')"
        )
        session.table("e").write_parquet(self.folder / "out")
        counts = session.table("e").group_by(k=tw.col("a") % 5).agg(n=tw.count(), last=tw.max("a"))
        counts.write_sqlite(self.folder / "out.db", "counts")
        handles: list[JobHandle] = []
        session.on_start = handles.append
        how = {"mode": "stream", "start": start}
        job = threading.Thread(target=session.run, args=["live"], kwargs=how)
        job.start()
        while job.is_alive() and (not handles or handles[0].rows_read < rows):
            time.sleep(0.005)
        assert session.job("live") is handles[0]
        try:
            yield handles[0]
        finally:
            handles[0].stop()
            job.join()

    def numbers(self) -> list[int]:
        """What is in the files."""
        return sorted(a for f in (self.folder / "out").glob("*.parquet") for a in pl.read_parquet(f)["a"])

    def check(self) -> None:
        """All numbers are there once, from 0 on, and all are counted once."""
        found = self.numbers()
        assert found == list(range(len(found)))
        with closing(sqlite3.connect(self.folder / "out.db")) as database:
            counts = dict(database.execute("SELECT k, n FROM counts"))
        assert sum(counts.values()) == len(found)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_a_job_that_was_stopped_goes_on_from_its_savepoint_in_another_place(tmp_path: Path) -> None:
    job = Live(tmp_path)
    with job.running("kept") as handle:
        saving = handle.stop(savepoint=True)
        assert saving is not None
        path = Path(saving.wait(60))
    job.check()
    before = len(job.numbers())
    assert path.parent == tmp_path / "kept" / "live" / "savepoints"
    assert tw.Checkpoint.at(path).positions["rows_read"].sum() == before, "it is the last checkpoint"
    moved = tmp_path / "moved"
    shutil.move(path, moved)
    shutil.rmtree(tmp_path / "kept")
    with job.running("other", start=str(moved)):
        pass
    # once more, from the checkpoints of the new place
    with job.running("other"):
        pass
    job.check()
    assert len(job.numbers()) >= before + 600
    opened = json.loads((tmp_path / "other" / "live" / "lineage-0001" / "opened").read_text())
    assert opened["savepoint"]["path"] == str(moved)
    assert f"since the savepoint {moved}" in repr(tw.Checkpoints(tmp_path / "other").open("live"))
    assert moved.is_dir(), "nobody removes a savepoint"


def test_a_savepoint_of_a_running_job_has_all_that_was_read_before(tmp_path: Path) -> None:
    job = Live(tmp_path)
    with job.running("kept") as handle:
        read = handle.rows_read
        path = handle.save(tmp_path / "backups", timeout=60)
        assert handle.state == "running"
        found = tw.Checkpoint.at(path)
        assert found.positions["rows_read"].sum() >= read
        number = found.number
        while len(job.numbers()) < read + 1_000:
            time.sleep(0.01)
    job.check()
    listed = tw.Checkpoints(tmp_path / "kept").list()
    assert (listed["number"] > number).all(), "its checkpoint was removed long ago"
    tw.Checkpoint.at(path).verify()
    assert found.state("group1.group").height == 5


def test_a_savepoint_that_cannot_be_written_is_no_matter_of_the_job(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    job = Live(tmp_path)
    with job.running("kept") as handle:
        with pytest.raises(StoreError, match="store-failed"):
            handle.save(tmp_path / "taken", timeout=60)
        assert Path(handle.save(timeout=60)).is_dir()
    job.check()


def test_a_savepoint_that_comes_late_is_told(tmp_path: Path) -> None:
    with Live(tmp_path).running("kept") as handle, pytest.raises(CheckpointError, match="savepoint-late"):
        handle.save(timeout=0)


def test_without_checkpoints_nothing_is_saved(tmp_path: Path) -> None:
    with Live(tmp_path).running(None) as handle:
        with pytest.raises(ConfigError, match="savepoint-no-checkpoints"):
            handle.save()
        with pytest.raises(ConfigError, match="savepoint-no-checkpoints"):
            handle.stop(savepoint=True)
        with pytest.raises(ConfigError, match="savepoint-drained"):
            handle.stop(savepoint=True, drain=True)
        assert handle.state == "running"


def test_a_job_that_is_being_stopped_takes_no_other_savepoint(tmp_path: Path) -> None:
    with Live(tmp_path).running("kept") as handle:
        handle.stop()
        saving = handle.stop(savepoint=tmp_path / "late")
        assert saving is not None
        with pytest.raises(CheckpointError, match="being stopped already"):
            saving.wait()
    with pytest.raises(CheckpointError, match="savepoint-not-taken"):
        handle.save(timeout=60)


def test_a_running_job_is_saved_and_stopped_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str) -> str:
        assert thalweg(arguments) == 0
        return capsys.readouterr().out.strip()

    job = Live(tmp_path)
    with job.running("kept"):
        first = said("checkpoint", "save", "live", "--to", str(tmp_path / "backups"))
        assert Path(first).parent == tmp_path / "backups"
        assert thalweg(["stop", "live", "--savepoint", str(tmp_path / "out.db")]) == 4
        assert "CheckpointError [store-failed]" in capsys.readouterr().err
    with job.running("kept"):
        last = said("stop", "live", "--savepoint")
        assert Path(last).parent == tmp_path / "kept" / "live" / "savepoints"
    job.check()
    assert said("checkpoint", "verify", last) == "the savepoint is whole"
    assert "savepoint" in said("checkpoint", "show", first)
    kept = str(tmp_path / "kept")
    listed = [json.loads(line) for line in said("checkpoint", "list", kept, "--json").splitlines()]
    assert [r["savepoint"] for r in listed if r["savepoint"]] == [last]
    assert said("checkpoint", "verify", kept) == f"{len(listed)} checkpoints are whole"
    # of a job that does not run
    again = said("checkpoint", "save", "live", "--checkpoint-dir", kept, "--to", str(tmp_path / "later"))
    assert tw.Checkpoint.at(again).positions.equals(tw.Checkpoint.at(last).positions)
    assert said("checkpoint", "delete", last) == ""
    assert not Path(last).exists()
    assert thalweg(["checkpoint", "delete", last]) == 2
    assert thalweg(["stop", "live", "--savepoint", "--drain"]) == 2
    assert thalweg(["checkpoint", "save", "live"]) == 2


class Broken:
    """A job over a file that fails, and is run again from wherever one says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fails_at: int | None = None
        numbers = pl.int_range(0, ROWS, eager=True)
        folder.mkdir(exist_ok=True)
        pl.DataFrame({"n": numbers, "k": numbers % 7}).write_parquet(folder / "in.parquet")

    def run(self, kept: str, start: str = "newest") -> None:
        @tw.udf(returns="BIGINT")
        def checked(n: int) -> int:
            if n == self.fails_at:
                raise ValueError(f"row {self.fails_at}")
            return n

        options = {"restart-strategy.type": "none"}
        session = tw.Session(parallelism=2, checkpoint_dir=self.folder / kept, options=options)
        rows = session.read_parquet(self.folder / "in.parquet").select(checked(tw.col("n")).alias("n"))
        rows.write_parquet(self.folder / "out")
        rows.write_sqlite(self.folder / "out.db", "rows")
        session.run("copy", mode="stream", start=start, options=SMALL)

    def found(self) -> tuple[list[int], list[int]]:
        """The numbers in the files and in the database."""
        files = sorted(n for f in (self.folder / "out").glob("*.parquet") for n in pl.read_parquet(f)["n"])
        with closing(sqlite3.connect(self.folder / "out.db")) as database:
            return files, sorted(n for (n,) in database.execute("SELECT n FROM rows"))

    def broken_off(self) -> None:
        self.fails_at = 1_500
        with pytest.raises(DataError, match="row 1500"):
            self.run("kept")
        self.fails_at = None


@pytest.fixture
def job(tmp_path: Path) -> Broken:
    return Broken(tmp_path / "job")


ALL = list(range(ROWS))


def saved(job: Broken, number: int | None = None) -> str:
    return tw.Checkpoints(job.folder / "kept").open("copy", number).save()


@pytest.mark.parametrize("kept", ["kept", "other"])
def test_what_was_not_committed_yet_is_committed_once(job: Broken, kept: str) -> None:
    job.fails_at = 1_500
    with armed("checkpoint.published:raise:3"), pytest.raises((DataError, OSError)):
        job.run("kept")
    job.fails_at = None
    path = saved(job)
    assert [len(n) for n in job.found()] == [400, 400], "the third checkpoint is not committed"
    job.run(kept, path)
    assert job.found() == (ALL, ALL)


def test_what_the_job_has_committed_since_is_not_committed_again(job: Broken) -> None:
    job.fails_at = 1_500
    with armed("checkpoint.published:raise:3"), pytest.raises((DataError, OSError)):
        job.run("kept")
    job.fails_at = None
    path = saved(job)
    read = tw.Checkpoint.at(path).positions["rows_read"].sum()
    job.run("kept")
    assert job.found() == (ALL, ALL)
    job.run("other", path)
    # what came behind the savepoint is written by both, what was staged for it by one
    twice = sorted([*ALL, *range(read, ROWS)])
    assert job.found() == (twice, twice)


def test_a_checkpoint_of_another_directory_is_as_good(job: Broken) -> None:
    job.broken_off()
    (newest,) = [p.parent for p in sorted((job.folder / "kept").rglob("manifest"))[-1:]]
    job.run("other", str(newest))
    assert job.found() == (ALL, ALL)


def test_retention_leaves_savepoints_alone(job: Broken) -> None:
    job.broken_off()
    path = saved(job)
    wanted = tw.Checkpoint.at(path).positions
    job.run("kept")
    history = History(DirectoryStore(str(job.folder / "kept")), "copy")
    history.retain(1, 1, history.highest_fence(), grace=-1.0)
    for place in history.places(1):
        history.remove(place)
    history.retain(1, 1, history.highest_fence(), grace=-1.0)
    assert not list((job.folder / "kept" / "copy" / "data").glob("*"))
    tw.Checkpoint.at(path).verify()
    assert tw.Checkpoint.at(path).positions.equals(wanted)


def test_a_savepoint_is_taken_of_any_checkpoint_and_twice_is_once(job: Broken) -> None:
    job.broken_off()
    numbers = tw.Checkpoints(job.folder / "kept").list()["number"].to_list()
    first = saved(job, numbers[0])
    assert saved(job, numbers[0]) == first
    assert tw.Checkpoint.at(first).number == numbers[0]
    assert saved(job) != first
    listed = tw.Checkpoints(job.folder / "kept").list("copy")
    assert listed["savepoint"].drop_nulls().to_list()[0] == first


def test_a_savepoint_of_another_job_is_not_written_over(job: Broken, tmp_path: Path) -> None:
    job.broken_off()
    other = Broken(tmp_path / "second")
    other.broken_off()
    to = tmp_path / "saved"
    path = tw.Checkpoints(job.folder / "kept").open("copy").save(to)
    before = Path(path, "manifest").read_bytes()
    with pytest.raises(CheckpointError, match="savepoint-exists"):
        tw.Checkpoints(other.folder / "kept").open("copy").save(to)
    assert Path(path, "manifest").read_bytes() == before


@pytest.mark.parametrize("damage", ["manifest", "data", "gone"])
def test_a_damaged_savepoint_is_refused_and_nothing_is_deleted(job: Broken, damage: str) -> None:
    job.broken_off()
    path = Path(saved(job))
    # rows that are staged for the database
    file = path / "manifest" if damage == "manifest" else next((path / "data").iterdir())
    content = file.read_bytes()
    file.unlink()
    if damage != "gone":
        file.write_bytes(content[:-3] + b"abc")
    before = job.found()
    with pytest.raises(CheckpointError, match="checkpoint-damaged"):
        tw.Checkpoint.at(path).verify()
    with pytest.raises(CheckpointError, match="checkpoint-damaged"):
        job.run("other", str(path))
    assert job.found() == before
    assert path.is_dir()
    # the one that it was taken of has other bytes
    job.run("kept")
    assert job.found() == (ALL, ALL)


def test_a_savepoint_of_another_program_is_refused(job: Broken, tmp_path: Path) -> None:
    job.broken_off()
    path = saved(job)
    session = tw.Session(checkpoint_dir=tmp_path / "other")
    session.read_parquet(job.folder / "in.parquet").write_parquet(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match="checkpoint-other-program"):
        session.run("copy", mode="stream", start=path)


def test_what_is_no_savepoint_is_refused(job: Broken, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no savepoint"):
        tw.Checkpoint.at(tmp_path)
    with pytest.raises(CheckpointError, match="no complete checkpoint"):
        job.run("kept", str(tmp_path))
    job.broken_off()
    newest = sorted((job.folder / "kept").rglob("manifest"))[-1]
    shutil.copy(newest, tmp_path / "manifest")
    with pytest.raises(CheckpointError, match="of a checkpoint that is elsewhere"):
        tw.Checkpoint.at(tmp_path)


def test_deleting_a_savepoint_leaves_what_is_not_its_own(job: Broken, tmp_path: Path) -> None:
    job.broken_off()
    path = Path(saved(job))
    (path / "notes.txt").write_text("mine")
    assert thalweg(["checkpoint", "delete", str(path)]) == 0
    assert [p.name for p in path.iterdir()] == ["notes.txt"]
    job.run("kept")
    assert job.found() == (ALL, ALL)
    newest = sorted((job.folder / "kept").rglob("manifest"))[-1].parent
    assert thalweg(["checkpoint", "delete", str(newest)]) == 4, "a checkpoint is deleted by its number"
    assert newest.is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("point", ["store.synced", "store.renamed"])
def test_a_disk_that_fails_while_a_savepoint_is_taken_up_costs_no_row(tmp_path: Path, point: str) -> None:
    job = Broken(tmp_path / "job")
    job.fails_at = 1_500
    with armed("checkpoint.published:raise:3"), pytest.raises((DataError, OSError)):
        job.run("kept")
    job.fails_at = None
    path = saved(job)
    shutil.copytree(job.folder, tmp_path / "before")
    failed = 0
    for nth in range(1, 11):
        shutil.rmtree(job.folder)
        shutil.copytree(tmp_path / "before", job.folder)
        with armed(f"{point}:raise:{nth}"):
            try:
                job.run("other", path)
            except (StoreError, ConnectorError):
                failed += 1
        # whether it was taken up
        has_begun = "copy" in tw.Checkpoints(job.folder / "other").jobs()
        job.run("other", "newest" if has_begun else path)
        assert job.found() == (ALL, ALL), f"{point} {nth}"
    assert failed > 3
