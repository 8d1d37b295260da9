"""A benchmark of incremental work: what a thousand new rows cost beside little and beside much state.

Each case is a query over two tables whose state grows with its rows. It takes a million and then ten million
rows; what is compared are the rounds of a thousand new rows that follow.

Not here: driving the operators (rounds.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from thalweg.cli.bench.model import Benchmark, Measured, Options

if TYPE_CHECKING:
    # loads the engine
    from collections.abc import Callable

    import polars as pl

    from thalweg.cli.bench.rounds import Rounds
    from thalweg.protocols.state import StateSpec

_ROUND_ROWS = 1000
_ROUNDS = 41
_FEWER = 10
"""How many times less state there is in the first of the two measurements."""
_PIECES = 4.0
"""Where a round gives back rows from every piece of the rows kept."""
_TABLES = """
CREATE TABLE a (k BIGINT, g BIGINT, v BIGINT, s STRING, t TIMESTAMP(3), WATERMARK FOR t AS t)
WITH ('connector' = 'datagen');
CREATE TABLE b (k BIGINT, g BIGINT, v BIGINT, s STRING, t TIMESTAMP(3), WATERMARK FOR t AS t)
WITH ('connector' = 'datagen');
CREATE VIEW counts AS SELECT k, COUNT(*) AS n FROM a GROUP BY k;
CREATE VIEW sums AS SELECT g, k, SUM(v) AS n FROM a GROUP BY g, k;
CREATE VIEW last_first AS SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY t DESC) AS n FROM a;
CREATE VIEW best_first AS SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS n FROM a;
CREATE VIEW best_sums AS SELECT *, ROW_NUMBER() OVER (PARTITION BY g ORDER BY n DESC, k) AS place FROM sums;
CREATE VIEW hopped AS
SELECT * FROM TABLE(HOP(TABLE a, DESCRIPTOR(t), INTERVAL '10' DAY, INTERVAL '90' DAY));
CREATE VIEW tumbled AS SELECT * FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(t), INTERVAL '900' DAY));
CREATE VIEW sessions AS
SELECT * FROM TABLE(SESSION(TABLE a PARTITION BY k, DESCRIPTOR(t), INTERVAL '90' DAY));
CREATE VIEW near AS
SELECT a.k, a.v, b.s
FROM a JOIN b ON a.k = b.k AND a.t BETWEEN b.t - INTERVAL '90' DAY AND b.t + INTERVAL '90' DAY;
CREATE VIEW near_or_alone AS
SELECT a.k, a.v, b.s
FROM a LEFT JOIN b ON a.k = b.k AND a.t BETWEEN b.t - INTERVAL '90' DAY AND b.t + INTERVAL '90' DAY;
"""


@dataclass(frozen=True)
class Case:
    """A query, and how its keys are spread.

    Attributes:
        sides: how many tables it reads.
        rows_per_key: how many rows there are for each value of k.
        ratio_max: how many times longer a round may take beside ten times the state; where it is more than
            twice, docs/state.md says why.
    """

    query: str
    sides: int = 1
    rows_per_key: int = 1
    ratio_max: float = 2.0


CASES = {
    "group": Case("SELECT k, COUNT(*), SUM(v), MIN(v), MAX(v) FROM a GROUP BY k"),
    "group, texts": Case("SELECT k, MIN(s), MAX(s) FROM a GROUP BY k"),
    "group over changes": Case("SELECT g, MIN(n), MAX(n), SUM(n) FROM sums GROUP BY g"),
    "one group over changes": Case("SELECT MIN(n), MAX(n) FROM sums"),
    "distinct values": Case("SELECT g, COUNT(DISTINCT k) FROM a GROUP BY g"),
    "distinct values, one group": Case("SELECT COUNT(DISTINCT k), SUM(DISTINCT v) FROM a"),
    "distinct rows": Case("SELECT DISTINCT k, s FROM a"),
    "join": Case("SELECT a.k, a.v, b.s FROM a JOIN b ON a.k = b.k", 2),
    "left join": Case("SELECT a.k, a.v, b.s FROM a LEFT JOIN b ON a.k = b.k", 2),
    "full join": Case("SELECT a.k, a.v, b.s FROM a FULL JOIN b ON a.k = b.k AND a.v < b.v", 2),
    "semi join": Case("SELECT k, v FROM a WHERE k IN (SELECT k FROM b)", 2),
    "anti join": Case("SELECT k, v FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k)", 2),
    "join of changes": Case("SELECT c.k, c.n, b.s FROM counts c JOIN b ON c.k = b.k", 2),
    "left join of changes": Case("SELECT c.k, c.n, b.s FROM counts c LEFT JOIN b ON c.k = b.k", 2),
    "interval join": Case("SELECT * FROM near", 2),
    "interval left join": Case("SELECT * FROM near_or_alone", 2),
    "intersect": Case("SELECT k, s FROM a INTERSECT SELECT k, s FROM b", 2),
    "last row": Case("SELECT k, v, s FROM last_first WHERE n = 1", ratio_max=_PIECES),
    "top three": Case("SELECT k, v, s, n FROM best_first WHERE n <= 3", rows_per_key=10, ratio_max=_PIECES),
    "top three of changes": Case("SELECT g, k, n, place FROM best_sums WHERE place <= 3"),
    "limit": Case("SELECT k, v FROM a ORDER BY v DESC LIMIT 10"),
    "over range": Case(
        "SELECT k, t, SUM(v) OVER (PARTITION BY k ORDER BY t"
        " RANGE BETWEEN INTERVAL '90' DAY PRECEDING AND CURRENT ROW) FROM a"
    ),
    "over rows": Case(
        "SELECT k, t, SUM(v) OVER (PARTITION BY k ORDER BY t ROWS BETWEEN 5 PRECEDING AND CURRENT ROW) FROM a"
    ),
    "hopping window": Case("SELECT k, COUNT(*), window_end FROM hopped GROUP BY k, window_start, window_end"),
    "window, distinct values": Case(
        "SELECT g, COUNT(DISTINCT k), window_end FROM tumbled GROUP BY g, window_start, window_end"
    ),
    "session": Case("SELECT k, COUNT(*), window_end FROM sessions GROUP BY k, window_start, window_end"),
}


def _run(options: Options) -> Measured:
    measured = Measured("times", [])
    figures = {}
    for name, case in CASES.items():
        few, much = (_measure(case, rows) for rows in (options.events // _FEWER, options.events))
        ratio = much[0] / few[0]
        figures[name] = {
            "ms": [round(1000 * s, 2) for s in (few[0], much[0])],
            "ratio": round(ratio, 2),
            "state_mib": [round(b / 2**20, 1) for b in (few[1], much[1])],
        }
        measured.values.append(ratio)
        if ratio > case.ratio_max:
            measured.problems.append(f"{name}: {ratio:.2f} times the work beside {_FEWER} times the state")
    measured.details = {"rows": options.events, "round_rows": _ROUND_ROWS, "cases": figures}
    return measured


def _measure(case: Case, rows: int) -> tuple[float, int]:
    """The median seconds of a round beside so many rows, and the bytes of state."""
    from thalweg.cli.bench.rounds import timed

    rounds = driven(case)
    table = rows // case.sides
    feed = Feed(rounds, max(1, table // case.rows_per_key))
    for start in range(0, table, 500_000):
        feed.give(min(500_000, table - start))
        rounds.cut()
    seconds = []
    for _ in range(_ROUNDS):
        made = feed.made(_ROUND_ROWS // case.sides)
        seconds.append(timed(partial(feed.round, made)))
    return median(seconds), rounds.state_bytes


def driven(case: Case, new_state: Callable[[StateSpec], Any] | None = None) -> Rounds:
    """The job of a case, with state of its own making or of another."""
    from thalweg.cli.bench.rounds import Rounds
    from thalweg.connectors.memory import MemorySink
    from thalweg.optimizer.optimize import optimize
    from thalweg.optimizer.standard import RULES
    from thalweg.physical.planner import plan_job
    from thalweg.plan.nodes import Write
    from thalweg.session.session import Session

    session = Session()
    session.execute_sql(_TABLES)
    plan = session.sql(case.query).plan
    plans, _ = optimize([Write(plan, MemorySink())], RULES)
    job = plan_job(plans, name="incremental", parallelism=1)
    return Rounds(job) if new_state is None else Rounds(job, new_state)


class Feed:
    """Rows for the scans of a job, the same for every run."""

    def __init__(self, rounds: Rounds, keys: int) -> None:
        import numpy as np

        self._rounds, self._keys = rounds, keys
        self._random = np.random.default_rng(1)
        self._time = 0

    def made(self, count: int) -> dict[str, pl.DataFrame]:
        """New rows for each scan."""
        import numpy as np
        import polars as pl

        frames = {}
        for scan, names in self._rounds.scans.items():
            k = self._random.integers(0, self._keys, count)
            columns = {
                "k": pl.Series(k),
                "g": pl.Series(k % max(1, self._keys // 1000)),
                "v": pl.Series(self._random.integers(0, 1_000_000, count)),
                "s": pl.Series(k % 1000).cast(pl.String),
                "t": pl.Series(self._time + np.arange(count)).cast(pl.Datetime("ms")),
            }
            frames[scan] = pl.DataFrame([columns[n].alias(n) for n in names])
        self._time += count
        return frames

    def give(self, count: int) -> None:
        """Rows for every scan."""
        for scan, frame in self.made(count).items():
            self._rounds.feed(scan, frame)

    def round(self, made: dict[str, pl.DataFrame]) -> None:
        """New rows, event time up to them, and a cut."""
        for scan, frame in made.items():
            self._rounds.feed(scan, frame)
        self._rounds.advance(1000 * self._time)
        self._rounds.cut()


INCREMENTAL = [
    Benchmark(
        "incremental",
        "state",
        "Does the work for a thousand new rows depend on how much state there is?",
        "look-ups by hash: ten times the state misses the caches more often, well below twice the time",
        _run,
        target=Case.ratio_max,
    )
]
