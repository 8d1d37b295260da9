"""The Nexmark queries bind to plans that write exactly their answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.sql.catalog import FakeCatalog, tree
from thalweg.errors import SqlError
from thalweg.plan.nodes import Plan

QUERIES = Path(__file__).parent / "queries"
BOUND = (
    *(
        "q0",
        "q1",
        "q2",
        "q3",
        "q4",
        "q5",
        "q5_rank",
        "q6",
        "q7",
        "q8",
        "q9",
        "q14",
        "q15",
        "q17",
        "q18",
        "q19",
    ),
    *("q20", "q21", "q22", "q23", "interval_join", "interval_left"),
)
WINDOWED = ("w_tumble", "w_hop", "w_cumulate", "w_session", "w_topn", "q11", "q12", "q13")


def text(name: str) -> str:
    found = (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    return found.replace("${SINK}", "'connector' = 'blackhole'")


@pytest.fixture(scope="module")
def events() -> FakeCatalog:
    catalog = FakeCatalog()
    catalog.run(text("ddl"))
    return catalog


def bound(events: FakeCatalog, name: str) -> tuple[FakeCatalog, Plan]:
    catalog = events.copy()
    (plan,) = catalog.run(text(name))
    return catalog, plan


@pytest.mark.parametrize("name", [*BOUND, *WINDOWED])
def test_query_gives_the_columns_of_its_answer(events: FakeCatalog, name: str) -> None:
    catalog, plan = bound(events, name)
    assert plan.schema == catalog.targets["answer"]


def test_top_of_each_window_is_a_filter_over_a_rank(events: FakeCatalog) -> None:
    _, plan = bound(events, "q5_rank")
    steps = [line.strip().split()[0] for line in tree(plan).splitlines()]
    assert steps[:6] == ["Project", "Filter", "Project", "Rank", "Project", "GroupBy"]
    assert "Rank rank by window_start, window_end order num DESC" in tree(plan)
    assert "hopping 10s every 2s" in tree(plan)


def test_computed_time_carries_the_watermark_below_every_filter(events: FakeCatalog) -> None:
    lines = [line.strip() for line in tree(events.plans["bid"]).splitlines()]
    assert [line.split()[0] for line in lines] == ["Project", "Filter", "Watermark", "Project", "Scan"]


@pytest.mark.parametrize(
    ("name", "place", "word"),
    [
        ("cep_rise", (6, 1), "MATCH"),
    ],
)
def test_what_is_not_there_yet_is_named_with_its_place(
    events: FakeCatalog, name: str, place: tuple[int, int], word: str
) -> None:
    with pytest.raises(SqlError) as caught:
        bound(events, name)
    where = caught.value.where
    assert caught.value.code == "sql-not-yet"
    assert where is not None
    assert not isinstance(where, str)
    assert where.text.splitlines()[where.line - 1][where.column - 1 :].startswith(word)
    assert place[0] <= where.line
