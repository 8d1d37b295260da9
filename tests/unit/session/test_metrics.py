"""The figures of a job: what its rows became, what it holds, and what stays when it has ended."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import thalweg as tw
from tests.unit.session.test_tally import LINES, TABLES, WINDOWS
from thalweg.checkpoint.history import History
from thalweg.checkpoint.manifest import Manifest
from thalweg.errors import StoreError
from thalweg.protocols import metrics as m
from thalweg.protocols.metrics import Metric, Metrics
from thalweg.runtime import metrics as figures
from thalweg.runtime.options import RunOptions
from thalweg.session.execute import Result
from thalweg.session.handle import JobHandle

SMALL = RunOptions(runtime="inline", rows_max=50, checkpoint_batches=4)


def finished(result: Result) -> Metrics:
    """The figures that a stream ended with."""
    assert result.run is not None
    return result.run.figures


def by_step(figures: Metrics, metric: Metric) -> dict[str, float]:
    """The sum over the tasks of each step."""
    steps = dict.fromkeys(s.labels[0] for s in figures.of(metric))
    return {step: figures.total(metric, step=step) for step in steps}


@pytest.mark.slow
def test_rows_that_are_late_or_bad_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    session = tw.Session(parallelism=2, options={"execution.runtime": "inline"})
    session.execute_sql(TABLES.replace("{folder}", str(tmp_path)))
    session.execute_sql(f"INSERT INTO out {WINDOWS}")
    figures = finished(session.run(mode="stream"))
    source = {
        metric.name: figures.total(metric, step="source1")
        for metric in (m.ROWS_IN, m.ROWS_PROCESSED, m.ROWS_QUARANTINED, m.BATCHES_IN)
    }
    assert list(source.values()) == [6, 3, 3, 1], source
    assert figures.total(m.PAIRS_LATE) == figures.total(m.ROWS_LATE) == 1
    # 3 bad rows and the late one
    assert by_step(figures, m.ROWS_ASIDE)["source1"] == 4
    assert figures.total(m.WATERMARK, step="source1", task="0") == 1_767_225_614.0


def test_a_row_that_missed_some_of_its_windows_is_processed() -> None:
    session = tw.Session(parallelism=1)
    session.execute_sql("CREATE TABLE o (s TIMESTAMP(6), n BIGINT) WITH ('connector' = 'blackhole')")
    times = pl.Series("t", [0, 21, 13, 3], dtype=pl.Int64) * 1_000_000
    frame = pl.DataFrame({"t": times.cast(pl.Datetime("us"))})
    session.create_view("c", session.from_polars(frame).assign_watermark("t"))
    # of hopping windows of 20 s every 10 s: 13 has missed the first one, and 3 both
    session.execute_sql(
        """INSERT INTO o SELECT window_start, COUNT(*) FROM HOP(TABLE c, DESCRIPTOR(t), INTERVAL '10' SECOND,
           INTERVAL '20' SECOND) GROUP BY window_start, window_end"""
    )
    figures = finished(session.run(mode="stream"))
    [windows] = [s.labels[2] for s in figures.of(m.PAIRS_LATE) if s.value]
    found = [
        figures.total(metric, operator=windows)
        for metric in (m.OPERATOR_IN, m.OPERATOR_PROCESSED, m.ROWS_LATE, m.PAIRS_LATE)
    ]
    assert found == [4, 3, 1, 3]


def rows(wait: threading.Event) -> Iterator[tuple[int]]:
    yield from ((n % 10,) for n in range(100))
    wait.wait(10)


def counted(session: tw.Session, wait: threading.Event) -> None:
    """Queue a count per key of a hundred rows, after which the source waits."""
    data = session.from_iter(rows(wait), "a BIGINT", name="numbers")
    data.group_by("a").agg(n=tw.count()).write_callback(lambda frame: None, changes=True)


class Asked:
    """A job in another thread, whose session is asked until the figures say what was waited for."""

    def __init__(self, session: tw.Session, name: str) -> None:
        self.session, self.name = session, name
        self.result: Result | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.result = self.session.run(self.name, mode="stream")

    def until(self, metric: Metric, value: float) -> pl.DataFrame:
        """The figures once those of a metric add up to a value."""
        for _ in range(5_000):
            found = self.session.metrics()
            if found.filter(metric=metric.name)["value"].sum() == value:
                return found
            time.sleep(0.002)
        raise AssertionError(f"{metric.name} never was {value}: {found.filter(metric=metric.name)}")

    def end(self) -> Result:
        """What the job did."""
        self._thread.join(10)
        assert self.result is not None
        return self.result


def test_a_running_job_tells_its_figures_and_they_stay() -> None:
    session, wait = tw.Session(parallelism=1), threading.Event()
    counted(session, wait)
    job = Asked(session, "counts")
    now = job.until(m.STATE_ROWS, 10)
    assert set(now["job"]) == {"counts"}
    read = now.filter(metric=m.ROWS_IN.name, step="source1")
    assert read.select("task", "value", "unit", "kind").rows() == [(0, 100.0, "rows", "counter")]
    assert session.metrics("counts")["metric"].to_list() == now["metric"].to_list()
    with pytest.raises(tw.ConfigError) as caught:
        session.metrics("count")
    assert (caught.value.code, caught.value.choices) == ("job-unknown", ("counts",))
    assert session.job("counts").metrics()["metric"].to_list() == now["metric"].to_list()
    wait.set()
    result = job.end()
    assert session.metrics().is_empty()
    last = result.metrics()
    assert last.filter(metric=m.STATE_ROWS.name)["value"].to_list() == [10.0]
    assert last.filter(metric=m.STATE_BYTES.name)["value"].item() > 0
    time.sleep(0.01)
    assert last.equals(result.metrics()), "time stands still when a job has ended"


def test_a_batch_has_no_figures() -> None:
    session = tw.Session()
    session.from_iter([(1,)], "a INT").write_callback(lambda frame: None)
    assert session.run(mode="batch").metrics().is_empty()


def test_figures_hold_nothing_of_the_run_but_numbers() -> None:
    session, wait = tw.Session(parallelism=1), threading.Event()
    wait.set()
    counted(session, wait)
    result = session.run("counts", mode="stream")
    assert result.run is not None
    figures, run = result.run.figures, weakref.ref(result.run)
    del result
    gc.collect()
    assert run() is None
    assert figures.total(m.ROWS_IN, step="source1") == 100


@pytest.mark.parametrize("runtime", ["inline", "threads"])
def test_a_job_that_fails_keeps_the_figures_of_its_end(runtime: str) -> None:
    session = tw.Session(parallelism=1, options={"execution.runtime": runtime})
    runs: list[JobHandle] = []
    session.on_start = runs.append

    def fails(frame: pl.DataFrame) -> None:
        raise ValueError("full")

    session.from_iter([(1,), (2,)], "a INT").write_callback(fails)
    with pytest.raises(Exception, match="full"):
        session.run("j", mode="stream")
    assert runs[0].figures.total(m.ROWS_IN, step="source1") == 2
    assert runs[0].figures == runs[0].figures, "they do not change any more"


def copied(folder: Path) -> tuple[Metrics, list[Metrics]]:
    """A job with checkpoints over 2000 rows: its last figures, and those at each cut."""
    numbers = pl.int_range(0, 2_000, eager=True)
    pl.DataFrame({"n": numbers, "k": numbers % 7}).write_parquet(folder / "in.parquet")
    session = tw.Session(parallelism=1, checkpoint_dir=folder / "kept")
    totals = session.read_parquet(folder / "in.parquet").group_by("k").agg(n=tw.sum("n"))
    totals.write_sqlite(str(folder / "out.db"), "totals")
    seen: list[Metrics] = []

    def on_start(run: JobHandle) -> None:
        def on_cut(number: int) -> None:
            until = time.monotonic() + 10
            # they are written in the background
            while number == 3 and not run.figures.total(m.CHECKPOINTS) and time.monotonic() < until:
                time.sleep(0.002)
            seen.append(run.figures)

        run._run.on_cut = on_cut

    session.on_start = on_start
    result = session.run("totals", mode="stream", options=SMALL)
    return finished(result), seen


@pytest.mark.slow
def test_checkpoints_are_counted_aged_and_weighed(tmp_path: Path) -> None:
    figures, seen = copied(tmp_path)
    first = seen[0]
    assert first.total(m.CHECKPOINTS) == 0
    assert not any(first.of(m.CHECKPOINT)), "there is none yet"
    newest = tw.Checkpoints(tmp_path / "kept").list().row(-1, named=True)
    assert figures.total(m.CHECKPOINT) == newest["number"]
    assert figures.total(m.CHECKPOINTS) > 5
    assert figures.total(m.CHECKPOINTS_FAILED) == 0
    [age, took] = [figures.total(metric) for metric in (m.CHECKPOINT_AGE, m.CHECKPOINT_DURATION)]
    assert 0 <= age < figures.total(m.UPTIME)
    assert 0 < took < figures.total(m.UPTIME)
    assert figures.total(m.CHECKPOINT_WRITTEN) > 0
    held = max(s.total(m.CHECKPOINT_BYTES) for s in [*seen, figures])
    assert held > 0, "the state of seven groups"


@pytest.mark.slow
def test_checkpoints_that_fail_are_counted_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish, calls = History.publish, []

    def sometimes_full(self: History, manifest: Manifest) -> None:
        calls.append(manifest.number)
        if len(calls) in (2, 3, 5):
            raise StoreError("the disk is full", code="store-failed")
        publish(self, manifest)

    monkeypatch.setattr(History, "publish", sometimes_full)
    figures, _ = copied(tmp_path)
    assert figures.total(m.CHECKPOINTS_FAILED) == 3
    assert figures.total(m.CHECKPOINTS) == len(calls) - 3 > 3
    assert figures.total(m.CHECKPOINT) == calls[-1]


@pytest.mark.slow
def test_a_job_that_was_restarted_counts_anew_and_says_how_often(tmp_path: Path) -> None:
    pl.DataFrame({"n": range(2_000)}).write_parquet(tmp_path / "in.parquet")
    strategy = {"type": "fixed-delay", "fixed-delay.attempts": "9", "fixed-delay.delay": "0"}
    options = {f"restart-strategy.{name}": value for name, value in strategy.items()}
    session = tw.Session(parallelism=1, checkpoint_dir=tmp_path / "kept", options=options)
    calls: list[int] = []
    handles: list[JobHandle] = []
    restarts: list[float] = []

    @tw.udf(returns="BIGINT")
    def fragile(n: int) -> int:
        calls.append(n)
        if len(calls) in (700, 1_400):
            raise ValueError("broken")
        return n

    def look(frame: pl.DataFrame) -> None:
        del frame
        restarts.append(handles[0].figures.total(m.RESTARTS))

    session.on_start = handles.append
    rows = session.read_parquet(tmp_path / "in.parquet").select(fragile(tw.col("n")).alias("n"))
    rows.write_callback(look)
    figures = finished(session.run("fragile", mode="stream", options=SMALL))
    assert len(handles) == 1
    assert figures.total(m.RESTARTS) == 2
    assert sorted(set(restarts)) == [0, 1, 2]
    assert figures.total(m.ROWS_IN, step="source1") < 2_000, "those of the last attempt"


class Growing:
    """A state that grows whenever it is looked at, so many times."""

    nbytes = 24

    def __init__(self, times: int) -> None:
        self.times = times

    @property
    def count(self) -> int:
        self.times -= 1
        if self.times >= 0:
            raise RuntimeError("dictionary changed size during iteration")
        return 3


def test_a_state_that_changes_while_it_is_looked_at_is_looked_at_again() -> None:
    assert figures.size_of(Growing(1)) == (3, 24)
    assert figures.size_of(Growing(1000)) is None, "but not for ever"
