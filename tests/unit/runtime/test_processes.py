"""Functions of the user run in worker processes: the same results, errors and checkpoints as in this one.

How messages are carried is in test_wire.py; kills of the whole job in tests/chaos.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import ConfigError, DataError, ExternalError, PlanError
from thalweg.runtime.options import RunOptions
from thalweg.session.handle import JobHandle

START = datetime(2026, 1, 1)
ROWS = 3_000
AT_ONCE = {"restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.delay": "0"}


@dataclass
class Seen:
    """What is known of a key."""

    rows: int = 0
    last: list[int] = field(default_factory=list)


class Visits(tw.ProcessFunction):
    """State of several kinds, timers, a side output and the key."""

    count: int = 0
    seen: Seen | None = None
    until: datetime | None = None

    def __init__(self, fails_at: int | None = None) -> None:
        self.fails_at = fails_at

    def on_event(self, row: Any) -> Iterator[tuple[object, ...]]:
        if row.n == self.fails_at:
            raise ValueError(f"no {row.n}")
        self.count += 1
        self.seen = Seen() if self.seen is None else self.seen
        self.seen.rows += 1
        self.seen.last = [*self.seen.last[-2:], row.n]
        if self.count % 10 == 0:
            self.emit("tenths", (row.k, row.n))
        if self.until is not None:
            self.delete_timer(self.until)
        self.until = row.ts + timedelta(seconds=7)
        self.set_timer(self.until)
        yield self.key.k, "row", self.count, str(self.seen.last)

    def on_timer(self) -> Iterator[tuple[object, ...]]:
        yield self.key.k, "quiet", self.count, None
        self.until = None


class Paid(tw.CoProcessFunction):
    """Takes both sides."""

    paid: int = 0

    def on_left(self, row: Any) -> Iterator[tuple[int, int]]:
        yield row.k, self.paid

    def on_right(self, row: Any) -> None:
        self.paid += row.n


class Limits(tw.BroadcastProcessFunction):
    """Rules for all keys."""

    limits: tw.Broadcast[str, int]
    count: int = 0

    def on_broadcast(self, row: Any) -> None:
        self.limits["most"] = row.n

    def on_event(self, row: Any) -> Iterator[tuple[int, int]]:
        self.count += 1
        if self.count > self.limits.get("most", 1 << 60):
            yield row.k, self.count


class Sums(tw.ColumnFunction):
    """By column."""

    total: int = 0

    def on_events(self, rows: pl.DataFrame) -> pl.DataFrame:
        self.total = self.total + rows["n"].to_numpy()
        return pl.DataFrame({"k": rows["k"], "n": self.total})


VISITS = "k BIGINT, what STRING, n BIGINT, text STRING"
PAIR = "k BIGINT, n BIGINT"
SIDES = {"tenths": PAIR}


def frame(rows: int = ROWS) -> pl.DataFrame:
    times = [START + timedelta(seconds=n // 2) for n in range(rows)]
    return pl.DataFrame({"k": [n * 7 % 31 for n in range(rows)], "n": range(rows), "ts": times})


def timed(session: tw.Session, rows: pl.DataFrame | None = None) -> tw.Dataset:
    read = session.from_polars(frame() if rows is None else rows)
    return read.assign_watermark("ts", "2 seconds")


def doubled(n: int) -> int:
    return 2 * n


def visits(session: tw.Session) -> tw.Dataset:
    return timed(session).key_by("k").process(Visits(), VISITS, sides=SIDES)


def tenths(session: tw.Session) -> tw.Dataset:
    return visits(session).side("tenths")


def failed(session: tw.Session) -> tw.Dataset:
    made = timed(session).key_by("k").process(Visits(17), VISITS, sides=SIDES)
    return made.failed().select("position", "row", "error")


def two_inputs(session: tw.Session) -> tw.Dataset:
    left, right = timed(session), timed(session)
    return left.key_by("k").connect(right.key_by("k")).process(Paid(), PAIR)


def rules(session: tw.Session) -> tw.Dataset:
    rule = timed(session, frame(100).tail(1).with_columns(n=pl.lit(50)))
    return timed(session).key_by("k").connect(rule.broadcast()).process(Limits(), PAIR)


def columns(session: tw.Session) -> tw.Dataset:
    return timed(session).key_by("k").process(Sums(), PAIR)


def windows(session: tw.Session) -> tw.Dataset:
    keyed = timed(session).key_by("k").window(tw.windowing.Sessions("5s"))
    return keyed.process(lambda key, window, rows: [(key.k, len(rows))], PAIR)


class Numbered(tw.windowing.WindowFunction):
    fired: int = 0
    seen: tw.windowing.OfKey[int] = 0

    def on_window(self, window: Any, rows: Any) -> Any:
        self.fired += 1
        self.seen += len(rows)
        yield self.key.k, self.seen * self.fired


def numbered_windows(session: tw.Session) -> tw.Dataset:
    keyed = timed(session).key_by("k").window(tw.windowing.Fixed("5s"), trigger=tw.windowing.Early("2s"))
    return keyed.process(Numbered(), PAIR)


def unfolded(session: tw.Session) -> tw.Dataset:
    return timed(session).flat_map(lambda row: [(row["k"], row["n"] + i) for i in range(2)], PAIR)


def expressions(session: tw.Session) -> tw.Dataset:
    twice = tw.udf(returns="BIGINT")(doubled)
    sums = timed(session).group_by("k").agg(n=tw.sum("n"))
    # a grouping whose rows change, behind an exchange of rows that were added up before
    return sums.select(tw.col("k"), twice(tw.col("n")).alias("n"))


def limited(session: tw.Session) -> tw.Dataset:
    twice = tw.udf(returns="BIGINT")(doubled)
    return timed(session).select(tw.col("k"), twice(tw.col("n")).alias("n")).limit(5)


JOBS = (
    *(visits, tenths, failed, two_inputs, rules, columns),
    *(windows, numbered_windows, unfolded, expressions, limited),
)


def session_of(runtime: str, **options: Any) -> tw.Session:
    settings = {"execution.runtime": runtime, **options.pop("options", {})}
    return tw.Session(parallelism=2, options=settings, **options)


def collected(make: Callable[[tw.Session], tw.Dataset], runtime: str, **options: Any) -> list[Any]:
    return sorted(make(session_of(runtime, **options)).collect(mode="stream").rows(), key=repr)


@pytest.mark.parametrize("make", JOBS, ids=lambda make: make.__name__)
def test_a_job_gives_what_it_gives_in_threads(make: Callable[[tw.Session], tw.Dataset]) -> None:
    found = collected(make, "processes")
    assert found
    assert found == collected(make, "threads")


@pytest.mark.parametrize("backend", ["filesystem", "rocksdb"])
def test_state_may_lie_in_files(backend: str) -> None:
    options = {"state.backend.type": backend}
    found = collected(visits, "processes", memory="64MiB", options=options)
    assert found == collected(visits, "threads")


def test_each_task_has_a_process_of_its_own_that_ends_with_the_job() -> None:
    def noted(row: dict[str, Any]) -> list[tuple[int, int]]:
        return [(row["k"], os.getpid())]

    session = session_of("processes")
    keyed = session.from_polars(frame()).key_by("k").process(Sums(), PAIR, order="arrival")
    pids = set(keyed.flat_map(noted, PAIR).collect(mode="stream")["n"])
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert all(not Path(f"/proc/{pid}").exists() for pid in pids), "they have ended with the job"


def test_an_error_names_the_row_and_the_line_of_the_user() -> None:
    with pytest.raises(DataError) as caught:
        timed(session_of("processes")).key_by("k").process(Visits(1234), VISITS, sides=SIDES).collect(
            mode="stream"
        )
    error = caught.value
    line = Visits.on_event.__code__.co_firstlineno + 2
    assert (error.code, error.where) == ("data-python-function", f"{__file__}:{line}")
    assert "n=1234" in str(error.found)
    assert isinstance(error.__cause__, ValueError)
    assert "in on_event" in str(error.__cause__.__cause__), "where it was raised there"
    assert any(note.startswith("step process") for note in error.__notes__)


def test_an_error_in_a_source_stage_names_the_row_of_the_file(tmp_path: Path) -> None:
    @tw.udf(returns="BIGINT")
    def checked(n: int) -> int:
        return 1 // (n - 77)

    frame().write_parquet(tmp_path / "rows.parquet")
    session = session_of("processes")
    with pytest.raises(DataError) as caught:
        session.read_parquet(tmp_path).select(checked(tw.col("n")).alias("n")).collect(mode="stream")
    assert caught.value.offset == 77


class Odd(Exception):
    """An exception that cannot be copied."""

    def __init__(self, one: object, two: object) -> None:
        super().__init__(f"{one} {two}")


class RaisesOdd(tw.ProcessFunction):
    n: int = 0

    def on_event(self, row: Any) -> None:
        raise Odd("one", threading.Lock())


def test_an_exception_that_cannot_be_copied_is_told_all_the_same() -> None:
    rows = session_of("processes").from_polars(frame(1)).key_by("k")
    with pytest.raises(DataError, match="RaisesOdd raised Odd: one <unlocked") as caught:
        rows.process(RaisesOdd(), PAIR, order="arrival").collect(mode="stream")
    assert "Odd: one" in str(caught.value.__cause__)


class Holding(tw.ProcessFunction):
    n: int = 0

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def on_event(self, row: Any) -> None:
        del row


def test_what_cannot_be_sent_is_refused() -> None:
    rows = session_of("processes").from_polars(frame()).key_by("k")
    with pytest.raises(PlanError, match="Holding cannot be sent to another process") as caught:
        rows.process(Holding(), PAIR, order="arrival").collect(mode="stream")
    assert caught.value.code == "plan-function-shipping"


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(ConfigError) as caught:
        visits(session_of("processes")).collect(mode="stream")
    assert caught.value.code == "config-processes-library"


class Dies(tw.ProcessFunction):
    """Kills its process once, at some row."""

    count: int = 0

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def on_event(self, row: Any) -> Iterator[tuple[int, int]]:
        if row.n == 2_000 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1
        yield row.k, self.count


def dying(folder: Path, checkpoint_dir: Path | None) -> tw.Session:
    session = session_of("processes", options=AT_ONCE, checkpoint_dir=checkpoint_dir)
    rows = session.from_polars(frame()).key_by("k").process(Dies(folder / "mark"), PAIR, order="arrival")
    rows.write_parquet(folder / "out")
    return session


def test_a_worker_that_dies_is_a_crash(tmp_path: Path) -> None:
    with pytest.raises(ExternalError, match="has died") as caught:
        dying(tmp_path, None).run("job", mode="stream", options=RunOptions("processes", rows_max=100))
    assert caught.value.code == "runtime-worker-died"
    assert "SIGKILL" in str(caught.value.found)
    assert not list((tmp_path / "out").glob("*.parquet")), "the other task may have ended before"


def test_a_job_goes_on_when_a_worker_has_died(tmp_path: Path) -> None:
    session = dying(tmp_path, tmp_path / "kept")
    options = RunOptions("processes", rows_max=100, checkpoint_batches=5)
    result = session.run("job", mode="stream", options=options)
    assert result.restarts == 1
    found = pl.read_parquet(tmp_path / "out" / "*.parquet").sort("k", "n")
    wanted = frame().sort("k", "n").select("k", n=pl.int_range(pl.len()).over("k") + 1)
    assert found.equals(wanted.cast({"n": pl.Int64}).sort("k", "n"))


@pytest.mark.parametrize("ways", [("threads", "processes"), ("processes", "threads")], ids="-".join)
def test_a_checkpoint_fits_both(tmp_path: Path, ways: tuple[str, str]) -> None:
    """What one has begun the other ends, at another parallelism."""
    handles: list[JobHandle] = []

    def session(runtime: str, parallelism: int) -> tw.Session:
        made = tw.Session(parallelism=parallelism, checkpoint_dir=tmp_path / "kept")
        made.settings.set("execution.runtime", runtime)
        made.on_start = handles.append
        read = made.from_iter(Rows(handles, runtime == ways[0]), "k BIGINT, n BIGINT, ts TIMESTAMP", name="r")
        keyed = read.assign_watermark("ts", "2 seconds").key_by("k")
        keyed.process(Visits(), VISITS, sides=SIDES).write_parquet(tmp_path / "out")
        return made

    first = session(ways[0], 2).run("job", mode="stream", options=RunOptions(ways[0], rows_max=100))
    assert not first.is_complete
    second = session(ways[1], 3).run("job", mode="stream", options=RunOptions(ways[1], rows_max=100))
    assert second.is_complete
    found = sorted(pl.read_parquet(tmp_path / "out" / "*.parquet").rows(), key=repr)
    assert found == collected(visits, "threads")


class Rows:
    """Rows that can be read again; the job is stopped half-way by its own source, if it is to be."""

    def __init__(self, handles: list[JobHandle], stops: bool) -> None:
        self._handles, self._stops = handles, stops

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for number, row in enumerate(frame().iter_rows(named=True)):
            if self._stops and number == ROWS // 2:
                self._handles[-1].stop()
            yield row


def test_rows_and_state_are_counted_there() -> None:
    session = session_of("processes")
    visits(session).write_callback(lambda frame: None)
    figures = session.run("job", mode="stream").metrics()
    values = {
        metric: figures.filter(metric=metric, operator="process1.process")["value"].sum()
        for metric in ("thalweg_operator_rows_in_total", "thalweg_operator_rows_out_total")
    }
    assert values["thalweg_operator_rows_in_total"] == ROWS
    assert values["thalweg_operator_rows_out_total"] == len(collected(visits, "threads"))


PROGRAM = """
    import os, sys, time
    import polars as pl
    import thalweg as tw

    class Slow(tw.ProcessFunction):
        n: int = 0

        def on_event(self, row):
            print(os.getpid(), flush=True)
            time.sleep(600)

    session = tw.Session(parallelism=1, options={"execution.runtime": "processes"})
    rows = session.from_polars(pl.DataFrame({"k": [1]})).key_by("k")
    rows.process(Slow(), "k BIGINT", order="arrival").collect(mode="stream")
"""


def test_workers_end_when_the_job_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PROGRAM))
    with subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        worker = int(job.stdout.readline())
        assert worker != job.pid
        job.kill()
        job.wait()
        deadline = time.monotonic() + 60
        while Path(f"/proc/{worker}/cmdline").exists() and Path(f"/proc/{worker}/cmdline").read_bytes():
            assert time.monotonic() < deadline, "it waits for nobody, and goes on for ever"
            time.sleep(0.05)
