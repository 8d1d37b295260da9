"""What an operator and whoever makes the calls of a user's asynchronous function know of each other.

The operator names the rows to ask for, as many as it likes; whoever makes the calls has no more than so many
under way, and puts the answers aside until the operator takes them.

Not here: how calls are made (runtime/calls.py), where rows wait meanwhile (operators/asynchronous_op.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from thalweg.errors import DataError

# Any: rows are named tuples of the user's own columns, and what comes back is for the function to say
AsyncCall = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True)
class AsyncFunction:
    """A user's asynchronous function, and how it is called.

    Attributes:
        name: what messages call it.
        call: takes a row, and gives a row, several, or None for none.
        place: where it is written.
        at_once: the most calls under way in each task.
        timeout: seconds until a call is given up.
        retries: how often a call that failed, or was given up, is made again.
        wait: seconds before the first of them; each waits twice as long as the one before.
    """

    name: str
    call: AsyncCall = field(repr=False)
    place: str | None = None
    at_once: int = 100
    timeout: float = 60.0
    retries: int = 0
    wait: float = 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """What has become of one row.

    Attributes:
        number: the number that it was asked for with.
        rows: what the function gave.
        error: why it gave nothing, after the last attempt.
    """

    number: int
    rows: Sequence[Any] = ()
    error: DataError | None = None


class Calls(Protocol):
    """Makes the calls of one function for one operator; every method is for the operator's thread."""

    def ask(self, rows: Iterable[tuple[int, Any]]) -> None:
        """Ask for rows, in this order, each with a number of its own."""
        ...

    @property
    def waiting(self) -> int:
        """How many rows wait until a call for them can be made."""
        ...

    @property
    def is_answered(self) -> bool:
        """Whether there are answers to be taken."""
        ...

    def take(self) -> list[Answer]:
        """The answers that have come since the last time, in any order."""
        ...

    def close(self) -> None:
        """Give up the calls under way; nobody is woken any more."""
        ...
