"""Flink SQL in PyFlink's local cluster: one process, heap state, no checkpoints.

Tuned as its guides say: object reuse, mini batches, two-phase and split distinct aggregates.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from benchmarks.peers.sums import answer, wrapped
from benchmarks.peers.worker import CORES, serve

SETTINGS = {
    "parallelism.default": str(CORES),
    "pipeline.object-reuse": "true",
    "table.local-time-zone": "UTC",
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "2 s",
    "table.exec.mini-batch.size": "50000",
    "table.optimizer.agg-phase-strategy": "TWO_PHASE",
    "table.optimizer.distinct-agg.split.enabled": "true",
}
# Flink reads no timestamps in structs that are stored as whole numbers: it is told that they are numbers.
_MOMENT = "(TIMESTAMP '1970-01-01 00:00:00.000' + ({0} / 1000) * INTERVAL '0.001' SECOND)"
_TIME = (
    "CASE WHEN event_type = 0 THEN person.`dateTime` WHEN event_type = 1 THEN auction.`dateTime`"
    " ELSE bid.`dateTime` END"
)
_EVENTS = f"""CREATE TABLE events (
  event_type BIGINT,
  person ROW<id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING, state STRING,
    `dateTime` BIGINT, extra STRING>,
  auction ROW<id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT,
    `dateTime` BIGINT, expires BIGINT, seller BIGINT, category BIGINT, extra STRING>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` BIGINT,
    extra STRING>,
  `dateTime` AS {_MOMENT.format(_TIME)},
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'file://{{path}}', 'format' = 'parquet')"""
_MEMBERS = {
    "person": ("id", "name", "emailAddress", "creditCard", "city", "state", "dateTime", "extra"),
    "auction": (
        *("id", "itemName", "description", "initialBid", "reserve", "dateTime", "expires", "seller"),
        *("category", "extra"),
    ),
    "bid": ("auction", "bidder", "price", "channel", "url", "dateTime", "extra"),
}


def _view(number: int, kind: str) -> str:
    items = [f"{kind}.`{name}` AS `{name}`" for name in _MEMBERS[kind]]
    text = ", ".join(items).replace(f"{kind}.`dateTime` AS `dateTime`", "`dateTime`")
    text = text.replace("auction.`expires`", _MOMENT.format("auction.`expires`"))
    return f"CREATE VIEW {kind} AS SELECT {text} FROM events WHERE event_type = {number}"


class Flink:
    """A table environment, in streaming or batch mode."""

    def __init__(self, mode: str) -> None:
        import pyflink.version
        from pyflink.table import EnvironmentSettings, TableEnvironment

        builder = EnvironmentSettings.new_instance()
        settings = builder.in_batch_mode() if mode == "batch" else builder.in_streaming_mode()
        self.version = f"Flink {pyflink.version.__version__}"
        self._tables = TableEnvironment.create(settings.build())
        for name, value in SETTINGS.items():
            self._tables.get_config().set(name, value)
        self._path = ""

    def prepare(self, query: dict[str, Any], files: list[str]) -> None:
        """Declare the events and the three views, anew if the files are others."""
        path = os.path.dirname(files[0])
        if path == self._path:
            return
        for kind in _MEMBERS:
            self._tables.execute_sql(f"DROP VIEW IF EXISTS {kind}")
        self._tables.execute_sql("DROP TABLE IF EXISTS events")
        self._tables.execute_sql(_EVENTS.format(path=path))
        for number, kind in enumerate(_MEMBERS):
            self._tables.execute_sql(_view(number, kind))
        self._path = path

    def run(self, query: dict[str, Any]) -> None:
        """Insert into a black hole, and wait for the job's end."""
        from pyflink.table import TableDescriptor

        hole = TableDescriptor.for_connector("blackhole").build()
        self._tables.sql_query(query["text"]).execute_insert(hole).wait()

    def check(self, query: dict[str, Any]) -> dict[str, Any]:
        """Let Flink add up the result; the last change holds the sums over everything."""
        last = None
        text = wrapped(query["text"], query["columns"], "flink")
        with self._tables.sql_query(text).execute().collect() as rows:
            for row in rows:
                last = row
        return answer(list(last), query["columns"]) if last else {"rows": 0, "sums": {}}


if __name__ == "__main__":
    serve(lambda: Flink(sys.argv[1]))
