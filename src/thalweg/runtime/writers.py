"""Open the writers of sinks: with checkpoints those that stage their rows.

Not here: who writes (task.py, session/execute.py).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from thalweg.base.schema import Schema
from thalweg.protocols.sink import EndsTogether, Epoch, Sink, StagingWriter, TransactionalSink, Writer


def opened(
    sink: Sink, schema: Schema, task: int, epoch: Epoch | None, restored: Sequence[Any] = ()
) -> Writer:
    """A writer for one task, which stages its rows where a checkpoint commits them and the sink can.

    Args:
        sink: what is written to.
        schema: the columns.
        task: which task.
        epoch: the checkpoint that the run goes on from; None: there are no checkpoints.
        restored: what was staged for it.
    """
    if epoch is not None and isinstance(sink, TransactionalSink):
        return sink.open_staging(schema, task, epoch, restored)
    return sink.open(schema, task)


class Endings:
    """The writers of one sink whose tasks have ended, until all have.

    What is shown at the end of the input is shown then: a task that fails after another one has ended leaves
    nothing behind.

    Args:
        tasks: how many tasks write.
    """

    def __init__(self, tasks: int) -> None:
        self._missing, self._ended = tasks, list[Writer]()
        self._lock = threading.Lock()

    def end(self, writer: Writer) -> None:
        """The input of a writer has ended."""
        with self._lock:
            self._missing -= 1
            self._ended.append(writer)
            if self._missing:
                return
        for each in self._ended:
            each.end()


def end_together(writer: Writer | None) -> bool:
    """Whether a writer waits with its end for those of the other tasks."""
    if writer is None or isinstance(writer, StagingWriter):
        return False
    return isinstance(writer, EndsTogether) and writer.shows_at_end
