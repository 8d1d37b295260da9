"""Find out whether a result depends on how its input was cut into batches, on tasks, or on crashes.

Not here: clocks, chance and the outside world, which a simulation finds (programs/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random

import polars as pl

from thalweg.api.dataset import Dataset
from thalweg.base.schema import Schema
from thalweg.testing.harness.harness import Input, JobHarness
from thalweg.testing.tables import Table, difference, table_of

Make = Callable[[Dataset], Dataset]
Way = tuple[str, Callable[[JobHarness, Input, pl.DataFrame], None], int]


def check_cuts(
    make: Make,
    rows: pl.DataFrame,
    *,
    time: str | None = None,
    bound: str | timedelta = "0s",
    ways: int = 12,
    seed: int = 0,
) -> pl.DataFrame:
    """Run a function, or any other steps, over the same rows in many ways; the result must be the same.

    Args:
        make: the steps, of the rows as a dataset.
        rows: the rows.
        time: the column of event time.
        bound: how far rows may be out of order.
        ways: how many random cuttings, some of them with crashes.
        seed: chooses them.

    Returns:
        The result.

    Raises:
        AssertionError: says which way gave another result, and which rows differ.

    Example:
        >>> import thalweg as tw
        >>> class Last(tw.ProcessFunction):
        ...     before: int | None = None
        ...
        ...     def on_event(self, row):
        ...         yield row.k, self.before
        ...         self.before = row.v
        >>> class Forgets(Last):
        ...     def on_event(self, row):
        ...         # not state: it is gone after a crash, and shared by all keys
        ...         self._seen = getattr(self, "_seen", 0) + 1
        ...         yield row.k, self._seen
        >>> frame = pl.DataFrame({"k": [1, 2] * 20, "v": range(40)})
        >>> def steps(function):
        ...     return lambda rows: rows.key_by("k").process(function, "k BIGINT, v BIGINT", order="arrival")
        >>> check_cuts(steps(Last()), frame).height
        40
        >>> check_cuts(steps(Forgets()), frame)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        AssertionError: the result depends on how the input came...
    """
    random = Random(seed)  # noqa: S311 - no secret
    known: tuple[str, Table, pl.DataFrame] | None = None
    for what, feed, parallelism in _ways(random, ways):
        table = _result(make, rows, time, bound, feed, parallelism)
        counted = table_of(table)
        if known is None:
            known = what, counted, table
        wrong = difference(counted, known[1])
        if wrong is not None:
            raise AssertionError(
                f"the result depends on how the input came\n  {known[0]}: {known[1].total()} rows\n"
                f"  {what}: {counted.total()} rows\n  {wrong}"
            )
    assert known is not None, "there is always one way"
    return known[2]


def _result(
    make: Make,
    rows: pl.DataFrame,
    time: str | None,
    bound: str | timedelta,
    feed: Callable[[JobHarness, Input, pl.DataFrame], None],
    parallelism: int,
) -> pl.DataFrame:
    with JobHarness(parallelism=parallelism) as job:
        given = job.source(Schema.from_polars(dict(rows.schema)), time=time, bound=bound)
        job.watch(make(given.rows))
        feed(job, given, rows)
        given.end()
        return job.table()


def _ways(random: Random, count: int) -> Iterator[Way]:
    yield "all rows at once", lambda job, given, rows: given.push(rows), 1
    yield "row by row", lambda job, given, rows: _pushed(given, rows, [1] * rows.height), 1
    for number in range(count):
        crashes = number % 2 == 1
        told = f"random cuts number {number}" + (", with crashes" if crashes else "")
        yield told, _randomly(Random(random.random()), crashes=crashes), random.choice([1, 2, 3])  # noqa: S311 - no secret


def _pushed(given: Input, rows: pl.DataFrame, sizes: list[int]) -> None:
    at = 0
    for size in sizes:
        given.push(rows[at : at + size])
        at += size


def _randomly(random: Random, *, crashes: bool) -> Callable[[JobHarness, Input, pl.DataFrame], None]:
    def feed(job: JobHarness, given: Input, rows: pl.DataFrame) -> None:
        at = 0
        while at < rows.height:
            size = random.choice([1, 2, 5, 20, rows.height])
            given.push(rows[at : at + size])
            at += size
            if crashes and random.random() < 0.4:
                if random.random() < 0.7:
                    job.checkpoint()
                job.crash(parallelism=random.choice([1, 2, 3]))

    return feed
