"""Jobs whose results can change are found, with the cause and the line; others are left alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import thalweg as tw
from tests.unit.testing.programs import CLICKS, RIGHT, WRONG, callback, row_function, state_on_self, updating
from thalweg.api.dataset import Dataset
from thalweg.errors import ConfigError, DataError, InternalError, PlanError
from thalweg.testing import simulate
from thalweg.testing.programs import subject
from thalweg.testing.programs.disturbances import KINDS
from thalweg.testing.programs.report import Finding

PROGRAMS = Path(__file__).with_name("programs.py")
SEEDS_WRONG, SEEDS_RIGHT = 200, 50
CAUSES = {
    "order-dependent function": ("cuts", "numbered"),
    "clock in a function": ("clock", "age"),
    "callback that is not idempotent": ("crashes", None),
    "unstable order": ("cuts", "best"),
    "state on self": ("crashes", "Unseen"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_job_is_found_with_its_cause_and_its_step(name: str) -> None:
    report = simulate(WRONG[name], seeds=SEEDS_WRONG)
    cause, step = CAUSES[name]
    assert report.finding is not None
    assert cause in report.finding.alone
    assert report.finding.got or report.finding.expected
    if step is not None:
        [found] = report.finding.steps
        assert found.startswith(f"{step}, {PROGRAMS}:")


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_of_a_right_job_nothing_is_found(name: str) -> None:
    report = simulate(RIGHT[name], seeds=SEEDS_RIGHT)
    assert report.is_stable, str(report)
    assert report.seeds == SEEDS_RIGHT
    assert report.notes == ()


@pytest.mark.slow
def test_a_seed_that_found_something_finds_it_again() -> None:
    found = simulate(state_on_self, seeds=SEEDS_WRONG).finding
    assert found is not None
    assert simulate(state_on_self, seeds=[found.seed]).finding == found


@pytest.mark.slow
def test_what_is_left_out_finds_nothing() -> None:
    assert simulate(state_on_self, seeds=20, without=["crashes", "parallelism", "cuts", "order"]).is_stable


@pytest.mark.slow
def test_a_callback_that_minds_is_found_by_what_it_builds() -> None:
    """`add` is not idempotent whatever it is said to be; `keep` is."""
    report = simulate(callback, seeds=SEEDS_WRONG, calls=True)
    assert report.finding is not None
    assert report.finding.is_repeated
    assert simulate(updating, seeds=20, calls=True).is_stable


def _writes(function: Callable[[pl.DataFrame], object], *, idempotent: bool) -> Callable[[], None]:
    def program() -> None:
        session = tw.Session()
        session.from_polars(pl.DataFrame(CLICKS)).write_callback(function, idempotent=idempotent)
        session.run("writes", mode="stream")

    return program


@pytest.mark.slow
def test_what_is_said_of_a_callback_is_believed_until_it_is_called() -> None:
    rows = 0

    class Counter:
        def __init__(self) -> None:
            self.rows = 0

        def add(self, frame: pl.DataFrame) -> None:
            nonlocal rows
            self.rows += frame.height
            rows += frame.height

    said = _writes(lambda frame: Counter().add(frame), idempotent=True)
    assert simulate(said, seeds=30).is_stable
    assert rows == 0

    def counted() -> None:
        _writes(Counter().add, idempotent=True)()

    report = simulate(counted, seeds=30, calls=True)
    assert report.finding is not None
    assert report.finding.alone == ("crashes",)
    assert rows > 0


@pytest.mark.slow
def test_a_callback_without_a_visible_effect_is_what_it_is_said_to_be() -> None:
    assert simulate(_writes(print, idempotent=True), seeds=30, calls=True).is_stable
    assert not simulate(_writes(print, idempotent=False), seeds=30, calls=True).is_stable


@pytest.mark.slow
def test_processing_time_is_a_clock() -> None:
    def program() -> Dataset:
        session = tw.Session()
        session.create_view("t", session.from_polars(pl.DataFrame({"a": range(9)}), "numbers"))
        return session.sql("SELECT a, PROCTIME() AS at FROM t")

    found = simulate(program, seeds=20).finding
    assert found is not None
    assert found.alone == ("clock",)
    assert found.steps[0].startswith("PROCTIME() of numbers")


@pytest.mark.slow
def test_the_first_of_several_functions_that_differs_is_named() -> None:
    def fine(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.col("a") + 1)

    def reversed_(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.col("a").reverse(), b=pl.col("b"))

    def after(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.col("a") * 2)

    def program() -> Dataset:
        rows = tw.Session().from_polars(pl.DataFrame({"a": range(30), "b": range(30)}))
        return rows.map_batches(fine).map_batches(reversed_).map_batches(after)

    found = simulate(program, seeds=40).finding
    assert found is not None
    assert [step.split(",")[0] for step in found.steps] == ["reversed_"]


@pytest.mark.slow
def test_a_job_that_only_fails_when_it_is_disturbed_is_found() -> None:
    def pairs(frame: pl.DataFrame) -> pl.DataFrame:
        if frame.height < 2:
            raise ValueError("a single row")
        return frame

    def program() -> Dataset:
        return tw.Session().from_polars(pl.DataFrame({"a": range(40)})).map_batches(pairs)

    found = simulate(program, seeds=60).finding
    assert found is not None
    assert found.error is not None
    assert "cuts" in found.alone
    assert "fails" in found.lines()[0]


def test_a_job_that_always_fails_fails() -> None:
    def never(frame: pl.DataFrame) -> pl.DataFrame:
        raise ValueError("no")

    def program() -> Dataset:
        return tw.Session().from_polars(pl.DataFrame({"a": [1]})).map_batches(never)

    with pytest.raises(DataError):
        simulate(program, seeds=1)


def test_a_program_without_a_job_is_refused() -> None:
    with pytest.raises(PlanError) as caught:
        simulate(lambda: None, seeds=1)
    assert caught.value.code == "simulate-no-job"


def test_a_program_that_makes_another_job_each_time_is_refused() -> None:
    numbers = itertools.count(1)

    def program() -> Dataset:
        session = tw.Session()
        parts = [session.from_polars(pl.DataFrame({"a": [1]}), f"t{n}") for n in range(next(numbers))]
        return parts[0] if len(parts) == 1 else parts[0].union(*parts[1:])

    with pytest.raises(PlanError) as caught:
        simulate(program, seeds=1)
    assert caught.value.code == "simulate-other-job"


@pytest.mark.parametrize("without", [["weather"], [*KINDS]])
def test_kinds_that_are_not_there_are_refused(without: list[str]) -> None:
    with pytest.raises(ConfigError):
        simulate(row_function, seeds=1, without=without)


def test_what_is_not_simulated_is_noted() -> None:
    def program() -> Dataset:
        rows = ({"a": n} for n in range(5))
        return tw.Session().from_iter(rows, "a BIGINT", name="once").filter(tw.col("a") > 9)

    notes = simulate(program, seeds=1).notes
    assert len(notes) == 2
    assert notes[0].startswith("note: a crash loses rows of once")
    assert "memory gets no row at all" in notes[1]


def test_only_the_first_rows_are_read() -> None:
    report = simulate(row_function, seeds=1, rows=7)
    assert "clicks1 (the first 7 rows)" in report.jobs[0]


def test_a_finding_says_what_differs_and_why() -> None:
    rows = tuple({"a": n, "b": "x"} for n in range(5))
    found = Finding(3, "job", "out", (), rows, causes=("cuts", "crashes"), steps=("f, job.py:2",))
    assert found.lines("thalweg simulate job.py --seed 3") == [
        'seed 3: the result of job "job" is another one than when it is undisturbed',
        "  sink:     out",
        "  expected: no such row",
        "  got:      a=0, b='x'",
        "            a=1, b='x'",
        "            a=2, b='x'",
        "            … and 2 more",
        "  cause:    cuts and crashes together",
        "  step:     f, job.py:2",
        "  replay:   thalweg simulate job.py --seed 3",
    ]


def test_a_job_that_never_ends_is_a_fault_of_the_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_STEPS_MAX", 3)
    with pytest.raises(InternalError) as caught:
        simulate(row_function, seeds=1)
    assert caught.value.code == "simulate-stuck"
    assert caught.value.found
