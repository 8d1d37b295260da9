"""Random plans are joined with small inputs, which are read first: that is a join, however it is run."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.census import CENSUS
from tests.property.harness import batch, interrupted, random_way, stream
from tests.property.laws import check, expected
from tests.property.noticing import assert_noticed
from tests.property.small_plans import LEFT_FIRST, RIGHT_FIRST, small_case
from tests.property.test_engine_laws import UNHURRIED
from tests.sampling import drawn
from thalweg.columnar.eager import gather_rows
from thalweg.operators import broadcast
from thalweg.plan.nodes import JoinKind
from thalweg.runtime import restore, task


def a_small_input_is_joined(r: Random) -> None:
    """Law 1: both modes give the join."""
    case = small_case(r, is_punctual=True)
    wanted = expected(case)
    check(case, batch(case, is_optimized=r.random() < 0.5), wanted, "batch")
    check(case, stream(case, random_way(r, case.rows)).tables(), wanted, "stream")


def late_rows_stay_late(r: Random) -> None:
    """Law 1: what follows the join judges rows as it would have before."""
    case = small_case(r, is_punctual=False)
    check(case, batch(case), expected(case, judges=False), "batch")
    check(case, stream(case, random_way(r, case.rows)).tables(), expected(case), "stream")


def restarts_keep_the_table(r: Random) -> None:
    """Laws 4 and 5: a run that goes on, with any number of tasks, has the small input in each of them."""
    case = small_case(r)
    one = random_way(r, case.rows)
    numbers = r.choice([(1, 3, 2), (2, 2), (3, 1)])
    ways = [replace(one, parallelism=n, rows_max=min(one.rows_max, 30)) for n in numbers]
    logs, restored = interrupted(case, ways, r)
    CENSUS.counts["restarts with a small input"] += restored
    check(case, [log.table() for log in logs], expected(case), f"restored, {ways}")


LAWS = (a_small_input_is_joined, late_rows_stay_late, restarts_keep_the_table)


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@settings(max_examples=drawn(9, 25), suppress_health_check=UNHURRIED, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_law(law: Any, seed: int) -> None:
    law(Random(seed))


@pytest.mark.slow
def test_the_laws_meet_what_they_speak_of() -> None:
    before = CENSUS.counts.copy()
    for seed in range(40):
        restarts_keep_the_table(Random(seed))
    met = CENSUS.counts - before
    kinds = {f"broadcast {kind} join, {first} first" for kind, first in _kinds()}
    wanted = {*kinds, "spilled rows", "restarts with a small input", "retractions", "late rows"}
    assert {what for what in wanted if not met[what]} == set()


def _kinds() -> list[tuple[JoinKind, str]]:
    return [*((k, "right") for k in RIGHT_FIRST), *((k, "left") for k in LEFT_FIRST)]


def _unshared(self: Any, frame: pl.DataFrame, declared: Any) -> pl.DataFrame:
    del declared
    return frame if self.index == 0 else frame.clear()


MUTANTS = {
    "the other input is taken from the beginning": mock.patch.object(
        task.Input, "is_ready", property(lambda i: not (i.ended or i.aligned or i.channel.is_empty))
    ),
    "only the first task gets the table back": mock.patch.object(restore._Loading, "_share", _unshared),
    "barriers do not wait": mock.patch.object(task.Task, "is_declining", property(lambda _: False)),
    "partners are those of the row before": mock.patch.object(
        broadcast, "gather_rows", lambda frame, rows: gather_rows(frame, np.roll(rows, 1))
    ),
}


@pytest.mark.slow
@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", MUTANTS)
def test_the_laws_notice_bugs(name: str) -> None:
    assert_noticed(MUTANTS[name], LAWS, name)
