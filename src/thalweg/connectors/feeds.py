"""Take rows out of iterables, never waiting longer than one row takes.

Reads:    the iterable, in the thread that asks for rows; an asynchronous one in a thread of its own.
Not here: what rows become (iterators.py).
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import AsyncIterable, Iterator
from itertools import islice
from typing import Any

import polars as pl

_PATIENCE_SECONDS = 0.005
"""Rows are gathered for this long before those that are there are handed on."""
POLL_SECONDS = 0.005
"""How long to leave a source alone that has nothing."""
_QUEUED_ROWS = 10_000


class Direct:
    """Takes rows from an iterator, in this thread."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows = rows
        self.is_ended = False

    def take(self, count: int) -> list[Any]:
        """Some rows; the first may have to be waited for, others are not waited for long."""
        taken: list[Any] = []
        until = time.monotonic() + _PATIENCE_SECONDS
        for row in islice(self._rows, count):
            taken.append(row)
            if isinstance(row, pl.DataFrame) or time.monotonic() > until:
                return taken
        self.is_ended = len(taken) < count
        return taken

    def close(self) -> None:
        """Forget the iterator."""
        self._rows, self.is_ended = iter(()), True


class Queued:
    """Takes rows from an asynchronous iterable that runs in a thread of its own."""

    def __init__(self, rows: AsyncIterable[Any]) -> None:
        self._rows = rows
        self._queue: queue.Queue[Any] = queue.Queue(_QUEUED_ROWS)
        self._is_closed = threading.Event()
        self._is_done = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="thalweg-async-rows", daemon=True)
        self._thread.start()

    @property
    def is_ended(self) -> bool:
        """Whether every row was taken."""
        return self._is_done.is_set() and self._queue.empty()

    def take(self, count: int) -> list[Any]:
        """The rows that are there."""
        taken: list[Any] = []
        # Looked at first: what is put before the end is then seen below.
        is_done = self._is_done.is_set()
        while len(taken) < count and not (taken and isinstance(taken[-1], pl.DataFrame)):
            try:
                taken.append(self._queue.get_nowait())
            except queue.Empty:
                break
        if not taken and is_done and self._error is not None:
            raise self._error
        return taken

    def close(self) -> None:
        """Ask the thread to stop."""
        self._is_closed.set()

    def _run(self) -> None:
        try:
            asyncio.run(self._drain())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that reads
            self._error = error
        finally:
            self._is_done.set()

    async def _drain(self) -> None:
        async for row in self._rows:
            while not self._is_closed.is_set():
                try:
                    self._queue.put_nowait(row)
                    break
                except queue.Full:
                    await asyncio.sleep(POLL_SECONDS)
            if self._is_closed.is_set():
                return
