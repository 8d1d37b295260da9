"""Carry messages from one task to another, within bounds.

One producer and one consumer per channel. A full channel stops its producer; it is judged by rows
and bytes, not messages. `deque.append` and `popleft` are atomic, so no lock is needed.

Not here: who may send when (task.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from thalweg.columnar.batch import Batch
from thalweg.protocols.messages import Message


class Channel:
    """A bounded queue between one producing and one consuming task."""

    def __init__(self, name: str, *, rows_max: int, bytes_max: int, wake: Callable[[], None]) -> None:
        self.name = name
        self._rows_max, self._bytes_max = rows_max, bytes_max
        self._queue: deque[tuple[Any, int, int]] = deque()
        # each counter is written by one side only, so that neither needs a lock
        self._rows_in = self._rows_out = 0
        self._bytes_in = self._bytes_out = 0
        self._wake_consumer = wake
        self.wake_producer: Callable[[], None] = _nothing
        self.when_closed: Callable[[], None] = _nothing
        self.is_closed = False
        """Whether the consumer wants no more; what is put then is dropped."""

    @property
    def rows(self) -> int:
        """How many rows wait; of a closed channel, how many were never taken."""
        return self._rows_in - self._rows_out

    @property
    def nbytes(self) -> int:
        """How many bytes wait, more or less; none in a closed channel."""
        return 0 if self.is_closed else self._bytes_in - self._bytes_out

    @property
    def memory_bytes(self) -> int:
        """How many of them are in memory."""
        return self.nbytes

    @property
    def is_full(self) -> bool:
        """Whether the producer must stop."""
        return (
            self._rows_in - self._rows_out >= self._rows_max
            or self._bytes_in - self._bytes_out >= self._bytes_max
        ) and not self.is_closed

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self.is_closed or not self._queue

    def accept(self) -> None:
        """The consumer takes messages from now on, if it declined them before."""

    def close(self) -> None:
        """Take no more messages; the producer learns of it."""
        self.is_closed = True
        self._queue.clear()
        self.when_closed()
        self.wake_producer()

    def disconnect(self) -> None:
        """Tell nobody any more; the tasks at both ends are closed."""
        self._wake_consumer = self.wake_producer = self.when_closed = _nothing

    def put(self, message: Message) -> None:
        """Add a message; the producer has looked at `is_full` before."""
        rows = size = 0
        if isinstance(message, Batch):
            rows = len(message)
            # the size of a small batch does not matter, and finding it costs more than sending it
            size = message.nbytes if rows > 4096 else rows * 64
        self._rows_in += rows
        self._bytes_in += size
        if self.is_closed:
            return
        self._queue.append((self._stored(message, rows, size), rows, size))
        self._wake_consumer()

    def _stored(self, message: Message, rows: int, size: int) -> Any:
        """What stands for a message in the queue."""
        del rows, size
        return message

    def peek(self) -> Message | None:
        """The next message, left where it is."""
        found: Message | None = self._queue[0][0] if self._queue else None
        return found

    def take(self) -> Message:
        """The next message; there must be one."""
        was_full = self.is_full
        message: Message
        message, rows, size = self._queue.popleft()
        self._rows_out += rows
        self._bytes_out += size
        if was_full:
            self.wake_producer()
        return message


def _nothing() -> None:
    """What an unconnected end is woken by."""
