"""Datasets inside expressions: a value, whether there are rows, whether a value is among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import DataError, PlanError

Mode = Literal["batch", "stream"]
SALES = pl.DataFrame({"id": [1, 2, 3, 4], "seller": [7, 8, None, 8], "price": [3, 9, 5, 2]})
PEOPLE = pl.DataFrame({"id": [7, 9], "name": ["Ada", "Bob"]})
Make = Callable[[tw.Dataset, tw.Dataset], tw.Dataset]


@pytest.fixture
def data() -> tuple[tw.Dataset, tw.Dataset]:
    s = tw.Session()
    s.create_view("sales", s.from_polars(SALES))
    s.create_view("people", s.from_polars(PEOPLE))
    return s.sql("SELECT * FROM sales"), s.sql("SELECT * FROM people")


CASES: list[tuple[Make, str]] = [
    (
        lambda s, p: s.filter(tw.col("price") > s.agg(tw.avg("price")).scalar()).select("id"),
        "SELECT id FROM sales WHERE price > (SELECT AVG(price) FROM sales)",
    ),
    (
        lambda s, p: s.select("id", share=tw.col("price") * 100 / s.agg(tw.sum("price")).scalar()),
        "SELECT id, price * 100 / (SELECT SUM(price) FROM sales) AS share FROM sales",
    ),
    (
        lambda s, p: s.with_columns(n=p.filter(tw.col("id") > 99).select("id").scalar()),
        "SELECT *, (SELECT id FROM people WHERE id > 99) AS n FROM sales",
    ),
    (
        lambda s, p: s.filter(tw.col("seller").is_in(p.select("id"))).select("id"),
        "SELECT id FROM sales WHERE seller IN (SELECT id FROM people)",
    ),
    (
        lambda s, p: s.filter(~tw.col("seller").is_in(p.select("id"))).select("id"),
        "SELECT id FROM sales WHERE seller NOT IN (SELECT id FROM people)",
    ),
    (
        lambda s, p: s.filter(~tw.col("id").is_in(s.select("seller"))).select("id"),
        "SELECT id FROM sales WHERE id NOT IN (SELECT seller FROM sales)",
    ),
    (
        lambda s, p: s.select("id", known=tw.col("seller").is_in(p.select("id"))),
        "SELECT id, seller IN (SELECT id FROM people) AS known FROM sales",
    ),
    (
        lambda s, p: s.filter(p.exists(), (tw.col("id") < 3) | ~p.filter(tw.col("id") > 9).exists()),
        "SELECT * FROM sales WHERE EXISTS (SELECT 1 FROM people)"
        " AND (id < 3 OR NOT EXISTS (SELECT 1 FROM people WHERE id > 9))",
    ),
    (
        lambda s, p: s.group_by(known=tw.col("seller").is_in(p.select("id"))).agg(n=tw.count()),
        "SELECT known, COUNT(*) AS n FROM (SELECT seller IN (SELECT id FROM people) AS known FROM sales)"
        " GROUP BY known",
    ),
    (
        lambda s, p: s.agg(n=tw.sum(tw.col("price") - s.agg(tw.min("price")).scalar())),
        "SELECT SUM(price - (SELECT MIN(price) FROM sales)) AS n FROM sales",
    ),
    (
        lambda s, p: s.filter(
            (tw.col("price") - s.agg(tw.min("price")).scalar()).is_in(s.select("id")) & (tw.col("id") > 0)
        ).select("id"),
        "SELECT id FROM sales WHERE id < 0"
        " OR price - (SELECT MIN(price) FROM sales) IN (SELECT id FROM sales)",
    ),
]


@pytest.mark.parametrize("mode", ["batch", "stream"])
@pytest.mark.parametrize(("make", "text"), CASES, ids=[t for _, t in CASES])
def test_as_in_sql(data: tuple[tw.Dataset, tw.Dataset], make: Make, text: str, mode: Mode) -> None:
    made = make(*data)
    expected = made.session.sql(text)  # type: ignore[attr-defined]  # a session has it
    assert made.columns == expected.columns
    found = [sorted(d.collect(mode=mode).rows(), key=str) for d in (made, expected)]
    assert found[0] == found[1]
    assert found[0] or "NOT IN (SELECT seller" in text


def test_mistakes(data: tuple[tw.Dataset, tw.Dataset]) -> None:
    sales, people = data
    refused: list[tuple[Callable[[], object], str]] = [
        (lambda: sales.filter(tw.col("id") == people.scalar()), "plan-query-columns"),
        (lambda: sales.filter(tw.col("id").is_in(people)), "plan-query-columns"),
        (lambda: sales.join(people, on=tw.col("seller") == people.select("id").scalar()), "plan-query-place"),
        (
            lambda: sales.group_by("seller").agg(n=tw.count() + people.agg(tw.count()).scalar()),
            "plan-query-place",
        ),
    ]
    for make, code in refused:
        with pytest.raises(PlanError) as caught:
            make()
        assert caught.value.code == code
    with pytest.raises(DataError, match="several rows"):
        sales.filter(tw.col("id") == people.select("id").scalar()).collect()
