"""A stream has no other kinds of changes than its plan says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.plan.changes import changes_of
from thalweg.runtime.options import RunOptions

ROWS = [("a", 1), ("b", 1), ("a", 2), ("b", 5), ("c", 1), ("b", 1), ("a", 9)]
LETTERS = {"+I": "I", "-U": "UB", "+U": "UA", "-D": "D"}
OPTIONS = RunOptions(runtime="inline", rows_max=1, cut_batches=1)


def counts(d: tw.Dataset) -> tw.Dataset:
    return d.group_by("k").agg(n=tw.count(), v=tw.sum("v"))


@pytest.mark.parametrize(
    ("make", "kinds"),
    [
        (lambda d: d.filter(tw.col("v") > 1), "I"),
        (counts, "I UB UA"),
        (lambda d: counts(d).select("k", m=-tw.col("v")), "I UB UA"),
        (lambda d: counts(d).select("v"), "I D"),
        (lambda d: counts(d).filter(tw.col("v") < 8), "I UB UA D"),
        (lambda d: counts(d).group_by("n").agg(m=tw.count()), "I UB UA D"),
        (lambda d: counts(d).agg(m=tw.sum("n")), "I D"),
        (lambda d: counts(d).union(counts(d)), "I D"),
        (lambda d: d.limit(2), "I D"),
    ],
)
def test_kinds(make: Callable[[tw.Dataset], tw.Dataset], kinds: str) -> None:
    s = tw.Session(parallelism=1)
    seen: list[pl.DataFrame] = []
    made = make(s.from_iter(ROWS, "k STRING, v INT"))
    made.write_callback(seen.append, changes=True)
    s.run(mode="stream", options=OPTIONS)
    assert changes_of(made.plan) == tuple(kinds.split())
    found = {LETTERS[op] for op in pl.concat(seen)["op"]}
    assert found <= set(kinds.split())


def test_explain_says_them_for_every_step() -> None:
    s = tw.Session(parallelism=1)
    s.create_view("t", s.from_iter(ROWS, "k STRING, v INT"))
    [outcome] = s.execute_sql("EXPLAIN CHANGELOG_MODE SELECT k, COUNT(*) AS n FROM t GROUP BY k")
    part = outcome.text.partition("== changes, as a stream ==\n")[2].partition("\n\n")[0]
    assert [line.strip() for line in part.splitlines()] == [
        "Write memory  changelogMode=[NONE]",
        "GroupBy k: count(*) AS n  changelogMode=[I,UB,UA]",
        "Scan iterator [k]  changelogMode=[I]",
    ]


def test_details_are_said_only_if_they_are_asked_for() -> None:
    s: Any = tw.Session(parallelism=1)
    [outcome] = s.execute_sql("EXPLAIN PLAN FOR VALUES (1)")
    assert "changelogMode" not in outcome.text
    assert '"nodes"' not in outcome.text


def test_nothing_is_estimated() -> None:
    s = tw.Session(parallelism=1)
    with pytest.warns(tw.IgnoredOptionWarning, match="no estimate"):
        [outcome] = s.execute_sql("EXPLAIN ESTIMATED_COST FOR VALUES (1)")
    assert "== job ==" in outcome.text
