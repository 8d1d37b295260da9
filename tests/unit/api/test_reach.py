"""What SQL says, the fluent API says too: both give the same plan, or the same rows where names differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import PlanError

ROWS = pl.DataFrame(
    {
        "k": ["a", "b", "a", None, "b", "a"],
        "v": [1, 2, 2, 3, 2, None],
        "ts": [datetime(2026, 1, 1) + timedelta(seconds=s) for s in (1, 2, 3, 12, 13, 30)],
    }
)
OTHERS = pl.DataFrame({"k": ["a", "a", "b", None], "v": [1, 2, 9, 3]})
WINDOW = "window_start, window_end"
HOP = "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND, INTERVAL '1' SECOND)"
CUMULATE = "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)"
SESSION = "SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '4' SECOND)"


def pair(t: tw.Dataset) -> tw.Dataset:
    return t.select("k", "v")


Case = tuple[str, Callable[[tw.Dataset, tw.Dataset], tw.Dataset]]
CASES: dict[str, Case] = {
    "INTERSECT": ("SELECT k, v FROM t INTERSECT SELECT k, v FROM u", lambda t, u: pair(t).intersect(u)),
    "INTERSECT ALL": (
        "SELECT k, v FROM t INTERSECT ALL SELECT k, v FROM u",
        lambda t, u: pair(t).intersect(u, copies=True),
    ),
    "EXCEPT": ("SELECT k, v FROM t EXCEPT SELECT k, v FROM u", lambda t, u: pair(t).except_(u)),
    "EXCEPT ALL": (
        "SELECT k, v FROM t EXCEPT ALL SELECT k, v FROM u",
        lambda t, u: pair(t).except_(u, copies=True),
    ),
    "UNION": ("SELECT k, v FROM t UNION SELECT k, v FROM u", lambda t, u: pair(t).union(u).distinct()),
    "DISTINCT": ("SELECT DISTINCT k FROM t", lambda t, u: t.select("k").distinct()),
    "DENSE_RANK": (
        "SELECT k, v, DENSE_RANK() OVER (PARTITION BY k ORDER BY v) AS r FROM t",
        lambda t, u: pair(t).dense_rank("r", by="v", partition="k"),
    ),
    "DENSE_RANK of a window": (
        f"SELECT v, DENSE_RANK() OVER (PARTITION BY {WINDOW} ORDER BY v DESC) AS r FROM TABLE({HOP})",
        lambda t, u: (
            t.window(tw.hopping("10s", every="5s", offset="1s"), "ts")
            .dense_rank("r", by=tw.desc("v"))
            .select("v", "r")
        ),
    ),
    "LIMIT and OFFSET": (
        "SELECT k, v FROM t ORDER BY v DESC, k LIMIT 2 OFFSET 1",
        lambda t, u: pair(t).top(2, by=[tw.desc("v"), tw.asc("k")], offset=1),
    ),
    "DISTINCT and FILTER": (
        "SELECT k, SUM(DISTINCT v) FILTER (WHERE v > 1) AS s, VAR_POP(DISTINCT v) AS d FROM t GROUP BY k",
        lambda t, u: t.group_by("k").agg(
            s=tw.sum("v", distinct=True).filter(tw.col("v") > 1), d=tw.var_pop("v", distinct=True)
        ),
    ),
    "IN": (
        "SELECT k, v FROM t WHERE k IN (SELECT k FROM u WHERE v > 1)",
        lambda t, u: pair(t).join(u.filter(tw.col("v") > 1), on="k", how="semi"),
    ),
    "NOT EXISTS": (
        "SELECT k, v FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.v > t.v)",
        lambda t, u: pair(t).join(
            u.rename({"k": "key", "v": "w"}),
            on=[tw.col("key") == tw.col("k"), tw.col("w") > tw.col("v")],
            how="anti",
        ),
    ),
    "CUMULATE": (
        f"SELECT window_end, COUNT(*) AS n FROM TABLE({CUMULATE}) GROUP BY {WINDOW}",
        lambda t, u: (
            t.window(tw.cumulating("10s", step="5s"), "ts").agg(n=tw.count()).select("window_end", "n")
        ),
    ),
    "SESSION": (
        f"SELECT k, {WINDOW}, COUNT(*) AS n FROM TABLE({SESSION}) GROUP BY k, {WINDOW}",
        lambda t, u: t.window(tw.sessions("4s", by="k"), "ts").agg(n=tw.count()),
    ),
    "HAVING": (
        "SELECT k, COUNT(*) AS n FROM t GROUP BY k HAVING COUNT(*) > 1",
        lambda t, u: t.group_by("k").agg(n=tw.count()).filter(tw.col("n") > 1),
    ),
}


@pytest.mark.parametrize("mode", ["batch", "stream"])
@pytest.mark.parametrize("name", CASES)
def test_both_say_the_same(name: str, mode: str) -> None:
    session = tw.Session(parallelism=2)
    t = session.from_polars(ROWS).assign_watermark("ts")
    u = session.from_polars(OTHERS)
    session.create_view("t", t)
    session.create_view("u", u)
    text, fluent = CASES[name]
    wanted, found = (d.collect(mode=mode) for d in (session.sql(text), fluent(t, u)))  # type: ignore[arg-type]  # a mode
    assert Counter(found.rows()) == Counter(wanted.rows())
    assert found.height


def test_offset_is_of_all_rows() -> None:
    rows = tw.Session().from_polars(ROWS)
    with pytest.raises(PlanError, match="left out"):
        rows.top(2, by="v", partition="k", offset=1)
