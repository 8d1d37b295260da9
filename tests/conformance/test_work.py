"""What new rows cost depends on them, not on how much state there is: counted, not timed.

Counted are the rows that pass between an operator and its state. That a kernel does not go through more than
it is given, only time can tell: `thalweg bench incremental`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from thalweg.cli.bench.incremental import CASES, Case, Feed, driven
from thalweg.protocols.state import StateSpec
from thalweg.runtime.restore import new_state

pytestmark = pytest.mark.slow

FEW, MANY, NEW = 2_000, 20_000, 100
ROUNDS = 8


class Counted:
    """A state whose calls are watched: how many rows go in and come out."""

    def __init__(self, state: Any, tally: list[int]) -> None:
        self._state, self._tally = state, tally

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._state, name)
        # what is handed out as it is has not been gone through
        if not callable(found) or name in ("column", "counter", "order", "dictionary", "rows"):
            return found

        def call(*args: Any, **named: Any) -> Any:
            made = found(*args, **named)
            if hasattr(made, "__next__"):
                return self._passed(made)
            self._tally[0] += sum(map(rows_of, (*args, made)))
            return made

        return call

    def _passed(self, made: Any) -> Any:
        for part in made:
            self._tally[0] += rows_of(part)
            yield part


def rows_of(value: Any) -> int:
    """How many rows a value of a call has."""
    if isinstance(value, tuple):
        return max(map(rows_of, value), default=0)
    return len(value) if isinstance(value, (np.ndarray, pl.DataFrame)) else 0


def touched(case: Case, rows: int, kind: type[Counted] = Counted) -> float:
    """Rows that a round of new rows passes to and from state, beside so many rows."""
    tally = [0]

    def watched(spec: StateSpec) -> Counted:
        return kind(new_state(spec), tally)

    rounds = driven(case, watched)
    feed = Feed(rounds, max(1, rows // case.sides // case.rows_per_key))
    feed.give(rows // case.sides)
    rounds.cut()
    for _ in range(2):
        # with the first watermark all that waited for it is done
        feed.round(feed.made(NEW // case.sides))
    # what is done now and then counts as well
    tally[0] = 0
    for _ in range(ROUNDS):
        feed.round(feed.made(NEW // case.sides))
    return tally[0] / ROUNDS


@pytest.mark.parametrize("name", CASES)
def test_work_follows_the_new_rows(name: str) -> None:
    few, many = (touched(CASES[name], rows) for rows in (FEW, MANY))
    assert many < 2 * few


def test_work_that_grows_with_the_state_is_seen() -> None:
    class Scanned(Counted):
        """A state that goes through all its rows whenever some come."""

        def __getattr__(self, name: str) -> Any:
            if name == "slots":
                self.live()
            return super().__getattr__(name)

    few, many = (touched(CASES["distinct rows"], rows, Scanned) for rows in (FEW, MANY))
    assert many > 5 * few
