"""Read the state of a running job: which states there are, and the rows of one as of a cut.

A read causes a cut, so that it sees all that the job had read when it was asked, in every task, and nothing
behind it. Tasks put the rows aside and go on; the reader takes them from there.

Reads:    the states of a job of this process, or of another one (control/reading.py).
Not here: how a cut answers (runtime/looks.py), state that was saved (archive.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from thalweg.base.codec_columns import shown_values
from thalweg.job.states import KeptState, chosen, key_of, states_of
from thalweg.protocols.state import ColumnsSpec
from thalweg.runtime.aside import Aside
from thalweg.runtime.looks import Look
from thalweg.runtime.metrics import size_of

if TYPE_CHECKING:
    from thalweg.session.handle import JobHandle

TIMEOUT = 10.0
"""Seconds in which a job takes a cut, if it is not stuck."""
STATES = {
    "stage": pl.String(),
    "operator": pl.String(),
    "state": pl.String(),
    "rows": pl.Int64(),
    "bytes": pl.Int64(),
    "keys": pl.List(pl.String()),
    "values": pl.List(pl.String()),
}
Key = Mapping[str, Any]  # Any: values of the key columns, whatever they are


class LiveRows:
    """The rows of a state at a cut, part by part: not all of them are in memory.

    Attributes:
        cut: the number of the cut.
    """

    def __init__(self, cut: int, parts: Iterator[pl.DataFrame], close: Callable[[], None]) -> None:
        self.cut, self._parts, self._close = cut, parts, close

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """The parts; the first says what the columns are, also where there is no row."""
        return self._parts

    def __enter__(self) -> LiveRows:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back what is held for the rest of the rows; may be called twice."""
        self._close()


class Reading(Protocol):
    """Where the states of a job are read."""

    def states(self) -> pl.DataFrame:
        """A row per state."""
        ...

    def read(self, operator: str, state: str | None, key: Key | None, timeout: float) -> LiveRows:
        """The rows of one state."""
        ...


class LiveState:
    """The state of a job that runs.

    Example:
        >>> LiveState.at("no such job").states  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        thalweg.errors.ConfigError: [job-unknown] no job "no such job" is running...
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    @staticmethod
    def at(job: str) -> LiveState:
        """That of a job of any process of this user on this machine, by its name."""
        from thalweg.session.control.reading import RemoteStates

        return LiveState(RemoteStates(job))

    @property
    def states(self) -> pl.DataFrame:
        """What is kept now: a row per state, with the step that keeps it, its size, its columns.

        Raises:
            CheckpointError: `state-job-ended`.
        """
        return self._reading.states()

    def state(
        self, operator: str, state: str | None = None, *, key: Key | None = None, timeout: float = TIMEOUT
    ) -> pl.DataFrame:
        """The rows of one state as of a cut: its keys, then its values; in no order.

        Not to be called from the thread that runs the job.

        Args:
            operator: the step that keeps it, as `states` names it.
            state: its name; needed where a step keeps several.
            key: values of some or all key columns, of which only the rows are wanted.
            timeout: how many seconds to wait for the cut.

        Raises:
            ConfigError: `state-unknown`, `state-no-keys`, `state-key-column`, `state-key-value`.
            CheckpointError: `state-timeout`, `state-job-ended`, `state-unreadable`.
        """
        with self.rows(operator, state, key=key, timeout=timeout) as rows:
            return pl.concat(rows)

    def rows(
        self, operator: str, state: str | None = None, *, key: Key | None = None, timeout: float = TIMEOUT
    ) -> LiveRows:
        """As `state`, in parts: for more than should be in memory at once.

        Raises:
            ConfigError: `state-unknown`, `state-no-keys`, `state-key-column`, `state-key-value`.
            CheckpointError: `state-timeout`, `state-job-ended`, `state-unreadable`.
        """
        return self._reading.read(operator, state, key, timeout)


class OwnStates:
    """The states of a job of this process."""

    def __init__(self, handle: JobHandle) -> None:
        self._handle = handle

    def states(self) -> pl.DataFrame:
        """As they are now; a task may be at work."""
        run = self._handle.readable()
        rows = [
            (s.stage, s.operator, s.name, *self._size(s), list(s.keys), list(s.values))
            for s in states_of(run.job)
        ]
        return pl.DataFrame(rows, schema=STATES, orient="row")

    def _size(self, state: KeptState) -> tuple[int, int]:
        run = self._handle.readable()
        held = [run.parts.states.get(task, {}) for task in run.tasks_with(state)]
        found = [size_of(h[state.operator, state.name]) for h in held if h]
        return sum(s[0] for s in found if s), sum(s[1] for s in found if s)

    def read(self, operator: str, state: str | None, key: Key | None, timeout: float) -> LiveRows:
        """The rows as of the next cut."""
        run = self._handle.readable()
        kept = chosen(states_of(run.job), operator, state)
        memory = run.options.memory
        aside = Aside(None if memory is None else memory.directory)
        look = Look(kept, None if key is None else key_of(kept, key), aside)
        run.ask(look)
        cut = look.wait(timeout)
        return LiveRows(cut, _shown(kept, aside), aside.close)


def _shown(state: KeptState, aside: Aside) -> Iterator[pl.DataFrame]:
    """The rows with values of Python as columns."""
    objects = {}
    if isinstance(state.spec, ColumnsSpec):
        columns = state.spec.columns.items()
        objects = {state.spec.stored(n): c.codec for n, c in columns if c.codec is not None}
    with closing(aside):
        for part in aside.parts():
            made = [shown_values(codec, part.get_column(n)) for n, codec in objects.items()]
            yield part.with_columns(made) if made else part
