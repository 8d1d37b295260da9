"""Make the calls of users' asynchronous functions: so many at once, again if they fail, and not for ever.

All calls of the process run in one thread, on one event loop. A number of workers for each operator take rows
from its queue, so that a call begins as soon as another has ended, whatever the operator is doing meanwhile.

Changes:  that thread.
Not here: the contract (protocols/calls.py), rows without answers (operators/asynchronous_op.py).
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from thalweg.errors import DataError
from thalweg.protocols.calls import Answer, AsyncFunction

_SHOWN_MAX = 200
_WAIT_GROWS = 2.0
_GATHERED = 0.002
"""Seconds that answers wait for others while calls are under way, so that not each of them is a batch."""


class _Worker:
    """Makes one call after the other."""

    __slots__ = ("deadline", "is_late", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.deadline = math.inf
        """When the call that it makes is given up."""
        self.is_late = False
        """Whether that has happened."""


class AsyncCalls:
    """The calls of one function for one operator.

    Args:
        function: what is called.
        wake: called, in the thread of the calls, when there are answers.
    """

    def __init__(self, function: AsyncFunction, wake: Callable[[], None]) -> None:
        self._function, self._wake = function, wake
        self._loop = event_loop()
        # each end of both queues belongs to one thread
        self._queue: deque[tuple[int, Any]] = deque()
        self._answers: deque[Answer] = deque()
        self._workers: set[_Worker] = set()
        self._telling: asyncio.TimerHandle | None = None
        self._watching: asyncio.TimerHandle | None = None
        self._is_closed = False

    # -- in the operator's thread --------------------------------------------------------------

    def ask(self, rows: Iterable[tuple[int, Any]]) -> None:
        """Ask for rows, in this order."""
        self._queue.extend(rows)
        self._loop.call_soon_threadsafe(self._begin)

    @property
    def waiting(self) -> int:
        """How many rows wait until a call for them can be made."""
        return len(self._queue)

    @property
    def is_answered(self) -> bool:
        """Whether there are answers to be taken."""
        return bool(self._answers)

    def take(self) -> list[Answer]:
        """The answers that have come since the last time."""
        return [self._answers.popleft() for _ in range(len(self._answers))]

    def close(self) -> None:
        """Give up the calls under way."""
        self._is_closed, self._wake = True, _nobody
        self._queue.clear()
        self._loop.call_soon_threadsafe(self._give_up)

    # -- in the thread of the calls ------------------------------------------------------------

    def _begin(self) -> None:
        """As many workers as may be, and as have something to do."""
        for _ in range(min(self._function.at_once - len(self._workers), len(self._queue))):
            worker = _Worker()
            self._workers.add(worker)
            worker.task = self._loop.create_task(self._work(worker))

    async def _work(self, worker: _Worker) -> None:
        try:
            while self._queue:
                number, row = self._queue.popleft()
                self._put(await self._answer(worker, number, row))
        finally:
            self._workers.discard(worker)

    def _put(self, answer: Answer) -> None:
        """One more answer; the operator hears of it at once if no other is to come soon."""
        self._answers.append(answer)
        if len(self._workers) <= 1 and not self._queue:
            self._tell()
        elif self._telling is None:
            self._telling = self._loop.call_later(_GATHERED, self._tell)

    def _tell(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        self._wake()

    async def _answer(self, worker: _Worker, number: int, row: Any) -> Answer:
        """What becomes of a row, after so many attempts as it takes."""
        function, loop = self._function, self._loop
        for attempt in range(function.retries + 1):
            worker.is_late, worker.deadline = False, loop.time() + function.timeout
            if self._watching is None:
                self._watching = loop.call_at(worker.deadline, self._watch)
            try:
                return Answer(number, _rows(await function.call(row)))
            except BaseException as error:
                if self._is_closed:
                    raise
                # whatever it raises is the function's failure, and none of those that wait for other rows
                if attempt == function.retries:
                    return Answer(number, error=_failed(function, error, row, is_late=worker.is_late))
            finally:
                worker.deadline = math.inf
                if worker.is_late and worker.task is not None:
                    worker.task.uncancel()
            await asyncio.sleep(function.wait * _WAIT_GROWS**attempt)
        raise AssertionError("the last attempt returns")

    def _watch(self) -> None:
        """Give up the calls that have taken too long; one timer looks after all of them."""
        now = self._loop.time()
        for worker in self._workers:
            if worker.deadline <= now and worker.task is not None:
                worker.is_late, worker.deadline = True, math.inf
                worker.task.cancel()
        least = min((w.deadline for w in self._workers), default=math.inf)
        self._watching = None if least == math.inf else self._loop.call_at(least, self._watch)

    def _give_up(self) -> None:
        for handle in (self._telling, self._watching):
            if handle is not None:
                handle.cancel()
        for worker in self._workers:
            if worker.task is not None:
                worker.task.cancel()


def _nobody() -> None:
    """Who is woken when nobody waits any more."""


def _rows(answer: Any) -> Sequence[Any]:
    """An answer as rows: a dict and a tuple are one row each."""
    if answer is None:
        return ()
    return (answer,) if isinstance(answer, (dict, tuple)) else list(answer)


def _failed(function: AsyncFunction, error: BaseException, row: Any, *, is_late: bool) -> DataError:
    what = (
        f"was not done after {function.timeout:g} s" if is_late else f"raised {type(error).__name__}: {error}"
    )
    found = DataError(
        f"the call of {function.name} {what}"[:_SHOWN_MAX],
        code="data-async-timeout" if is_late else "data-python-function",
        where=function.place,
        found=f"{row!r}"[:_SHOWN_MAX],
        hint=f"after {function.retries + 1} attempts" if function.retries else "retries=… asks again",
    )
    found.__cause__ = error
    return found


@lru_cache(maxsize=1)
def event_loop() -> asyncio.AbstractEventLoop:
    """The loop in which all calls of the process run."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="thalweg-async", daemon=True).start()
    return loop
