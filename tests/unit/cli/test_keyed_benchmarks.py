"""Benchmarks over generated events: what they give is judged, and a plain loop does as much."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from thalweg.cli.bench import functions, windows
from thalweg.cli.bench.generated import MADE_ROWS, EventsSource
from thalweg.cli.bench.model import Options
from thalweg.cli.bench.registry import BY_NAME
from thalweg.testing import check_source

NAMES = [b.name for b in (*functions.FUNCTIONS, *windows.WINDOWS)]


def test_generated_events_keep_the_contract_of_sources() -> None:
    source = EventsSource(500, 7, 100_000, quiet=20)
    every = pl.concat(f for turn in range(2) for f in source.frames(turn, 2))
    check_source(lambda: source, every)


def test_events_are_the_same_however_they_are_dealt() -> None:
    source = EventsSource(MADE_ROWS + 1000, 50, 100_000, quiet=100)
    whole = source.frame()
    assert pl.concat(f for turn in range(2) for f in source.frames(turn, 2)).sort("ts").equals(whole)
    assert pl.concat(source.frames(row=1234)).equals(whole[1234:])
    assert (whole["k"].n_unique(), whole["k"].min(), whole["k"].max()) == (50, 0, 49)
    assert whole["ts"].is_sorted()
    assert (whole["v"] == -1).sum() == 100
    assert whole["ts"][-1] - whole["ts"][-2] == 10 * (whole["ts"][1] - whole["ts"][0])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_what_is_measured_is_right(name: str) -> None:
    found = BY_NAME[name].run(Options(events=40_000, runs=1))
    assert found.problems == []
    assert found.details["rows"] > 0
    assert found.limit
    assert len(found.values) == 1


@pytest.mark.slow
def test_another_answer_is_a_wrong_one() -> None:
    keyed = functions._counting("column", "time")
    wrong = replace(keyed, right=lambda source: functions._alerts(source).with_columns(pl.col("n") + 1))
    problems = wrong.measured(Options(events=40_000, runs=1)).problems
    assert [p.split(" is ")[0] for p in problems] == ["sum of n"]
    assert functions._columns_limit(EventsSource(40_000, 1, 100_000)) == 400
