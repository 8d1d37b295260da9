"""The contract between the runtime and one step of a job.

Reads:    what the runtime hands in: batches, watermarks, cuts, state.
Not here: concrete operators (operators/), the loop that drives them (runtime/).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from thalweg.columnar.batch import Batch
from thalweg.protocols.state import ColumnsSpec, KeyedColumns, StateSpec

MAIN = "out"
BAD = "bad"
"""The port of rows that a source could not read."""


@dataclass(frozen=True, slots=True)
class Side:
    """Rows for a named side output, such as `late`."""

    port: str
    batch: Batch
    pairs: int
    """How many (row, window) pairs, or rows, the batch stands for."""


Output = Batch | Side


class Operator(Protocol):
    """One step of a job, written as a pure function of its calls.

    The runtime owns the state, the clock and the wires, and hands in what is needed. An operator
    reads no clock, opens no file, and keeps nothing on `self` that is not derived from its
    description or from the state handed in. What a call returns is an iterator of bounded batches,
    and that is everything that happened. The runtime makes no other call before it is used up.

    Order of calls in one task: any mix of `on_batch`, `on_watermark` and `on_cut`; `on_end` once
    per port, after which that port is silent. After `on_cut` nothing may be held back outside the
    declared state: between any two calls that follow a cut the runtime may take a checkpoint,
    move the state to another task, or go back to an older checkpoint.

    Laws: cutting or joining batches must not change the output, once changes are added up; a
    watermark held back behind rows that follow it changes nothing.
    Checked by: `thalweg.testing.check_operator`.
    """

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Take rows."""
        ...

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Event time has reached `time` on all inputs; it never goes back."""
        ...

    def on_cut(self, number: int) -> Iterator[Output]:
        """A cut: emit every change that is owed for the rows taken so far."""
        ...

    def on_end(self, port: int) -> Iterator[Output]:
        """No more rows on this port; after the last port, close whatever is open."""
        ...


class Context(Protocol):
    """What the runtime hands to an operator when it is built."""

    def state(self, name: str) -> Any:
        """The state declared under this name (its type depends on the kind declared)."""
        ...

    def scratch(self, spec: ColumnsSpec) -> KeyedColumns:
        """An empty table for use within one call; never part of a checkpoint."""
        ...

    @property
    def rows_max(self) -> int:
        """The most rows that one emitted batch may have."""
        ...

    @property
    def inputs(self) -> int:
        """How many ports the operator has."""
        ...


@runtime_checkable
class OperatorSpec(Protocol):
    """The description of an operator: a plain value in a job."""

    @property
    def id(self) -> str:
        """A stable name, unique in the job."""
        ...

    def states(self) -> Iterable[StateSpec]:
        """The state that every instance needs."""
        ...

    def build(self, context: Context) -> Operator:
        """An instance over the state handed in."""
        ...

    def describe(self) -> str:
        """One line for `explain`."""
        ...


class Step:
    """Defaults for operators that hold nothing back: watermarks, cuts and ends pass silently."""

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Nothing is due."""
        return iter(())

    def on_cut(self, number: int) -> Iterator[Output]:
        """Nothing is held back."""
        return iter(())

    def on_end(self, port: int) -> Iterator[Output]:
        """Nothing is open."""
        return iter(())
