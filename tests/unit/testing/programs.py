"""Programs whose results can change, each for another reason, and programs whose results cannot.

Each is a whole program: it is executed anew for every run, as `thalweg simulate` does with a file.

Not here: what is found (test_simulate.py).
"""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

import thalweg as tw
from thalweg.api.dataset import Dataset

CLICKS = [
    {"id": n, "user": n * 7 % 5, "n": n * 13 % 11, "at": datetime.datetime(2026, 1, 1, 0, 0, n)}
    for n in range(40)
]


SCHEMA = "id BIGINT, user BIGINT, n BIGINT, at TIMESTAMP(3)"


def _clicks(session: tw.Session, *, splits: int = 1, bound: str | None = None) -> Dataset:
    size = len(CLICKS) // splits
    parts = [pl.DataFrame(CLICKS[i * size : (i + 1) * size]) for i in range(splits)]
    made = [session.from_polars(part, f"clicks{n}") for n, part in enumerate(parts, 1)]
    if bound is not None:
        made = [part.assign_watermark("at", bound) for part in made]
    return made[0] if splits == 1 else made[0].union(*made[1:])


async def _asked(row: Any) -> Any:
    await asyncio.sleep(0.001 * (row.n % 3))
    return (row.n * 2,)


def asynchronous() -> Dataset:
    """A service that says the same each time, and windows of what it says by the time of the rows."""
    answers = _clicks(tw.Session(), splits=2, bound="5s").map_async(
        _asked, "twice BIGINT", carry=["user", "at"], ordered=False, at_once=3
    )
    return answers.window(tw.tumbling("10s"), "at").group_by("user").agg(total=tw.sum("twice"))


# Wrong ones --------------------------------------------------------------------------------------


def order_dependent() -> Dataset:
    """A function that numbers the rows of whatever it is handed."""

    def numbered(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(id=pl.int_range(pl.len(), dtype=pl.Int64))

    return _clicks(tw.Session()).map_batches(numbered)


def clock() -> Dataset:
    """A function that looks what day it is."""

    @tw.udf
    def age(at: datetime.datetime) -> int:
        return (datetime.datetime.now() - at).days

    rows = _clicks(tw.Session())
    return rows.select("id", days=age(tw.col("at")))


class Sum:
    """What a callback has built."""

    total = 0


def callback() -> None:
    """A callback that adds to a total, whatever it has had."""
    session, held = tw.Session(), Sum()

    def add(frame: pl.DataFrame) -> None:
        held.total += frame["n"].sum()

    _clicks(session).filter(tw.col("n") > 2).write_callback(add)
    session.run("totals", mode="stream")


def unstable_order() -> Dataset:
    """A function that keeps the first of rows that tie, in the order in which they come."""

    def best(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.sort("user", maintain_order=True).unique("user", keep="first", maintain_order=True)

    return _clicks(tw.Session(), splits=2).map_batches(best)


class Unseen:
    """Keeps on itself which users it has seen."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def __call__(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if row["user"] not in self._seen:
            self._seen.add(row["user"])
            yield row


def state_on_self() -> Dataset:
    """An object that remembers what it has seen, and forgets it in a crash."""
    return _clicks(tw.Session()).flat_map(Unseen(), SCHEMA)


WRONG: dict[str, Callable[[], object]] = {
    "order-dependent function": order_dependent,
    "clock in a function": clock,
    "callback that is not idempotent": callback,
    "unstable order": unstable_order,
    "state on self": state_on_self,
}


# Right ones --------------------------------------------------------------------------------------


def windows() -> Dataset:
    """Counts per window and user, from two sources."""
    rows = _clicks(tw.Session(), splits=2, bound="5s")
    return rows.window(tw.tumbling("10s")).group_by("user").agg(n=tw.count(), s=tw.sum("n"))


def joined() -> Dataset:
    """Clicks with clicks of the same user within some seconds."""
    session = tw.Session()
    session.create_view("t", _clicks(session, bound="2s"))
    return session.sql(
        "SELECT a.id, b.id AS other FROM t AS a JOIN t AS b ON a.user = b.user "
        "AND a.at BETWEEN b.at - INTERVAL '9' SECOND AND b.at"
    )


def deduplicated() -> Dataset:
    """The first click of each user, by position where times tie."""
    session = tw.Session()
    session.create_view("t", _clicks(session, splits=2, bound="2s"))
    return session.sql(
        "SELECT id, user FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user ORDER BY at) AS place FROM t) "
        "WHERE place = 1"
    )


def updating() -> None:
    """Totals that change, handed to a function that takes the newest."""
    session = tw.Session()
    newest: dict[int, int] = {}

    def keep(frame: pl.DataFrame) -> None:
        for op, user, total in frame.iter_rows():
            if op in ("+I", "+U"):
                newest[user] = total

    totals = _clicks(session).group_by("user").agg(total=tw.sum("n"))
    totals.write_callback(keep, changes=True, idempotent=True)
    session.run("totals", mode="stream")


def row_function() -> Dataset:
    """A function of each row by itself, which measures how long it takes, and floats that are added up."""

    @tw.udf
    def share(n: int) -> float:
        begun = time.perf_counter()
        value = n / 7 + 0.1
        assert time.perf_counter() >= begun
        return value

    return _clicks(tw.Session(), splits=2).group_by("user").agg(s=tw.sum(share(tw.col("n"))))


RIGHT: dict[str, Callable[[], object]] = {
    "windows": windows,
    "interval join": joined,
    "deduplication": deduplicated,
    "updating GROUP BY": updating,
    "row function": row_function,
    "asynchronous function": asynchronous,
}
