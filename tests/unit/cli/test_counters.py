"""Pace and silence follow from samples alone: here the clock is a list of numbers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from thalweg.cli.counters import Pace, Sample, Silence, explained, line, number

SECOND = 1_000_000
START = 1_767_225_600 * SECOND


def said(seconds: float, *samples: tuple[float, int, int]) -> list[float]:
    """When silence is explained, over samples of (time, rows, output)."""
    silence = Silence(seconds)
    return [t for t, rows, output in samples if silence.add(Sample(t, rows, output))]


def test_no_input_is_no_silence() -> None:
    assert said(10, *((t, 0, 0) for t in range(60))) == []


def test_output_in_time_is_no_silence() -> None:
    assert said(10, *((t, t, t // 8) for t in range(60))) == []


def test_input_without_output_is_explained_once() -> None:
    assert said(10, *((t, t, 0) for t in range(60))) == [11]


def test_input_that_stopped_still_waits_for_its_output() -> None:
    assert said(10, *((t, min(t, 3), 0) for t in range(60))) == [11]


def test_after_output_a_new_silence_is_explained_again() -> None:
    assert said(10, *((t, t, t // 30) for t in range(60))) == [11, 41]


def test_the_pace_is_that_of_the_last_samples() -> None:
    pace = Pace(keep=3)
    assert [pace.add(Sample(t, rows, 0)) for t, rows in ((0, 0), (1, 10), (2, 20), (3, 130))] == [
        0,
        10,
        10,
        60,
    ]


@pytest.mark.parametrize(
    ("watermark", "tail"),
    [
        (None, ""),
        (START, ", event time 2026-01-01 00:00:00, lag 3.0 s"),
        (START - 30 * 86_400 * SECOND, ", event time 2025-12-02 00:00:00"),
        (START + 60 * SECOND, ", event time 2026-01-01 00:01:00"),
    ],
)
def test_lag_is_shown_where_it_means_something(watermark: int | None, tail: str) -> None:
    clock = datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC)
    assert line(Sample(0, 12, 0, watermark), 4.0, clock) == f"12 rows, 4 rows/s{tail}"


def test_numbers_have_their_digits_in_groups() -> None:
    assert [number(v) for v in (0, 999, 1000, 1234567.4)] == ["0", "999", "1 000", "1 234 567"]


def test_an_explanation_names_every_task() -> None:
    text = explained([("a[0]", "waits for input"), ("bb[0]", "finished")], 10)
    assert text.splitlines()[1:] == ["  a[0]   waits for input", "  bb[0]  finished"]
