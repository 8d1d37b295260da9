"""Spark Structured Streaming: everything that is there as one micro-batch (available-now), into a noop sink.

Not here: the texts in Spark's dialect (texts_spark.py).
"""

from __future__ import annotations

import os
from typing import Any

from benchmarks.peers.sums import answer, wrapped
from benchmarks.peers.worker import CORES, HEAP, serve

SETTINGS = {
    "spark.driver.memory": HEAP,
    "spark.sql.shuffle.partitions": str(CORES),
    "spark.sql.session.timeZone": "UTC",
    # event times must be of the type with a zone
    "spark.sql.parquet.inferTimestampNTZ.enabled": "false",
    "spark.sql.streaming.forceDeleteTempCheckpointLocation": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
_KINDS = ("person", "auction", "bid")


class Spark:
    """A session, with streams over the files as views."""

    def __init__(self) -> None:
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master(f"local[{CORES}]").appName("peers")
        for name, value in SETTINGS.items():
            builder = builder.config(name, value)
        self._session = builder.getOrCreate()
        self.version = f"Spark {self._session.version}"
        self._ready: tuple[str, bool] | None = None

    def prepare(self, query: dict[str, Any], files: list[str]) -> None:
        """Declare the three views; with a watermark only where the query closes windows, which is cheaper."""
        path = os.path.dirname(files[0])
        if self._ready == (path, query["closes"]):
            return
        schema = self._session.read.parquet(path).schema
        for number, kind in enumerate(_KINDS):
            events = self._session.readStream.schema(schema).parquet(path)
            view = events.where(f"event_type = {number}").select(f"{kind}.*")
            view = view.withWatermark("dateTime", "4 seconds") if query["closes"] else view
            view.createOrReplaceTempView(kind)
        self._ready = path, query["closes"]

    def run(self, query: dict[str, Any]) -> None:
        """Run the stream over all files, into a sink that does nothing."""
        writer = self._session.sql(query["text"]).writeStream.format("noop")
        writer.outputMode(query["output"]).trigger(availableNow=True).start().awaitTermination()

    def check(self, query: dict[str, Any]) -> dict[str, Any]:
        """Add up what each micro-batch gives."""
        found = []

        def look(frame: Any, _: int) -> None:
            frame.createOrReplaceTempView("piece")
            text = wrapped("SELECT * FROM piece", query["columns"], "spark")
            row = frame.sparkSession.sql(text).collect()[0]
            found.append([value or 0 for value in row])

        writer = self._session.sql(query["text"]).writeStream.foreachBatch(look)
        writer.outputMode(query["output"]).trigger(availableNow=True).start().awaitTermination()
        return answer([sum(column) for column in zip(*found, strict=True)], query["columns"])


if __name__ == "__main__":
    serve(Spark)
