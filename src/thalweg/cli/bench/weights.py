"""Weigh what the steps of a stream keep, while it runs in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from thalweg.session.handle import JobHandle

_EVERY_SECONDS = 0.02


class _Held(Protocol):
    @property
    def nbytes(self) -> int: ...


@contextmanager
def weighed() -> Iterator[list[int]]:
    """The bytes that each state of a stream in here holds at its end."""
    found: list[int] = []

    @contextmanager
    def at_end(held: list[_Held]) -> Iterator[None]:
        yield
        found.extend(state.nbytes for state in held)

    with _watched(at_end):
        yield found


@contextmanager
def weighed_all_along() -> Iterator[list[int]]:
    """The bytes of all states of a stream in here, over and over while it runs."""
    found: list[int] = []

    @contextmanager
    def all_along(held: list[_Held]) -> Iterator[None]:
        done = threading.Event()

        def look() -> None:
            while not done.wait(_EVERY_SECONDS):
                found.append(sum(state.nbytes for state in held))

        thread = threading.Thread(target=look, name="weigh", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    with _watched(all_along):
        yield found


@contextmanager
def _watched(watch: Callable[[list[_Held]], AbstractContextManager[None]]) -> Iterator[None]:
    """Watch the states of every run that begins meanwhile."""
    from thalweg.session.hooks import HOOKS

    def started(run: JobHandle) -> AbstractContextManager[None]:
        # the run gives its states back when it ends, before anybody is told
        return watch([state for states in run.parts.states.values() for state in states.values()])

    HOOKS.watchers.append(started)
    try:
        yield
    finally:
        HOOKS.watchers.remove(started)
