"""Call asynchronous functions of a user, many at once: to ask services outside for each row.

The rows of a batch are asked for together, so many at a time, and go on when all of them are answered. Rows
that come meanwhile are the next batch: the slower the service, the more rows are asked for at once. No call
is ever under way when a checkpoint is taken; after a restart rows that were not in one are asked for again.

Changes:  one thread of the process, in which all such calls run.
Not here: tables that are looked up by key (runtime/lookups.py).
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import namedtuple
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import polars as pl

from thalweg.base.schema import Schema
from thalweg.errors import DataError, PlanError, ThalwegError
from thalweg.expr.python import carry
from thalweg.expr.python_rows import GivenRows, Row

# Any: rows are named tuples of the user's own columns
AsyncCall = Callable[[Any], Awaitable["Row | Iterable[Row] | None"]]
_SHOWN_MAX = 200
_WAIT_GROWS = 2.0


@dataclass(frozen=True)
class AsyncCalls:
    """A function of frames that asks for the answer of each row.

    Attributes:
        call: the user's function: takes a row, and gives a row, several, or None for none.
        given: what it has declared that it gives.
        to_row: makes the named tuple of a row.
        at_once: the most calls under way.
        timeout: seconds until a call is given up.
        retries: how often a call that failed, or was given up, is made again.
        wait: seconds before the first of them; each waits twice as long as the one before.
    """

    call: AsyncCall = field(repr=False)
    given: GivenRows
    to_row: Callable[[Iterable[Any]], Any] = field(repr=False)
    at_once: int = 100
    timeout: float = 60.0
    retries: int = 0
    wait: float = 0.1

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The answers of all rows."""
        rows = [self.to_row(values) for values in frame.iter_rows()]
        try:
            answers = asyncio.run_coroutine_threadsafe(self._all(rows), _loop()).result()
            return self.given.frame([row for answer in answers for row in answer])
        except ThalwegError as error:
            # whoever calls a function reports its exceptions as the user's; this one is ours
            raise carry(error) from error.__cause__

    async def _all(self, rows: Sequence[Any]) -> list[Sequence[Row]]:
        answers: list[Sequence[Row]] = [()] * len(rows)
        waiting = iter(enumerate(rows))

        async def work() -> None:
            # all of them take from one queue
            for number, row in waiting:
                answers[number] = await self._asked(row)

        tasks = [asyncio.ensure_future(work()) for _ in range(min(self.at_once, len(rows)))]
        try:
            await asyncio.gather(*tasks)
            return answers
        finally:
            for task in tasks:
                task.cancel()

    async def _asked(self, row: Any) -> Sequence[Row]:
        """The answer of one row, after so many attempts as it takes."""
        for attempt in range(self.retries + 1):
            limit = asyncio.timeout(self.timeout)
            try:
                async with limit:
                    return _rows(await self.call(row))
            except Exception as error:
                if attempt == self.retries:
                    raise self._failed(error, row, is_late=limit.expired()) from error
                await asyncio.sleep(self.wait * _WAIT_GROWS**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _failed(self, error: Exception, row: Any, *, is_late: bool) -> DataError:
        what = (
            f"was not done after {self.timeout:g} s" if is_late else f"raised {type(error).__name__}: {error}"
        )
        return DataError(
            f"the call of {self.given.name} {what}"[:_SHOWN_MAX],
            code="data-async-timeout" if is_late else "data-python-function",
            where=self.given.place,
            found=f"{row!r}"[:_SHOWN_MAX],
            hint=f"after {self.retries + 1} attempts" if self.retries else "retries=… asks again",
        )


def _rows(answer: Any) -> Sequence[Row]:
    """An answer as rows: a dict and a tuple are one row each."""
    if answer is None:
        return ()
    return [answer] if isinstance(answer, (dict, tuple)) else list(answer)


@lru_cache(maxsize=1)
def _loop() -> asyncio.AbstractEventLoop:
    """The loop in which all calls of the process run."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="thalweg-async", daemon=True).start()
    return loop


def async_calls(
    call: AsyncCall, given: Schema, result: Schema, options: Mapping[str, Any]
) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """A function of frames that makes asynchronous calls, one for each row.

    Raises:
        PlanError: `plan-async-function`.
    """
    name, code = getattr(call, "__name__", type(call).__name__), getattr(call, "__code__", None)
    for option, least in (("at_once", 1), ("retries", 0), ("timeout", 0.0), ("wait", 0.0)):
        if options.get(option, least) < least:
            raise PlanError(
                f"{option} of map_async is at least {least:g}",
                code="plan-async-function",
                found=str(options[option]),
            )
    if not inspect.iscoroutinefunction(call) and not inspect.iscoroutinefunction(type(call).__call__):
        raise PlanError(
            f"{name} is no asynchronous function",
            code="plan-async-function",
            hint="async def …; flat_map takes others",
        )
    place = None if code is None else f"{code.co_filename}:{code.co_firstlineno}"
    # its fields are data, which no checker of types can know
    kind: Any = namedtuple("Row", list(given.names), rename=True)  # type: ignore[misc]
    return AsyncCalls(call, GivenRows(result, name, place), kind._make, **options)
