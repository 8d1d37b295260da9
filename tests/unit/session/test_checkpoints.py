"""A job with a directory of checkpoints goes on where it was broken off, and says when it may not."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import polars as pl
import pytest

import thalweg as tw
from thalweg.checkpoint import data_files
from thalweg.checkpoint.failpoints import armed
from thalweg.checkpoint.history import History
from thalweg.checkpoint.hold import held
from thalweg.checkpoint.holders import LockedFiles
from thalweg.checkpoint.store import DirectoryStore
from thalweg.connectors.files import staging
from thalweg.errors import CheckpointError, ConfigError, ConnectorError, DataError, PlanError, StoreError
from thalweg.runtime.options import RunOptions
from thalweg.runtime.run import Run
from thalweg.session.checkpoints import Begun, Kept, Load, directory_name

ROWS = 2_000
SMALL = RunOptions(runtime="inline", rows_max=50, checkpoint_batches=4)


class Job:
    """One job over one file, that fails at a row as long as it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fails_at: int | None = None
        self.columns: tuple[str, ...] = ("k", "n")
        folder.mkdir(exist_ok=True)
        numbers = pl.int_range(0, ROWS, eager=True)
        pl.DataFrame({"n": numbers, "k": numbers % 7}).write_parquet(folder / "in.parquet")

    def run(self, *, mode: str = "stream", start: str = "newest", parallelism: int = 2, **more: str) -> None:
        """Run it once, from a session of its own."""

        @tw.udf(returns="BIGINT")
        def checked(n: int) -> int:
            if n == self.fails_at:
                raise ValueError(f"row {self.fails_at}")
            return n

        options = {"restart-strategy.type": "none", **more}
        session = tw.Session(parallelism=parallelism, checkpoint_dir=self.folder / "kept", options=options)
        rows = session.read_parquet(str(self.folder / "in.parquet"))
        made = rows.select(tw.col("k"), checked(tw.col("n")).alias("n"))
        made.select(*self.columns).write_parquet(str(self.folder / "out"))
        session.run("copy", mode=mode, start=start, options=SMALL if mode == "stream" else None)

    def found(self) -> list[int]:
        """The numbers in the output."""
        files = sorted((self.folder / "out").glob("*.parquet"))
        return sorted(pl.concat([pl.read_parquet(f) for f in files])["n"].to_list()) if files else []

    def kept(self) -> list[str]:
        """The checkpoints."""
        return sorted(p.parent.name for p in (self.folder / "kept").rglob("manifest"))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path / "job")


def broken_off(job: Job, row: int = 1_500) -> None:
    """The job has failed at a row."""
    job.fails_at = row
    with pytest.raises(DataError, match="row 1500"):
        job.run()
    job.fails_at = None
    assert job.kept(), "there are checkpoints"
    assert 0 < len(job.found()) < row, "what was committed is seen, and nothing else"


