"""A pace that changes its mind all the time, so that small tests meet every way of sharing the work.

With its own rules a job of few rows is stepped by the first thread alone from beginning to end: then no test
of the threads would see two of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from unittest import mock

from thalweg.runtime import threads


@contextmanager
def restless(seed: int = 0) -> Iterator[list[bool]]:
    """Jobs in here are begun, shared and taken back at random; yields what was decided."""
    r = Random(seed)
    decided: list[bool] = []

    class Restless:
        def __init__(self, **_: float) -> None:
            self.is_alone = False
            self._decide()

        def after_round(self, **_: float) -> None:
            self._decide()

        def after_sharing(self, **_: float) -> None:
            self._decide()

        def _decide(self) -> None:
            # once in a while, so that the other threads get to work before they lose it again
            if r.random() < 0.3:
                self.is_alone = not self.is_alone
            decided.append(self.is_alone)

    with mock.patch.object(threads, "Pace", Restless):
        yield decided
