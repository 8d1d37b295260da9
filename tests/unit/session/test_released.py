"""What a query read and gave is given back with it: nothing of the engine keeps plans, rows or results."""

from __future__ import annotations

import gc
import weakref
from typing import Literal

import polars as pl
import pytest

import thalweg as tw
from thalweg.connectors.memory import MemorySink
from thalweg.plan.nodes import Plan


def alive(kind: type) -> int:
    """How many objects of a class there are."""
    gc.collect()
    return sum(isinstance(each, kind) for each in gc.get_objects())


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_nothing_is_kept_of_a_query(mode: Literal["batch", "stream"]) -> None:
    before = alive(Plan), alive(MemorySink)
    session = tw.Session(parallelism=2)
    rows = session.from_polars(pl.DataFrame({"k": [1, 2, 1], "v": [5, 6, 7]}))
    counted = rows.group_by("k").agg(n=tw.count()).filter(tw.col("n") > 1)
    assert counted.collect(mode=mode).rows() == [(1, 2)]
    session.create_view("rows", rows)
    assert session.sql("SELECT MAX(v) AS m FROM `rows`").collect(mode=mode).rows() == [(7,)]
    plan = weakref.ref(counted.plan)
    del rows, counted, session
    assert (alive(Plan), alive(MemorySink)) == before
    assert plan() is None
