"""What is grouped or numbered by a declared key is forgotten when no more of it can come; results stay.

An auction finds bids until it expires. Where its `id` is a key, so do all rows of that `id`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from polars.testing import assert_frame_equal

from tests.sql.test_flink_answers import DATA, QUERIES, comparable, query
from thalweg.runtime.options import RunOptions
from thalweg.runtime.run import Run
from thalweg.session.hooks import HOOKS
from thalweg.session.session import Session

EVENTS = DATA / "events.parquet"


def session_of(rows: int, parallelism: int, *, has_key: bool) -> Session:
    session = Session(parallelism=parallelism)
    session.run_options = RunOptions()
    session.settings.set("execution.batch-rows", str(rows))
    ddl = (QUERIES / "ddl.sql").read_text().replace("${EVENTS}", str(EVENTS)).replace("${FORMAT}", "parquet")
    if has_key:
        ddl = ddl.replace("VIEW auction AS", "VIEW auction (PRIMARY KEY (id) NOT ENFORCED) AS")
    session.execute_sql(ddl)
    return session


@contextmanager
def counted() -> Iterator[dict[str, int]]:
    """How many rows each state of a stream has at its end."""
    found: dict[str, int] = {}

    @contextmanager
    def watch(run: Run) -> Iterator[None]:
        held = [(n, state) for states in run.parts.states.values() for n, state in states.items()]
        yield
        for (step, _), state in held:
            found[step] = found.get(step, 0) + state.dump().height

    HOOKS.watchers.append(watch)
    try:
        yield found
    finally:
        HOOKS.watchers.remove(watch)


@pytest.mark.parametrize(("name", "step"), [("q4", "group1.group"), ("q9", "rank1.first")])
@pytest.mark.parametrize(("rows", "parallelism"), [(700, 2), (4096, 1)])
def test_keys_are_forgotten_and_results_stay(name: str, step: str, rows: int, parallelism: int) -> None:
    found, left = [], []
    for has_key in (False, True):
        with counted() as counts:
            session = session_of(rows, parallelism, has_key=has_key)
            found.append(session.collect(session.sql(query(name)).plan, mode="stream"))
        left.append(counts[step])
    assert_frame_equal(comparable(found[0]), comparable(found[1]))
    assert left[1] < left[0] / 2


def test_values_of_groups_are_forgotten_with_them() -> None:
    text = """
        SELECT a.id, ARRAY_AGG(b.price) AS prices, COUNT(DISTINCT b.bidder) AS n, MAX(b.channel) AS c
        FROM auction a JOIN bid b ON a.id = b.auction AND b.`dateTime` BETWEEN a.`dateTime` AND a.expires
        GROUP BY a.id"""
    found, left = [], []
    for mode in ("batch", "stream"):
        with counted() as counts:
            session = session_of(700, 2, has_key=True)
            found.append(session.collect(session.sql(text).plan, mode=mode).sort("id"))
        left.append(counts)
    assert_frame_equal(found[0], found[1])
    # groups and their values, of which each has several
    assert left[1]["group1.group"] < found[0].height


@pytest.mark.parametrize("name", ["q4", "q9"])
def test_a_batch_does_not_mind_a_key(name: str) -> None:
    found = []
    for has_key in (False, True):
        session = session_of(4096, 2, has_key=has_key)
        found.append(session.collect(session.sql(query(name)).plan, mode="batch"))
    assert_frame_equal(comparable(found[0]), comparable(found[1]))


def test_without_the_optimizer_a_key_says_nothing() -> None:
    session = session_of(4096, 2, has_key=True)
    session.rules = ()
    found = session.collect(session.sql(query("q4")).plan, mode="stream")
    plain = session_of(4096, 2, has_key=False)
    expected = plain.collect(plain.sql(query("q4")).plan, mode="batch")
    assert_frame_equal(comparable(found), comparable(expected))


def test_numbers_that_are_shared_are_forgotten_with_their_key() -> None:
    text = """
        SELECT id, price, n FROM (
        SELECT a.id, b.price, RANK() OVER (PARTITION BY a.id ORDER BY b.price DESC) AS n
        FROM auction a JOIN bid b ON a.id = b.auction AND b.`dateTime` BETWEEN a.`dateTime` AND a.expires)
        WHERE n <= 2"""
    found, left = [], []
    for mode in ("batch", "stream"):
        with counted() as counts:
            session = session_of(700, 2, has_key=True)
            found.append(session.collect(session.sql(text).plan, mode=mode))
        left.append(counts)
    assert_frame_equal(comparable(found[0]), comparable(found[1]))
    assert left[1]["rank1.rank"] < found[0].height / 2
