"""Look at some rows of a plan, also of one that never ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import polars as pl

from thalweg.connectors.memory import MemorySink
from thalweg.plan.nodes import Plan, Write
from thalweg.session.execute import Execution, execute
from thalweg.session.handle import JobHandle


def peek(plan: Plan, rows: int, seconds: float, how: Execution) -> pl.DataFrame:
    """Run the plan as a stream until there are rows enough or the time is up; then stop it."""
    sink = MemorySink(is_parallel=False)
    done = threading.Event()
    execute([Write(plan, sink)], replace(how, on_start=_stopper(sink, rows, seconds, done)))
    done.set()
    return sink.table().head(rows)


def _stopper(
    sink: MemorySink, rows: int, seconds: float, done: threading.Event
) -> Callable[[JobHandle], None]:
    def start(run: JobHandle) -> None:
        threading.Thread(target=watch, args=(run,), daemon=True).start()

    def watch(run: JobHandle) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not done.wait(0.02):
            if sink.changes().height >= rows:
                break
        run.stop()

    return start
