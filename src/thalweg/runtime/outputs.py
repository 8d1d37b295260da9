"""Send what a task emits to the tasks that are to have it.

An exchange decides by key which task gets a row: `partition = hash(key) mod partitions`, and a task
owns a fixed share of the partitions. One scatter pass copies each row once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thalweg.columnar.batch import Batch
from thalweg.columnar.hash import hash_rows
from thalweg.columnar.scatter import scatter
from thalweg.job.job import Edge
from thalweg.protocols.messages import Message
from thalweg.runtime.edge import Channel


def owner_of(partitions: np.ndarray, tasks: int, total: int) -> np.ndarray:
    """The task that owns each partition: contiguous ranges of equal length."""
    return (partitions * tasks) // total


class OutputEdge:
    """One edge of the job as seen by one producing task."""

    def __init__(self, edge: Edge, channels: Sequence[Channel], *, task: int, partitions: int) -> None:
        self.edge = edge
        self.channels = list(channels)
        self._task, self._partitions = task, partitions
        self.is_closed = False
        """Whether no receiver wants more."""
        for channel in self.channels:
            channel.when_closed = self._look

    def _look(self) -> None:
        self.is_closed = all(channel.is_closed for channel in self.channels)

    def broadcast(self, message: Message) -> None:
        """Send a message that every receiver needs."""
        for channel in self.channels:
            channel.put(message)

    def send(self, batch: Batch) -> None:
        """Send rows to the receivers that are to have them."""
        if len(self.channels) == 1:
            self.channels[0].put(batch)
        elif self.edge.exchange == "hash":
            self._scatter(batch)
        elif self.edge.exchange == "broadcast":
            self.broadcast(batch)
        elif self.edge.exchange == "gather":
            self.channels[0].put(batch)
        else:
            self.channels[self._task % len(self.channels)].put(batch)

    def _scatter(self, batch: Batch) -> None:
        hashes = key_hashes(batch, self.edge.keys)
        parts = scatter(batch, hashes, self._partitions, len(self.channels))
        for channel, part in zip(self.channels, parts, strict=True):
            if len(part):
                channel.put(part)


def key_hashes(batch: Batch, keys: Sequence[str]) -> np.ndarray:
    """The hash (uint64) of each row's key, by which rows meet."""
    if batch.parts is not None and not batch.frame.width:
        # they come first, see `KeyCells`
        hashes: np.ndarray = batch.parts[0].view(np.uint64)
        return hashes

    return hash_rows(batch.frame, keys)
