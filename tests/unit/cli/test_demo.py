"""The demo runs at any size, and says so when an answer is wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from thalweg.cli.counters import Sample
from thalweg.cli.demo import checks, play, screen
from thalweg.cli.demo.flood import free_directory

Call = Callable[..., tuple[int, str, str]]
SHORT = ("demo", "--events", "20000", "--paced-seconds", "0.5")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known answers of fewer events: those of the batch run."""
    monkeypatch.setattr(checks, "SMALL_EVENTS", 20_000)
    right = checks.checksums(20_000, checks.SMALL_RATE, mode="batch")
    monkeypatch.setattr(checks, "KNOWN", {n: {"rows": c.rows} | c.sums for n, c in right.items()})


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_short_demo_is_right(thalweg: Call) -> None:
    code, out, err = thalweg(*SHORT)
    lines = out.splitlines()
    assert (code, lines[-1]) == (0, "check: ok"), err
    assert lines[-5].startswith("flood:   20 000 events in ")
    assert "p99" in lines[-4]
    assert checks.of_files(Path("out/demo-1/auctions")).rows > 0
    assert free_directory(Path("out")) == Path("out/demo-2")


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_wrong_answer_is_a_failure(thalweg: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    checks.KNOWN["q5"]["num"] += 1
    code, out, _ = thalweg(*SHORT)
    assert code == 3
    assert "check: FAILED q5: num of the first million events is" in out
    assert "check: ok" not in out


def test_the_answers_of_the_files_are_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import polars as pl

    from thalweg.base.schema import Schema
    from thalweg.cli.bench.answers import checksum

    frame = pl.DataFrame({"a": [1, 2]})
    frame.write_parquet(tmp_path / "p.parquet")
    schema = Schema.from_polars(dict(frame.schema))
    for rows, problems in (([2, 1], 0), ([1, 1], 1)):
        batch = checksum([pl.DataFrame({"a": rows})], schema)
        monkeypatch.setattr(checks, "checksums", lambda *_, batch=batch, **__: {"q5": batch})
        assert len(list(checks.flood_problems(1, 1, {"q5": tmp_path}))) == problems


def test_the_demo_uses_these_checks() -> None:
    assert play.flood_problems is checks.flood_problems


def test_every_line_of_a_run_tells_its_pace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(screen, "_LINE_EVERY", 0.01)
    readings = iter([0, 0, 100, 300])
    done = threading.Event()

    class Run:
        rows_read = 0

    def step(run: Run, at: float) -> Sample:
        run.rows_read = next(readings)
        if run.rows_read == 300:
            done.set()
        return Sample(at, run.rows_read, 0)

    monkeypatch.setattr(screen, "sample", step)
    screen.Screen(300)._lines(Run(), done)  # type: ignore[arg-type]  # all that it looks at
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in lines].count("starting") == 1
    assert len(lines) == 3
    assert not [line for line in lines if " 0 rows/s" in line]
