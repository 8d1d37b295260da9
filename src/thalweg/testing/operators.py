"""Check an operator, or a chain of them, against its contract.

The same input in many ways must give the same output. What that is need not be known: the run in which
every batch comes as it was given, with a cut after each, is what all others are compared with.

Reads:    the operator's description and some input.
Not here: the ways (scripts.py), making the calls (stand.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import polars as pl

from thalweg.columnar.batch import Batch
from thalweg.protocols.operator import MAIN, OperatorSpec
from thalweg.testing import scripts
from thalweg.testing.contract import ConformanceError, broken, check
from thalweg.testing.scripts import Event, Given, Input, Place, Rows, with_cuts
from thalweg.testing.stand import Bench, How, Outcome, Tables, partition_of
from thalweg.testing.tables import difference, table_of

_GIVEN = How("batches as given")
_RESULTS = ("O7", "O10")
"""Lines about what comes out: where only one way breaks them, its own line is what is broken."""


def check_operator(
    spec: OperatorSpec | Sequence[OperatorSpec],
    batches: Sequence[Given],
    *,
    expected: pl.DataFrame | None = None,
    takes_updates: bool | None = None,
    time: str | None = None,
    slack_us: int = 0,
    as_changes: Callable[[Batch], Batch] | None = None,
    seed: int = 0,
) -> None:
    """Run an operator against O1 to O13.

    Args:
        spec: the operator's description, or a chain of them, such as a partial sum and what adds it up.
        batches: the input in its order: frames, batches or `Rows` for a port, and `Watermark`s between.
        expected: the table that the output adds up to, with some or all of its columns.
        takes_updates: whether weights may come; None: if the input has some.
        time: an output column with times that are never behind the watermark, such as `window_end`.
        slack_us: how far that column may lag behind.
        as_changes: what emitted rows mean as changes; None: they are changes.
        seed: chooses the random cuttings and delays.

    Raises:
        ConformanceError: names the line that is broken.

    Example:
        >>> from thalweg.operators.folding import FoldSpec
        >>> rows = pl.DataFrame({"a": [1, 2, 2, 1]})
        >>> check_operator(FoldSpec("fold", {"a": pl.Int64()}), [rows[:3], rows[3:]], expected=rows)
    """
    specs = (spec,) if isinstance(spec, OperatorSpec) else tuple(spec)
    feed = scripts.feed_of(batches)
    inputs = 1 + max((i.port for i in feed if isinstance(i, Rows)), default=0)
    kit = _Kit(Bench(specs, inputs, time, slack_us, as_changes), feed, Random(seed))  # noqa: S311 - no secret
    kit.check_cuts()
    kit.check_cuttings()
    kit.check_delays()
    kit.check_hidden_state()
    kit.check_tasks()
    weighted = any(isinstance(i, Rows) and i.batch.weight is not None for i in feed)
    if weighted if takes_updates is None else takes_updates:
        kit.check_weights()
    if expected is not None:
        kit.check_expected(expected)


class _Kit:
    """One operator, its input, and the run that all others are compared with."""

    def __init__(self, bench: Bench, feed: list[Input], r: Random) -> None:
        self._bench, self._feed, self._r = bench, feed, r
        self._known = bench.run(with_cuts(feed), _GIVEN)

    def check_cuts(self) -> None:
        """Fewer cuts, and cuts twice."""
        for every in (2, 3):
            how = How(f"a cut after every {every} batches")
            self._same("O9", with_cuts(self._feed, every), how)
        how = How("no cuts")
        self._same("O9", self._feed, how)
        twice = [e for e in with_cuts(self._feed) for _ in range(2 if isinstance(e, scripts.Cut) else 1)]
        how = How("every cut twice")
        self._same("O9", twice, how)

    def check_cuttings(self) -> None:
        """Batches cut and joined."""
        for what, feed in scripts.cuttings(self._feed, self._r):
            how = How(what)
            self._same("O1", with_cuts(feed), how)

    def check_delays(self) -> None:
        """Watermarks held back; until the end there may be less, so only the end is compared."""
        for what, feed in scripts.delays(self._feed, self._r, tells_last=self._bench.sets_timers):
            self._same_end("O2", with_cuts(feed), How(what))

    def check_hidden_state(self) -> None:
        """New instances over the same state, then over state that was dumped and loaded."""
        finest = with_cuts(scripts.finest(self._feed))
        self._same("O3", finest, How("a new instance after each row and cut", "rebuild"))
        coarse = with_cuts(self._feed)
        self._same("O3", coarse, How("a new instance after each cut, batches as given", "rebuild"))
        self._same("O4", coarse, How("state dumped and loaded after each cut, batches as given", "restore"))
        often = with_cuts(scripts.finest(self._feed), self._r.randrange(2, 5))
        self._same("O3", finest, How("a new instance after each third row and cut", "rebuild", every=3))
        self._same("O4", often, How("state dumped and loaded now and then, every row by itself", "restore"))

    def check_tasks(self) -> None:
        """Rows shared out over tasks, and state moved between them."""
        routes = self._routes()
        if routes is None:
            return
        # increments of several cuts have come together when the number of tasks changes
        for tasks in ((2,), (5,), (1, 3, 3, 3, 2, 2)):
            numbers = ", ".join(map(str, tasks))
            how = How(f"{numbers} tasks", "keep", tasks, routes)
            self._same("O5", with_cuts(self._feed), how)

    def _routes(self) -> tuple[tuple[str, ...], ...] | None:
        """The columns to share rows out by, for each port; None if one task must have them all."""
        # what every task has is no reason why rows should go to one of them
        declared = [d for s in self._bench.specs for d in s.states() if d.scope != "broadcast"]
        if any(d.scope != "keyed" or not partition_of(d) for d in declared):
            return None
        routes = tuple(dict.fromkeys(partition_of(d) for d in declared))
        if len(routes) > max(1, self._bench.inputs):
            # rows change places between the operators of such a chain
            return None
        columns = [set(i.batch.frame.columns) for i in self._feed if isinstance(i, Rows)]
        fits = all(any(set(route) <= held for route in routes) for held in columns)
        return routes if fits or not routes else None

    def check_weights(self) -> None:
        """The same changes with other weights."""
        for what, feed in scripts.reweighted(self._feed):
            self._same_end("O11", with_cuts(feed), How(what))

    def check_expected(self, expected: pl.DataFrame) -> None:
        """The table at the end."""
        columns = self._known.columns.get(MAIN, expected.columns)
        check(set(expected.columns) <= set(columns), "O13", "columns of the output", found=columns)
        at = [columns.index(name) for name in expected.columns]
        found: Counter[tuple[object, ...]] = Counter()
        for row, count in self._known.final[MAIN].items():
            found[tuple(row[i] for i in at)] += count
        wrong = difference(found, table_of(expected))
        check(wrong is None, "O13", _GIVEN.what, found=wrong)

    def _same(self, line: str, events: Sequence[Event], how: How) -> None:
        """The same tables at every common place, and at the end."""
        found = self._run(line, events, how)
        common: list[Place] = [place for place in found.at if place in self._known.at]
        for place in common:
            where = f"{how.what}: cut after {place[0]} rows and {place[1]} watermarks"
            _compare(line, where, found.at[place], self._known.at[place])
        _compare(line, f"{how.what}: end", found.final, self._known.final)

    def _same_end(self, line: str, events: Sequence[Event], how: How) -> None:
        """The same tables at the end."""
        _compare(line, f"{how.what}: end", self._run(line, events, how).final, self._known.final)

    def _run(self, line: str, events: Sequence[Event], how: How) -> Outcome:
        """A run in which nothing may come up that did not in the run that all are compared with."""
        try:
            return self._bench.run(events, how)
        except ConformanceError as error:
            if error.line.id not in _RESULTS:
                raise
            raise broken(line, error.what, expected=error.expected, found=error.found) from error


def _compare(line: str, what: str, found: Tables, wanted: Tables) -> None:
    for port in sorted({*found, *wanted}):
        wrong = difference(found.get(port, Counter()), wanted.get(port, Counter()))
        if wrong is not None:
            raise broken(line, f"{what}, output {port}", found=wrong)
