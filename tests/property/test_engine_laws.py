"""The laws of the engine hold for random plans over random rows, run in random ways."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property import laws
from tests.property.census import CENSUS
from tests.property.harness import random_way, stream
from tests.property.laws import Law
from tests.property.oracle import REWRITES
from tests.property.pane_plans import pane_case
from tests.property.plans import random_case
from tests.sampling import drawn
from tests.suites.fuzz_sql import check_plan
from thalweg.plan.nodes import JoinKind

UNHURRIED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
CENSUS_SEEDS = (*range(120), 206, 223, 240, 303)

MET = (
    *("Spread", "Distinct"),
    *("Limit", "Partials", "running group", "running group, updating", "window group"),
    *("project", "filter", "explode", "map_batches", "strip system columns", "forget positions"),
    "SplitNames",
    *("Python function by row", "Python function by column", "quarantined rows"),
    *(
        "pane group, tumbling",
        "pane group, hopping",
        "pane group, cumulating",
        "window rank",
        "window row_number",
    ),
    *(f"{kind} join" for kind in get_args(JoinKind)),
    *("as-of inner join", "as-of left join"),
    *("join of changes", "join of rows that stay", "rows kept for a while"),
    *("Behind", "window group, updating"),
    *("Over", "RunningOver", "TopRows", "running row_number", "running rank", "running dense_rank"),
    *("Sessions", "SessionPartials", "SessionGroup", "SessionRows"),
    *("windows, tumbling", "windows, hopping", "windows, cumulating"),
    *("batches", "empty batches", "empty splits", "late rows", "retractions", "runs"),
)
"""What the laws must meet, or they say nothing about it."""


@pytest.mark.slow
@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@settings(max_examples=drawn(7, 20), suppress_health_check=UNHURRIED)
@given(seed=st.integers(0, 2**32 - 1))
def test_law(law: Law, seed: int) -> None:
    # What a law chooses may depend on how many cuts a run came to, and so on the clock: Hypothesis must not
    # see these choices, or it takes them for a test that contradicts itself.
    law(Random(seed))


@pytest.mark.slow
@pytest.mark.sampled(5)
@pytest.mark.parametrize("first", range(0, 300, 60))
def test_random_plans_give_what_duckdb_says_in_both_modes(first: int) -> None:
    met: Counter[str] = Counter()
    for seed in range(first, first + 60):
        met += check_plan(seed)
    CENSUS.counts.update({f"results {what}": n for what, n in met.items() if what != "plans"})
    CENSUS.counts["rewrites for DuckDB"] = len(REWRITES)
    assert met["compared with DuckDB"] > met["compared with the reference only"]


@pytest.mark.slow
def test_the_laws_meet_every_kind_of_step() -> None:
    before = CENSUS.counts.copy()
    for seed in CENSUS_SEEDS:
        r = Random(seed)
        case = random_case(r)
        stream(case, random_way(r, 200))
    met = CENSUS.counts - before
    assert set(met) <= set(MET), "the laws met a kind of step that is not listed"
    assert [n for n in MET if not met[n]] == []


@pytest.mark.slow
def test_the_law_of_panes_meets_shared_ones() -> None:
    before = CENSUS.counts.copy()
    for seed in range(40):
        r = Random(seed)
        case = pane_case(r)
        stream(case, random_way(r, 200))
    met = CENSUS.counts - before
    assert met["CommonPanes"] > 10
    assert met["OwnPanes"] > 20
    assert met["late rows"] > 100
