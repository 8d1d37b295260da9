"""Open the writers of sinks: with checkpoints those that stage their rows.

Not here: who writes (task.py, session/execute.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thalweg.base.schema import Schema
from thalweg.protocols.sink import Epoch, Sink, TransactionalSink, Writer


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
