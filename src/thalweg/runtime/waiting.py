"""Take the batches that wait for a task as one, up to a number of rows, also across watermarks.

That is how batches grow under load; the cuts do not matter to what a job gives (laws 2 and 10).
"""

from __future__ import annotations

from thalweg.columnar.batch import Batch
from thalweg.protocols.messages import Message, Watermark
from thalweg.runtime.edge import Channel


class Waiting:
    """Batches that wait on some channels, up to a number of rows; none at all if that is 0."""

    def __init__(self, rows_max: int) -> None:
        self._rows_max = rows_max
        self.batches: list[Batch] = []
        self.rows = 0

    def drain(self, channel: Channel) -> Message | None:
        """Take the batches of a channel, and return the first message that must follow them.

        A watermark is held back behind rows that follow it, as long as rows follow.
        """
        last: Message | None = None
        while (message := channel.peek()) is not None:
            if isinstance(message, Batch):
                rows = len(message)
                if not self._rows_max:
                    break
                if self.batches and self.rows + rows > self._rows_max:
                    break
                self.batches.append(message)
                self.rows += rows
            elif isinstance(message, Watermark):
                last = message
            elif last is not None:
                break
            else:
                last = channel.take()
                break
            channel.take()
        return last
