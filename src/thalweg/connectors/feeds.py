"""Take rows out of iterables without ever waiting for one.

What a collection holds is there at once. A generator may think for an hour about its next row, so it
runs in a thread of its own and only its own rows wait for it; the same goes for what is asynchronous.

Reads:    the iterable, in the thread that asks for rows or in one of its own.
Not here: what rows become (iterators.py).
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterable, Iterator
from itertools import islice
from typing import Any, Protocol

import polars as pl

POLL_SECONDS = 0.005
"""How long to leave a source alone that has nothing."""
_AHEAD_ROWS = 10_000
"""So many rows of an asynchronous iterable are taken before anybody asks: they come when they come."""
_END = object()


class Feed(Protocol):
    """Gives rows in order.

    Attributes:
        is_started: whether any row was asked for.
    """

    is_started: bool

    @property
    def is_ended(self) -> bool:
        """Whether every row was given."""
        ...

    def take(self, count: int) -> list[Any]:
        """The rows that are there, at most `count`; a frame is always the last of them."""
        ...

    def close(self) -> None:
        """Take no more out of the iterable."""
        ...


class Direct:
    """Takes rows from an iterator over a collection, in this thread."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows = rows
        self.is_started = False
        self.is_ended = False

    def take(self, count: int) -> list[Any]:
        """The next rows."""
        self.is_started = True
        given: list[Any] = []
        for row in islice(self._rows, count):
            given.append(row)
            if isinstance(row, pl.DataFrame):
                break
        else:
            self.is_ended = len(given) < count
        return given

    def close(self) -> None:
        """Forget the iterator."""
        self._rows, self.is_ended = iter(()), True


class _Threaded(ABC):
    """Takes rows that a thread gets out of an iterable; it starts with the first row that is asked for.

    `_made` is written by that thread alone, the other counts by the thread that takes, so that they
    need no lock; `deque.append` and `popleft` are atomic.
    """

    def __init__(self) -> None:
        self.is_started = False
        self._queue: deque[Any] = deque()
        self._made = self._given = self._wanted = 0
        self._lock = threading.Lock()
        self._is_running = self._is_closed = self._is_done = False
        self._error: BaseException | None = None
        self._more = threading.Event()
        self._thread = threading.Thread()

    @property
    def is_ended(self) -> bool:
        """Whether every row was given."""
        return self._is_done and not self._queue and self._error is None

    def take(self, count: int) -> list[Any]:
        """The rows that are there; more are only asked for when none is."""
        self._start()
        # looked at first: what was put there before the end is then seen below
        is_done = self._is_done
        rows: list[Any] = []
        while self._queue and len(rows) < count and not (rows and isinstance(rows[-1], pl.DataFrame)):
            rows.append(self._queue.popleft())
        self._given += sum(map(_weight, rows))
        if not rows:
            if is_done and self._error is not None:
                raise self._error
            self._wanted = max(self._wanted, self._given + count)
        self._more.set()
        return rows

    def close(self) -> None:
        """Ask the thread to stop; it does so after the row that it waits for."""
        with self._lock:
            self._is_closed = True
        self._more.set()

    def _start(self) -> None:
        self.is_started = True
        with self._lock:
            self._is_closed = False
            if self._is_running or self._is_done:
                return
            self._is_running = True
        self._thread = threading.Thread(target=self._run, name="thalweg-rows", daemon=True)
        self._thread.start()

    def _put(self, row: Any) -> None:
        self._made += _weight(row)
        self._queue.append(row)

    def _must_stop(self) -> bool:
        with self._lock:
            self._is_running = not self._is_closed
            return self._is_closed

    def _run(self) -> None:
        try:
            self._is_done = self._drained()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that reads
            self._error = error
            self._is_done = True

    @abstractmethod
    def _drained(self) -> bool:
        """Put rows until there are no more (true), or until somebody closes (false)."""


class Pulled(_Threaded):
    """Takes rows from a generator; it is asked for no row before somebody wants it.

    Closed and asked again, it goes on where it stood: nothing that was made is lost.
    """

    def __init__(self, rows: Iterator[Any]) -> None:
        super().__init__()
        self._rows = rows

    def _drained(self) -> bool:
        while not self._must_stop():
            if self._made >= self._wanted:
                self._more.clear()
                # wanted meanwhile, or closed: looked at after clearing, so that no call is missed
                if self._made >= self._wanted and not self._is_closed:
                    self._more.wait()
                continue
            row = next(self._rows, _END)
            if row is _END:
                return True
            self._put(row)
        return False


class Queued(_Threaded):
    """Takes rows from an asynchronous iterable, a bounded number of them before they are wanted.

    Closed and asked again, it goes on where it stood, in the same event loop.
    """

    def __init__(self, rows: AsyncIterable[Any]) -> None:
        super().__init__()
        self._rows = aiter(rows)
        self._runner: asyncio.Runner | None = None

    def __del__(self) -> None:
        # nobody says that it is closed for good, and Python warns of a loop that is left open
        if self._runner is not None and not (self._is_running or self._is_done):
            self._runner.get_loop().close()

    def _drained(self) -> bool:
        if self._runner is None:
            self._runner = asyncio.Runner()
        is_done = True
        try:
            is_done = self._runner.run(self._drain())
        finally:
            if is_done:
                self._runner.close()
        return is_done

    async def _drain(self) -> bool:
        async for row in self._rows:
            self._put(row)
            while self._made - self._given >= _AHEAD_ROWS and not self._is_closed:
                await asyncio.sleep(POLL_SECONDS)
            if self._must_stop():
                return False
        return True


def _weight(row: Any) -> int:
    """How many rows it is; a frame without any takes room too."""
    return max(1, row.height) if isinstance(row, pl.DataFrame) else 1
