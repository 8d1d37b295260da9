"""PyFlink's DataStream API: a `KeyedProcessFunction` in Python, called row by row; heap state.

It takes no checkpoints. Its Python runs in processes of its own, one for each of two tasks, as PyFlink does
by itself.

Not here: Flink's SQL (flink.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from pyflink.common import Configuration, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.table import StreamTableEnvironment

from benchmarks.peers.sums import answer
from benchmarks.peers.worker import CORES, serve

EVERY = 100
_EVENTS = """CREATE TEMPORARY TABLE events (k BIGINT, v BIGINT, ts BIGINT)
WITH ('connector' = 'filesystem', 'path' = 'file://{path}', 'format' = 'parquet')"""


class Alerts(KeyedProcessFunction):  # type: ignore[misc]  # the types of PyFlink are in its own environment
    """Counts the rows of each key, and tells of every hundredth."""

    def open(self, runtime_context: RuntimeContext) -> None:
        """Name the state."""
        self._count = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        """One more."""
        count = (self._count.value() or 0) + 1
        self._count.update(count)
        if count % EVERY == 0:
            yield value[0], count


class PyFlink:
    """A local cluster."""

    def __init__(self) -> None:
        import pyflink.version

        self.version = f"PyFlink {pyflink.version.__version__}"
        self._path = ""

    def prepare(self, query: dict[str, Any], files: list[str]) -> None:
        """Remember the folder."""
        self._path = os.path.dirname(files[0])

    def run(self, query: dict[str, Any]) -> None:
        """Take every alert, and forget it."""
        for _ in self._alerts():
            pass

    def check(self, query: dict[str, Any]) -> dict[str, Any]:
        """Add up the alerts."""
        rows = [*self._alerts()]
        return answer([len(rows), *(sum(r[i] for r in rows) for i in range(2))], query["columns"])

    def _alerts(self) -> Iterator[Any]:
        settings = Configuration()
        settings.set_string("python.executable", sys.executable)
        settings.set_string("python.client.executable", sys.executable)
        settings.set_string("pipeline.object-reuse", "true")
        environment = StreamExecutionEnvironment.get_execution_environment(settings)
        environment.set_parallelism(CORES)
        tables = StreamTableEnvironment.create(environment)
        tables.execute_sql(_EVENTS.format(path=self._path))
        rows = tables.to_data_stream(tables.from_path("events"))
        keyed = rows.key_by(lambda row: row[0], key_type=Types.LONG())
        alerts = keyed.process(Alerts(), output_type=Types.TUPLE([Types.LONG(), Types.LONG()]))
        with alerts.execute_and_collect() as found:
            yield from found


if __name__ == "__main__":
    serve(PyFlink)
