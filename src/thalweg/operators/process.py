"""Describe a user's keyed function as a step: its state, its rows that wait, its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from thalweg.base.durations import shown
from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.operators.event_timers import timers_spec
from thalweg.operators.limit import position_order
from thalweg.operators.waiting_rows import GROUP
from thalweg.protocols.keeping import Keeping, watermark_passes
from thalweg.protocols.operator import Context
from thalweg.protocols.process import KeyedFunction, Order
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, RowsSpec, StateSpec

if TYPE_CHECKING:
    # the operator's module loads the compiler, which a description must not
    from thalweg.operators.process_op import ArrivalOp, ProcessOp


BROADCAST, RULES = "broadcast", "rules"
"""The states of what every task has: what rows have made of it, and rows that wait."""
CLOCK, REACHED = "clock timers", "event time"
LAST = "__last"
"""When something last happened to a key, where state has a time to live."""
NEVER = -(1 << 62)
TURN = "__turn"
"""When a row has its turn, in microseconds: its event time, or the watermark that had passed it."""
UNKNOWN = 1 << 62
"""Later than any time: when something last happened to a key of an earlier program, nobody knows."""


def side_port(name: str) -> str:
    """The port of a side output; no port of the engine has such a name."""
    return f"side {name}"


Given = tuple[str | None, pl.DataFrame]
"""Rows for a port of the step, or (None) for its output."""


class RowsOut(Protocol):
    """Makes frames of what a function gives."""

    def take(self, rows: Iterable[Any], given: list[Any]) -> None:
        """Add rows to others, as they are when they come."""
        ...

    def frames(self, rows: list[Any], rows_max: int) -> Iterator[pl.DataFrame]:
        """Rows, so many at a time."""
        ...

    def checked(self, frame: Any) -> pl.DataFrame:
        """A frame of the declared columns."""
        ...


@dataclass(frozen=True)
class ProcessInput:
    """One input of a keyed function.

    Attributes:
        columns: its columns and types (positions included, where rows carry them).
        keys: the columns by which state is kept.
        time: the column of event time; None: there is none, and no timers.
        slack_us: how far it may lag behind the watermark; None: nothing is known of it.
        lateness_us: of a function that judges lateness by itself, for how long rows are late and still taken;
            the slack is without it.
    """

    columns: Mapping[str, pl.DataType]
    keys: tuple[str, ...]
    time: str | None
    slack_us: int | None
    lateness_us: int = 0

    @cached_property
    def turn(self) -> str | None:
        """The column by which rows have their turns."""
        return TURN if TURN in self.columns else self.time

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """The columns that the function sees."""
        return tuple(n for n in self.columns if n not in (SPLIT, OFFSET, TURN))

    @cached_property
    def ties(self) -> tuple[str, ...]:
        """What orders rows of equal time."""
        have_positions = SPLIT in self.columns
        names = position_order(self.columns) if have_positions else list(self.columns)
        return tuple(n for n in names if n != self.turn and (have_positions or not n.startswith("__")))

    def waiting(self, name: str) -> RowsSpec:
        """The rows that the watermark has not passed."""
        return RowsSpec(name, {**self.columns, GROUP: pl.Int64()}, GROUP, self.keys)


@dataclass(frozen=True)
class ProcessSpec:
    """A keyed function over rows and timers, in the order of event time or as they come.

    Attributes:
        inputs: whose rows it takes; those of equal keys meet, and rows of one time come input by input.
        function: the function.
        output: makes frames of what it gives.
        sides: the same for each side output.
        order: whether rows wait until time has passed them, or are taken as they arrive.
        rules: a last input, of which every task gets all rows; None: there is none.
        is_tolerant: whether a row that the function fails on is kept apart; else the job fails with it.
    """

    id: str
    inputs: tuple[ProcessInput, ...]
    function: KeyedFunction
    output: RowsOut
    sides: Mapping[str, RowsOut] = field(default_factory=dict)
    order: Order = "time"
    rules: ProcessInput | None = None
    is_tolerant: bool = False

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def keys(self) -> dict[str, pl.DataType]:
        """The key columns, as the first input calls them."""
        first = self.inputs[0]
        return {n: first.columns[n] for n in first.keys}

    @property
    def slack_us(self) -> int | None:
        """How far behind the watermark rows of any input may still come."""
        slacks = [i.slack_us for i in (*self.inputs, *([self.rules] if self.rules else []))]
        return None if None in slacks else max(s for s in slacks if s is not None)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The names of the states of rows that wait, by input."""
        return tuple(f"rows {n + 1}" if n else "rows" for n in range(len(self.inputs)))

    @property
    def calls_functions(self) -> bool:
        """It does nothing else."""
        return True

    @property
    def has_timers(self) -> bool:
        """Whether the function is called when timers are due."""
        return self.function.has_timers

    def states(self) -> Iterable[StateSpec]:
        """The rows that wait, the function's own state, and its timers."""
        keys = self.keys
        columns = {s.name: s.column for s in self.function.states}
        if self.function.forgets:
            columns[LAST] = ColumnSpec("int64", NEVER, taken_over=UNKNOWN)
        rows = [i.waiting(n) for i, n in zip(self.inputs, self.waiting, strict=True)]
        found: list[StateSpec] = [*(rows if self.order == "time" else [])]
        found += [ColumnsSpec("values", keys, columns, may_change=True, is_brief=True), timers_spec(keys)]
        if self.function.has_clock:
            # at processing times it is asked how far event time is, also before the first watermark
            reached = ColumnsSpec(REACHED, {}, {"time": ColumnSpec("int64", NEVER)}, scope="broadcast")
            found += [timers_spec(keys, CLOCK), reached]
        if self.rules is not None:
            held = {s.name: s.column for s in self.function.broadcast}
            found.append(ColumnsSpec(BROADCAST, {}, held, scope="broadcast", may_change=True))
            if self.order == "time":
                found.append(replace(self.rules.waiting(RULES), scope="broadcast"))
        return found

    def keeps(self) -> Iterable[Keeping]:
        """Rows that wait, and whatever the function keeps."""
        for side, name in zip(self.inputs, self.waiting, strict=True):
            if self.order == "time" and side.time is not None:
                yield Keeping(name, "rows that wait", watermark_passes(side.time, self.slack_us))
        if self.rules is not None:
            if self.order == "time" and self.rules.time is not None:
                passes = watermark_passes(self.rules.time, self.slack_us)
                yield Keeping(RULES, "rows for all keys that wait", passes)
            yield Keeping(BROADCAST, f"what {self.function.name} keeps for all keys")
        if self.function.states:
            by = f" by {', '.join(self.keys)}" if self.keys else ""
            ttl = self.function.ttl_us
            cures = ("state that is set back to what it began with is forgotten", "keep(…, ttl=…)")
            until = None if ttl is None else f"nothing has happened to the key for {shown(ttl)}"
            what = f"the state of {self.function.name}{by}"
            yield Keeping("values", what, until, cures=cures if ttl is None else ())

    def late(self) -> Iterable[str]:
        """Rows whose time the watermark has passed, or the end of whose window."""
        if self.function.takes_late:
            after = self.inputs[0].lateness_us
            more = f" for {shown(after)}" if after else ""
            yield f"rows for windows that the watermark of their split had ended{more}"
            return
        for side in self.inputs:
            if side.slack_us is not None and self.order == "time":
                yield f"rows with {side.time} < the watermark of their split"

    def build(self, context: Context) -> ProcessOp | ArrivalOp:
        """The operator."""
        from thalweg.operators.process_op import ArrivalOp, ProcessOp

        return ProcessOp(self, context) if self.order == "time" else ArrivalOp(self, context)

    def describe(self) -> str:
        """One line."""
        order = " and ".join(str(i.time) for i in self.inputs) if self.order == "time" else "arrival"
        clock = ", called at processing times" if self.function.has_clock else ""
        return f"process by ({', '.join(self.keys)}) in the order of {order}: {self.function.name}{clock}"
