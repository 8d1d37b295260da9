"""The contract between the runtime and one step of a job.

Reads:    what the runtime hands in: batches, watermarks, cuts, state.
Not here: concrete operators (operators/), the loop that drives them (runtime/).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from thalweg.columnar.batch import Batch
from thalweg.protocols.calls import AsyncFunction, Calls
from thalweg.protocols.messages import Watermark
from thalweg.protocols.state import StateSpec

MAIN = "out"
BAD = "bad"
"""The port of rows that a source could not read."""


@dataclass(frozen=True, slots=True)
class Side:
    """Rows for a named side output, such as `late`."""

    port: str
    batch: Batch
    pairs: int
    """How many late (row, window) pairs, or bad rows, the batch stands for."""
    rows: int | None = None
    """How many rows of the input are turned away with it for good; None: as many as pairs."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing comes until somebody outside has answered: whoever drives the task may do something else."""


PAUSE = Pause()
Output = Batch | Side | Watermark | Pause
"""What a call of an operator gives; the last two only of those that answer later."""


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

    Contract:
        O1 cutting or joining batches changes nothing once changes are added up, at any common cut.
        O2 a watermark held back behind rows that follow it changes nothing.
        O3 after a cut nothing is held on `self`: a new instance over the same state, told the last watermark
           again, goes on as the old one would have.
        O4 what is in state means the same elsewhere: state that was dumped and loaded goes on as well.
        O5 rows of different partitions have nothing to do with each other: tasks that share them out
           give together what one gives.
        O6 no emitted batch has more than `rows_max` rows.
        O7 after `on_watermark(w)` no row is emitted whose time is at or before `w`, less the slack.
        O8 the batches handed in are not changed.
        O9 more or fewer cuts change nothing at the next common cut, and a cut right after a cut owes
           nothing.
        O10 a change removes only what is there: after a cut no row is there less than zero times.
        O11 weights count: a row of weight n is n rows, and a row and its removal are nothing.
        O12 all batches of one output have the same columns and types (only `__before` may be missing),
            and a weight, an Int64, for every row or for none.
        O13 the table at the end is the one that the description promises.
        O14 what is written into state is known to it: slots that it has just given, or that were named to
            `touch`.

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


@runtime_checkable
class WaitsForTime(Protocol):
    """An operator that holds rows until event time has passed them; `why` asks it."""

    @property
    def due(self) -> int | None:
        """The watermark at which it emits next; None if it holds nothing."""
        ...


@runtime_checkable
class ReadsFirst(Protocol):
    """The description of an operator that gets no rows on other ports before one port has ended.

    What comes for the others meanwhile waits on edges that spill, so that no producer is stopped; no cut is
    made until then.
    """

    @property
    def first_port(self) -> int:
        """The port that is read to its end first."""
        ...


@runtime_checkable
class Finishing(Protocol):
    """An operator that may have had enough before its input ends, as LIMIT has."""

    def is_final(self, first_open: int) -> bool:
        """Asked right after a cut: whether rows that follow, of split `first_open` on, change nothing."""
        ...


@runtime_checkable
class SetsTimers(Protocol):
    """The description of an operator that calls itself when event time has reached a time.

    What it does at the end of the input rests on the last watermark, which a job always tells before the end:
    a timer from then on is the last one.
    """

    @property
    def has_timers(self) -> bool:
        """Whether it does."""
        ...


@runtime_checkable
class CallsFunctions(Protocol):
    """The description of an operator that may call functions of the user, which hold Python's lock."""

    @property
    def calls_functions(self) -> bool:
        """Whether it does."""
        ...


@runtime_checkable
class AsksOutside(Protocol):
    """The description of an operator that waits for others, and not for the processor."""

    @property
    def asks_outside(self) -> bool:
        """Whether it does."""
        ...


@runtime_checkable
class WatchesClock(Protocol):
    """An operator that is to be called again when a processing time has come.

    What it does then depends on the clock, and comes at another place between the rows if it comes again: the
    description of the step says that it does.
    """

    @property
    def clock_due(self) -> int | None:
        """The processing time, in microseconds since the epoch, at which it is to be called; None: never."""
        ...

    def on_clock(self, now: int) -> Iterator[Output]:
        """That time has come."""
        ...


@runtime_checkable
class AnswersLater(Operator, Protocol):
    """An operator that asks somebody outside, and emits what follows from rows when the answers are there.

    Rows without an answer are its state: cuts pass meanwhile, and whoever takes the state over asks again. So
    what it owes at a cut may differ, and only at the end all that stands in the contract holds. Event time
    is in its hands: what `on_watermark` tells it goes no further than here. It yields the `Watermark` when
    nothing from before is left. At the end of its input it yields `PAUSE` as long as answers are missing.
    """

    @property
    def is_full(self) -> bool:
        """Whether it should get no more rows just now; it takes those that come all the same."""
        ...

    @property
    def open_count(self) -> int:
        """For how many rows it has not emitted what follows from them."""
        ...

    @property
    def is_answered(self) -> bool:
        """Whether there are answers that it has not looked at."""
        ...

    def on_answers(self) -> Iterator[Output]:
        """Emit what follows from the answers."""
        ...

    def close(self) -> None:
        """Nobody waits for answers any more."""
        ...


class Context(Protocol):
    """What the runtime hands to an operator when it is built."""

    def state(self, name: str) -> Any:
        """The state declared under this name (its type depends on the kind declared)."""
        ...

    def lookup(self, name: str) -> Any:
        """Whom to ask for rows of the table declared under this name (see `protocols.lookup`)."""
        ...

    def calls(self, function: AsyncFunction) -> Calls:
        """Who makes the calls of a user's asynchronous function; the task is woken when they are answered."""
        ...

    @property
    def rows_max(self) -> int:
        """The most rows that one emitted batch may have."""
        ...

    @property
    def inputs(self) -> int:
        """How many ports the operator has."""
        ...

    def split_name(self, number: int) -> str:
        """What the split is called that has this number in the engine's column of splits."""
        ...

    def wall(self) -> int:
        """The processing time in microseconds since the epoch, for those that watch the clock."""
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