def test_a_job_that_failed_goes_on_and_says_so(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    broken_off(job)
    with caplog.at_level(logging.INFO, "thalweg"):
        job.run()
    assert job.found() == list(range(ROWS))
    assert "the job copy goes on from checkpoint" in caplog.text
    assert "in.parquet {'row':" in caplog.text


@pytest.mark.parametrize("parallelism", [1, 3])
def test_a_job_goes_on_at_another_parallelism(job: Job, parallelism: int) -> None:
    broken_off(job)
    job.run(parallelism=parallelism)
    assert job.found() == list(range(ROWS))


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file, but for that of whoever holds the job."""
    files = (p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".lock"))
    return {p: p.read_bytes() for p in files}


def test_an_end_that_a_stopped_run_might_undo_is_there_for_good(
    job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    """It began before the end was there, and will say that it goes on from an earlier checkpoint."""
    job.run()
    folder = job.folder / "kept"
    history = History(DirectoryStore(str(folder)), directory_name("copy"))
    lineage, end = history.newest()
    assert lineage is not None
    assert end is not None
    stopped = history.take_fence()
    job.run()
    assert history.bases()[history.highest_fence()] == (end, lineage)
    history.record_base(stopped, None, lineage)
    before = contents(job.folder)
    with caplog.at_level(logging.INFO, "thalweg"):
        job.run()
    assert "has reached its end" in caplog.text
    assert history.newest() == (lineage, end)
    assert job.found() == list(range(ROWS))
    assert contents(job.folder) == before, "what is settled is not settled once more"


@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_a_job_that_has_ended_does_nothing(job: Job, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    job.run(mode=mode)
    assert job.found() == list(range(ROWS))
    before = contents(job.folder)
    with caplog.at_level(logging.INFO, "thalweg"):
        job.run(mode=mode)
    assert "has reached its end" in caplog.text
    assert contents(job.folder) == before


def test_a_batch_commits_nothing_before_its_end(job: Job) -> None:
    job.fails_at = 1_999
    with pytest.raises(DataError, match="row 1999"):
        job.run(mode="batch")
    assert (job.found(), job.kept()) == ([], [])
    job.fails_at = None
    job.run(mode="batch")
    assert job.found() == list(range(ROWS))


def test_a_fresh_start_has_a_lineage_of_its_own(job: Job) -> None:
    job.run()
    first = job.kept()
    job.run(start="fresh")
    assert job.found() == sorted([*range(ROWS), *range(ROWS)]), "the input is read again"
    assert set(first) < set(job.kept()), "nothing is deleted"
    assert len(list((job.folder / "kept" / "copy").glob("lineage-*"))) == 2


def test_a_job_goes_on_from_the_checkpoint_that_is_named(job: Job) -> None:
    broken_off(job)
    oldest = job.kept()[0]
    number = int(oldest.split("-")[1])
    committed = len(job.found())
    job.run(start=str(number))
    found = job.found()
    assert set(found) == set(range(ROWS))
    assert len(found) > ROWS or committed == 0, "rows behind the older checkpoint come again"
    path = job.folder / "kept" / "copy" / "lineage-0001" / oldest
    job.run(start=str(path))
    assert set(job.found()) == set(range(ROWS))


@pytest.mark.parametrize("is_fresh", [True, False])
def test_who_begins_elsewhere_is_not_stopped_by_a_damaged_checkpoint(job: Job, is_fresh: bool) -> None:
    broken_off(job)
    *_, older, newest = (job.folder / "kept" / "copy" / "lineage-0001" / name for name in job.kept())
    damaged = (newest / "manifest").read_bytes()[:-1]
    (newest / "manifest").write_bytes(damaged)
    with pytest.raises(CheckpointError, match="checkpoint-damaged"):
        job.run()
    job.run(start="fresh" if is_fresh else str(int(older.name.split("-")[1])))
    assert set(job.found()) == set(range(ROWS))
    assert (newest / "manifest").read_bytes() == damaged, "nothing is deleted"
    shown = job.found()
    job.run()
    assert job.found() == shown, "the new lineage has reached its end"


def test_a_checkpoint_that_is_not_there_is_named_with_those_that_are(job: Job) -> None:
    broken_off(job)
    with pytest.raises(CheckpointError, match='no complete checkpoint "9999"') as error:
        job.run(start="9999")
    assert error.value.choices == tuple(str(int(n.split("-")[1])) for n in job.kept())


def test_a_changed_program_is_refused_and_nothing_is_changed(job: Job) -> None:
    broken_off(job)
    before = job.found()
    job.columns = ("n",)
    with pytest.raises(CheckpointError, match="checkpoint-other-program"):
        job.run()
    assert job.found() == before
    job.columns = ("k", "n")
    job.run()
    assert job.found() == list(range(ROWS))


def test_one_process_runs_a_job(job: Job) -> None:
    with (
        held(LockedFiles(str(job.folder / "kept" / "copy")), "copy"),
        pytest.raises(ConfigError, match="job-already-running"),
    ):
        job.run()
    job.run()


def test_what_fails_in_a_job_that_was_taken_over_is_told_as_that(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may fail first because of what the process that took it over has changed."""
    holders = LockedFiles(str(job.folder / "kept" / "copy"))
    job.fails_at = 1_500
    begun = Kept.begun

    @contextmanager
    def taken_over(kept: Kept, load: Load) -> Iterator[Begun]:
        with begun(kept, load) as found:
            assert holders.add(2, b"another process")
            yield found

    monkeypatch.setattr(Kept, "begun", taken_over)
    with pytest.raises(CheckpointError, match="was taken over by another process") as caught:
        job.run()
    holders.close()
    assert caught.value.code == "checkpoint-overtaken"
    assert "row 1500" in str(caught.value.__cause__)


def test_a_job_that_was_taken_over_takes_no_number_any_more(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(job)
    holders = LockedFiles(str(job.folder / "kept" / "copy"))
    highest = History.highest_fence

    def taken_over(history: History) -> int:
        holders.add(3, b"another process")
        return highest(history)

    monkeypatch.setattr(History, "highest_fence", taken_over)
    before = [p.name for p in (job.folder / "kept" / "copy" / "fences").iterdir()]
    with pytest.raises(CheckpointError, match="was taken over by another process"):
        job.run()
    holders.close()
    assert [p.name for p in (job.folder / "kept" / "copy" / "fences").iterdir()] == before


def test_much_state_is_checked_while_it_is_loaded_and_before_anything_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the checkpoint has staged is not shown as long as one of its files is damaged."""
    monkeypatch.setattr(data_files, "_MANY_BYTES", 0)
    numbers = pl.DataFrame({"n": range(ROWS)}).with_columns(k=pl.col("n") % 7)

    def run() -> None:
        session = tw.Session(checkpoint_dir=tmp_path / "kept", options={"restart-strategy.type": "none"})
        rows = session.from_polars(numbers)
        rows.group_by("k").agg(n=tw.sum("n")).write_json(str(tmp_path / "out"), changelog="ops")
        session.run("totals", mode="stream", options=SMALL)

    def shown() -> list[str]:
        return sorted(p.name for p in (tmp_path / "out").glob("*.jsonl"))

    # it is there, and not committed
    with armed("checkpoint.published:raise:3"), pytest.raises(OSError, match="failpoint"):
        run()
    before = shown()
    _, place = History(DirectoryStore(str(tmp_path / "kept")), "totals").newest()
    assert place is not None
    assert place.number > 1
    files = History(DirectoryStore(str(tmp_path / "kept")), "totals").manifest(place).files
    for name in files:
        file = tmp_path / "kept" / "totals" / "data" / name
        good = file.read_bytes()
        file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        with pytest.raises(CheckpointError, match="hash"):
            run()
        assert shown() == before
        file.write_bytes(good)
    run()
    found = pl.concat(pl.read_ndjson(tmp_path / "out" / name) for name in shown())
    sums = found.group_by("k").agg(
        pl.col("n").filter(pl.col("op").str.starts_with("+")).sum()
        - pl.col("n").filter(pl.col("op").str.starts_with("-")).sum()
    )
    assert sums.sort("k").equals(numbers.group_by("k").agg(pl.col("n").sum()).sort("k"))


def test_only_some_checkpoints_are_kept(job: Job) -> None:
    job.run(**{"execution.checkpointing.num-retained": "2"})
    assert len(job.kept()) == 2


def test_a_directory_that_is_none_is_refused(job: Job) -> None:
    (job.folder / "kept").write_text("mine")
    with pytest.raises(StoreError, match="store-failed"):
        job.run()
    assert (job.folder / "kept").read_text() == "mine"


def test_a_job_with_checkpoints_needs_a_name(tmp_path: Path) -> None:
    session = tw.Session(checkpoint_dir=tmp_path)
    session.from_polars(pl.DataFrame({"a": [1]})).write_parquet(str(tmp_path / "out"))
    with pytest.raises(ConfigError, match="needs a name"):
        session.run()


def test_names_of_jobs_are_names_of_directories() -> None:
    assert directory_name("../a b/ü") == "%2e%2e%2fa%20b%2fü"
    with pytest.raises(ConfigError, match="needs a name"):
        directory_name("x" * 300)


def test_a_file_of_a_run_that_has_gone_is_not_shown(job: Job) -> None:
    broken_off(job)
    (state,) = {p.name.split("-")[3] for p in (job.folder / "out").glob("part-*")}
    left = job.folder / "out" / f".part-0-77-{state}-1-1.parquet.writing"
    left.write_bytes(b"PAR1")
    foreign = job.folder / "out" / ".part-0-0-ffffffff-1-1.parquet.writing"
    foreign.write_bytes(b"PAR1")
    job.run()
    assert (left.exists(), foreign.exists()) == (False, True)
    assert job.found() == list(range(ROWS))


@pytest.mark.parametrize("interval", ["0 s", "soon"])
def test_an_interval_that_is_none_is_refused(tmp_path: Path, interval: str) -> None:
    with pytest.raises(ConfigError, match="config-value"):
        tw.Session(options={"execution.checkpointing.interval": interval})


@pytest.mark.slow
def test_a_live_job_takes_checkpoints_by_the_clock_and_a_last_one_when_it_is_stopped(tmp_path: Path) -> None:
    def run(rows: int) -> int:
        """Until so many rows were read in this run; how many checkpoints are kept then."""
        session = tw.Session(
            parallelism=1,
            checkpoint_dir=tmp_path / "kept",
            options={"execution.checkpointing.interval": "40 ms"},
        )
        session.execute_sql(
            "CREATE TABLE e (a BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '2000', "
            "'fields.a.kind' = 'sequence', 'fields.a.start' = '0', 'fields.a.end' = '1000000')"
        )
        session.table("e").write_json(str(tmp_path / "out"))
        runs: list[Run] = []
        session.on_start = runs.append
        job = threading.Thread(target=session.run, args=["live"], kwargs={"mode": "stream"})
        job.start()
        while not runs or runs[0].rows_read < rows:
            time.sleep(0.01)
        runs[0].stop()
        job.join(30)
        return len(list((tmp_path / "kept").rglob("manifest")))

    for _ in range(3):
        assert run(400) == 3, "as many as are retained"
    files = [pl.read_ndjson(f) for f in sorted((tmp_path / "out").glob("*.jsonl")) if f.stat().st_size]
    found = sorted(pl.concat(files)["a"])
    assert len(found) >= 1200
    assert found == list(range(len(found))), "no row is lost or there twice"


def test_a_commit_that_broke_off_is_completed_by_whoever_goes_on_from_it(job: Job) -> None:
    job.fails_at = 1_500
    with armed("checkpoint.published:raise:3"), pytest.raises((DataError, OSError)):
        job.run()
    job.fails_at = None
    (number,) = {int(n.split("-")[1]) for n in job.kept()[-1:]}
    before = len(job.found())
    job.run(start="fresh")
    assert len(job.found()) == before + ROWS, "a fresh start commits its own rows alone"
    for _ in range(2):
        job.run(start=str(number))
    found = job.found()
    assert set(found) == set(range(ROWS))
    once = [n for n in set(found) if found.count(n) == 2]
    assert len(once) == 3 * 200, (
        "what was staged for the checkpoint is there, once, and once of the fresh start"
    )


class FullOnce(DirectoryStore):
    """Where progress is recorded: for the second sink it fails once, while a reader takes what is shown."""

    has_failed = False

    def put(self, name: str, data: bytes) -> None:
        folder = Path(self.describe())
        if folder.name == "second" and not FullOnce.has_failed and json.loads(data)["numbers"]["1"] >= 4:
            FullOnce.has_failed = True
            for part in (folder.parent / "first").glob("*.parquet"):
                part.rename(folder.parent / part.name)
            raise self._failed("written", name, OSError(28, "No space left on device"))
        super().put(name, data)


@pytest.mark.parametrize("strategy", ["none", "fixed-delay"])
@pytest.mark.parametrize("first", ["sqlite", "files"])
def test_what_a_sink_has_shown_when_another_one_fails_is_not_shown_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, strategy: str
) -> None:
    """A commit that fails is no checkpoint that fails, whose rows come with the next one."""
    monkeypatch.setattr(FullOnce, "has_failed", False)
    monkeypatch.setattr(staging, "_store", lambda disk, directory: FullOnce(directory, disk))
    pl.DataFrame({"n": range(ROWS)}).write_parquet(tmp_path / "in.parquet")
    options = {"restart-strategy.type": strategy, "restart-strategy.fixed-delay.delay": "0"}

    def run() -> int:
        session = tw.Session(parallelism=1, checkpoint_dir=tmp_path / "kept", options=options)
        rows = session.read_parquet(str(tmp_path / "in.parquet"))
        if first == "sqlite":
            rows.write_sqlite(tmp_path / "out.db", "numbers")
        else:
            rows.write_parquet(tmp_path / "out" / "first")
        rows.write_parquet(tmp_path / "out" / "second")
        return session.run("numbers", mode="stream", options=SMALL).restarts

    if strategy == "none":
        with pytest.raises(ConnectorError, match="No space left"):
            run()
        run()
    else:
        assert run() == 1
    assert FullOnce.has_failed
    if first == "sqlite":
        with closing(sqlite3.connect(tmp_path / "out.db")) as database:
            shown = [n for (n,) in database.execute("SELECT n FROM numbers")]
    else:
        assert list((tmp_path / "out").glob("*.parquet")), "a reader has taken some"
        shown = _numbers(tmp_path / "out", "*.parquet", "first/*.parquet")
    assert sorted(shown) == list(range(ROWS))
    assert _numbers(tmp_path / "out", "second/*.parquet") == list(range(ROWS))


def _numbers(folder: Path, *patterns: str) -> list[int]:
    return sorted(n for p in patterns for part in folder.glob(p) for n in pl.read_parquet(part)["n"])


@pytest.mark.slow
@pytest.mark.parametrize("point", ["store.partial", "store.written", "store.synced", "store.renamed"])
def test_a_disk_that_fails_once_costs_no_row(job: Job, point: str) -> None:
    failed = 0
    for nth in range(1, 40):
        each = Job(job.folder / str(nth))
        with armed(f"{point}:raise:{nth}") as points:
            try:
                each.run()
            except (StoreError, ConnectorError):
                # before the first row, at the last commit, or when a sink cannot commit; it goes on
                failed += 1
        each.run()
        assert each.found() == list(range(ROWS)), f"{point} {nth}"
        if points.reached[point] < nth:
            break
    assert 0 < failed < nth, "some failures stop the job, others only cost a checkpoint"


def test_a_job_that_promises_less_than_it_is_asked_for_is_refused(job: Job, tmp_path: Path) -> None:
    def session(where: Path | None) -> tw.Session:
        made = tw.Session(checkpoint_dir=where)
        made.read_parquet(str(job.folder / "in.parquet")).write_parquet(str(tmp_path / "out"))
        return made

    kept = session(tmp_path / "kept")
    kept.run("copy", guarantee="exactly_once")
    with pytest.raises(PlanError, match="no directory of checkpoints"):
        session(None).run("copy", guarantee="exactly_once")
    kept.read_parquet(str(job.folder / "in.parquet")).write_callback(print)
    with pytest.raises(PlanError, match=r"plan-guarantee.*\n.*\n.*each row once\n.*at least once"):
        kept.run("copy", guarantee="exactly_once")
    generated = tw.Session(checkpoint_dir=tmp_path / "kept")
    rows = generated.from_iter(({"n": n} for n in range(3)), "n BIGINT", name="numbers")
    rows.write_parquet(str(tmp_path / "numbers"))
    with pytest.raises(PlanError, match="numbers cannot be read again"):
        generated.run("numbers", guarantee="exactly_once")
    with pytest.raises(ConfigError, match="there is no guarantee"):
        generated.run("numbers", guarantee="never")  # type: ignore[arg-type]
