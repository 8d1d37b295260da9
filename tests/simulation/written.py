"""Queries that reach what random plans seldom do, with small inputs for them.

Their results are those of a batch of the same rows, which judges which of them are late as a stream does.

Not here: how they are simulated (plans.py), random plans (tests/property).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from random import Random
from typing import Any

import polars as pl

import thalweg as tw
from tests.property.recording import Table, rows_of
from thalweg.api.columns import plan_of
from thalweg.connectors.memory import MemorySink, frame_source
from thalweg.connectors.memory_table import MemoryTable
from thalweg.plan.nodes import Plan, Write
from thalweg.protocols.lookup import LookupOptions
from thalweg.protocols.source import Fields, Source
from thalweg.runtime.options import RunOptions
from thalweg.session.execute import Execution, execute

_SCHEMA = {
    "id": pl.Int64,
    "k": pl.Int64,
    "v": pl.Int64,
    "x": pl.Float64,
    "s": pl.String,
    "ts": pl.Datetime("us"),
}
_SESSIONS = "TABLE(SESSION(TABLE {} PARTITION BY k, DESCRIPTOR(ts), INTERVAL '2' SECOND))"
_TICKS = "(SELECT *, PROCTIME() AS p FROM t)"
TEXTS = (
    "SELECT id, k, ts FROM t ORDER BY ts",
    "SELECT id, ts FROM t ORDER BY ts, v DESC",
    "SELECT k, FIRST_VALUE(s) AS a, LAST_VALUE(v) AS b, LAST_VALUE(x) AS c FROM t GROUP BY k",
    "SELECT k, window_start, FIRST_VALUE(x) AS a, LAST_VALUE(s) AS b, AVG(x) AS m, STDDEV_POP(v) AS d "
    "FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '6' SECOND)) "
    "GROUP BY k, window_start, window_end",
    "SELECT k, window_start, COUNT(DISTINCT v) AS n, SUM(x) AS s, MAX(s) AS m "
    "FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '6' SECOND)) "
    "GROUP BY k, window_start, window_end",
    f"SELECT k, window_start, window_end, COUNT(*) AS n, MIN(x) AS m FROM {_SESSIONS.format('t')} "
    "GROUP BY k, window_start, window_end",
    f"SELECT k, window_start, window_end, COUNT(*) AS n, SUM(v) AS m FROM {_SESSIONS.format('corrected')} "
    "GROUP BY k, window_start, window_end",
    f"SELECT id, window_start FROM {_SESSIONS.format('corrected')}",
    "SELECT id, k, window_start FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end "
    "ORDER BY v DESC) AS n FROM TABLE(TUMBLE(TABLE corrected, DESCRIPTOR(ts), INTERVAL '4' SECOND))) "
    "WHERE n <= 2",
    "SELECT id, SUM(v) OVER w AS a, MIN(x) OVER w AS b, COUNT(*) OVER w AS c FROM t "
    "WINDOW w AS (PARTITION BY k ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)",
    "SELECT id, SUM(x) OVER w AS a, FIRST_VALUE(s) OVER w AS b FROM t "
    "WINDOW w AS (PARTITION BY k ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)",
    "SELECT id, LAG(v) OVER w AS a, LAG(s, 2) OVER w AS b, ROW_NUMBER() OVER w AS c FROM t "
    "WINDOW w AS (PARTITION BY k ORDER BY ts)",
    "SELECT id, MAX(v) OVER w AS a, LAST_VALUE(x) OVER w AS b FROM t "
    "WINDOW w AS (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '3' SECOND PRECEDING AND CURRENT ROW)",
    "SELECT n, COUNT(*) AS m, MIN(s) AS a, MAX(s) AS b FROM (SELECT k, COUNT(*) AS n, SUM(v) AS s FROM t "
    "GROUP BY k) GROUP BY n",
    "SELECT k, COUNT(DISTINCT v) AS a, SUM(DISTINCT v) AS b, MIN(s) FILTER (WHERE v > 1) AS c FROM t "
    "GROUP BY k",
    "SELECT k, v, COUNT(*) AS n FROM t GROUP BY GROUPING SETS ((k), (v), ())",
    "SELECT k, v FROM t INTERSECT ALL SELECT k, v FROM u",
    "SELECT k, v FROM t EXCEPT ALL SELECT k, v FROM u",
    "SELECT DISTINCT k, s FROM t",
    "SELECT a.id, r.id AS other FROM t AS a LEFT JOIN rates FOR SYSTEM_TIME AS OF a.ts AS r ON a.k = r.k",
    "SELECT a.id, r.id AS other FROM t AS a ASOF LEFT JOIN u AS r ON a.k = r.k AND a.ts >= r.ts",
    "SELECT a.id, r.id AS other FROM t AS a ASOF JOIN u AS r ON a.k = r.k AND a.ts > r.ts AND r.v < a.v",
    "SELECT a.id, r.id AS other FROM t AS a FULL JOIN u AS r ON a.k = r.v AND a.v > r.v",
    "SELECT id FROM t WHERE k NOT IN (SELECT v FROM u WHERE v IS NOT NULL)",
    "SELECT a.id, r.id AS other FROM t AS a LEFT JOIN u AS r ON a.k = r.k "
    "AND r.ts BETWEEN a.ts - INTERVAL '2' SECOND AND a.ts + INTERVAL '1' SECOND",
    "SELECT id, v FROM (SELECT * FROM t LIMIT 7 OFFSET 2)",
    f"SELECT a.id, p.name FROM {_TICKS} AS a LEFT JOIN names FOR SYSTEM_TIME AS OF a.p AS p ON a.k = p.k",
    f"SELECT a.id, p.name FROM {_TICKS} AS a JOIN cached FOR SYSTEM_TIME AS OF a.p AS p ON a.k = p.k",
    f"SELECT a.id, p.name FROM {_TICKS} AS a LEFT JOIN asked FOR SYSTEM_TIME AS OF a.p AS p ON a.k = p.k",
    # when rows are read nobody knows, but all of them are
    "SELECT SUM(n) AS n FROM (SELECT COUNT(*) AS n FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(p), "
    "INTERVAL '1' SECOND)) GROUP BY k, window_start, window_end)",
    "SELECT SUM(n) AS n FROM (SELECT COUNT(*) AS n FROM TABLE(SESSION(TABLE ticks PARTITION BY k, "
    "DESCRIPTOR(p), INTERVAL '1' SECOND)) GROUP BY k, window_start, window_end)",
    "SELECT id, doubled(v) AS d, CAST(s AS STRING) || '!' AS e, TRY_CAST(s AS INT) AS f FROM t WHERE odd(id)",
)
"""Over `t`, `u`, the versions `rates`, the tables `names`, `cached` and `asked`, `corrected`, `ticks`."""


def _frames(random: Random) -> list[pl.DataFrame]:
    made = []
    for split in range(random.choice([1, 2, 2])):
        front, rows = 0, []
        for n in range(random.choice([3, 8, 15])):
            front += random.choice([0, 1, 1, 3])
            time = front - random.randrange(6) if random.random() < 0.3 else front
            v = random.choice([None, 0, 1, 2, 3])
            x = random.choice([None, 0.5, 1.25, -4.0])
            s = random.choice([None, "a", "b", "12"])
            rows.append((split * 100 + n, random.randrange(3), v, x, s, time * 1_000_000))
        made.append(pl.DataFrame(rows, schema=_SCHEMA, orient="row"))
    return made


@tw.udf
def _doubled(v: int | None) -> int | None:
    return None if v is None else v * 2


@tw.udf(by="column", returns="BOOLEAN")
def _odd(ids: pl.Series) -> pl.Series:
    return ids % 2 == 1


class _ByKey(MemoryTable):
    """A table that is asked by key."""

    def open_keys(self, keys: tuple[str, ...], fields: Fields | None) -> _Answers:
        rows = self.frame if fields is None else self.frame.select(name for name, _ in fields)
        return _Answers(self.frame, rows, keys)


class _Answers:
    def __init__(self, frame: pl.DataFrame, rows: pl.DataFrame, keys: tuple[str, ...]) -> None:
        self._frame, self._rows, self._keys = frame, rows, keys

    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        wanted = {*keys.rows()}
        return self._rows.filter(pl.Series([row in wanted for row in self._frame.select(self._keys).rows()]))

    def close(self) -> None:
        """Nothing is held."""


def _session(sources: Sequence[Source]) -> tw.Session:
    session = tw.Session(parallelism=1)
    mine, other = (session.from_source(source) for source in sources)
    session.create_view("t", mine.assign_watermark("ts", "2s"))
    session.create_view("u", other.assign_watermark("ts", "2s"))
    session.create_view("corrected", mine.assign_watermark("ts", "1s", lateness_max="4s"))
    session.execute_sql(
        "CREATE VIEW rates AS SELECT id, k, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k "
        "ORDER BY ts DESC) AS n FROM u) WHERE n = 1"
    )
    names = pl.DataFrame({"k": [0, 1], "name": ["zero", "one"]})
    session.create_view("names", session.from_source(MemoryTable(names, "names")))
    partial = LookupOptions(cache="PARTIAL", rows_max=1, batch_keys=1, expire_after_write=0.2)
    session.create_view("cached", session.from_source(_ByKey(names, "cached", lookup=partial)))
    session.create_view("asked", session.from_source(_ByKey(names, "asked")))
    session.create_view("ticks", session.sql("SELECT *, PROCTIME() AS p FROM t"))
    session.create_function(_doubled, "doubled")
    session.create_function(_odd, "odd")
    return session


@cache
def written(number: int) -> tuple[Plan, tuple[Table, ...]]:
    """A query of a number, over rows that some others have too, and its result."""
    random = Random(f"{number} written")
    sources = [frame_source(_frames(random), name=name) for name in ("t", "u")]
    text = TEXTS[number % len(TEXTS)]
    plan = plan_of(_session(sources).sql(text))
    sink = MemorySink()
    options = RunOptions(runtime="inline")
    execute(
        [Write(plan, sink)], Execution(mode="batch", lateness="as_stream", parallelism=1, options=options)
    )
    rows: Iterator[tuple[Any, ...]] = rows_of(sink.table())
    counts = Table()
    counts.update(rows)
    return plan, (counts,)
