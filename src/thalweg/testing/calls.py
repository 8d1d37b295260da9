"""Make the calls of asynchronous functions so that answers come when chance says so, the same each time.

Not here: calls of running jobs (runtime/calls.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from thalweg.protocols.calls import Answer, AsyncFunction
from thalweg.runtime.calls import AsyncCalls, event_loop

_ANSWERED = 0.3


class ShuffledCalls:
    """Calls of which some at a time are made to their end, and answered in any order.

    Example:
        >>> async def double(n):
        ...     return (2 * n,)
        >>> calls = ShuffledCalls(AsyncFunction("double", double, at_once=2), Random(0))
        >>> calls.ask([(0, 5), (1, 6), (2, 7)])
        >>> calls.waiting, sorted(a.rows[0][0] for _ in range(3) for a in calls.take())
        (1, [10, 12, 14])
    """

    def __init__(self, function: AsyncFunction, random: Random) -> None:
        self._function, self._random = function, random
        self._asked: list[tuple[int, Any]] = []

    def ask(self, rows: Iterable[tuple[int, Any]]) -> None:
        """Ask for rows."""
        self._asked += rows

    @property
    def waiting(self) -> int:
        """How many rows wait until a call for them can be made."""
        return max(0, len(self._asked) - self._function.at_once)

    @property
    def is_answered(self) -> bool:
        """Now and then, if anybody has asked."""
        return bool(self._asked) and self._random.random() < _ANSWERED

    def take(self) -> list[Answer]:
        """Some answers, at least one if there may be any."""
        under_way = min(len(self._asked), self._function.at_once)
        if not under_way:
            return []
        taken = self._random.sample(range(under_way), self._random.randint(1, under_way))
        chosen = [self._asked[i] for i in taken]
        self._asked = [asked for i, asked in enumerate(self._asked) if i not in set(taken)]
        found = asyncio.run_coroutine_threadsafe(self._answers(chosen), event_loop()).result()
        return sorted(found, key=lambda answer: [number for number, _ in chosen].index(answer.number))

    async def _answers(self, chosen: Sequence[tuple[int, Any]]) -> list[Answer]:
        told = asyncio.Event()
        calls = AsyncCalls(self._function, told.set)
        calls.ask(chosen)
        found: list[Answer] = []
        while len(found) < len(chosen):
            await told.wait()
            told.clear()
            found += calls.take()
        return found

    def close(self) -> None:
        """Nobody waits for answers any more."""
        self._asked.clear()
