"""Hold a user's keyed function as a step of a plan: it is called with the rows of each key, in time order.

Not here: what a function is (protocols/process.py), how it is called (operators/process_op.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from thalweg.base.schema import Schema
from thalweg.base.types import INT64, STRING, TIMESTAMP, Field
from thalweg.plan.asynchronous import MapAsync
from thalweg.plan.late import Behind
from thalweg.plan.nodes import Plan, Unary
from thalweg.plan.shapes import WINDOW_END, WINDOW_START
from thalweg.protocols.process import MISSED_PORT, KeyedFunction, Order


@dataclass(frozen=True)
class ProcessedBy:
    """How the rows of one input of a keyed function are taken.

    Attributes:
        keys: the columns by which the function has its state and its timers.
        time: the column of event time; None: there is none, and rows are taken as they arrive.
        is_broadcast: whether the rows are for all keys: of the last input.
    """

    keys: tuple[str, ...]
    time: str | None
    is_broadcast: bool = False


@dataclass(frozen=True)
class Process(Plan):
    """What a keyed function gives for the rows of each key, in the order of their event time.

    Attributes:
        parts: whose rows it takes; those of equal keys meet.
        by: how those of each are taken.
        function: the user's function.
        result: the columns that it gives.
        sides: the columns of each of its side outputs.
        order: in which rows are taken.
    """

    parts: tuple[Plan, ...]
    by: tuple[ProcessedBy, ...]
    function: KeyedFunction
    result: Schema
    sides: tuple[tuple[str, Schema], ...] = ()
    order: Order = "time"

    @property
    def inputs(self) -> tuple[Plan, ...]:
        return self.parts

    def with_inputs(self, inputs: tuple[Plan, ...]) -> Plan:
        return replace(self, parts=inputs)

    @cached_property
    def schema(self) -> Schema:
        return self.result

    def describe(self) -> str:
        order = " and ".join(str(b.time) for b in self.by) if self.order == "time" else "arrival"
        keyed = [f"({', '.join(b.keys)})" for b in self.by if not b.is_broadcast]
        keys = " = ".join(keyed) if len(keyed) > 1 else ", ".join(self.by[0].keys) or "()"
        told = ", with rows for all keys" if self.by[-1].is_broadcast else ""
        return f"Process {self.function.name} by {keys} in the order of {order}{told}"


def late_of_process(plan: Process, port: int) -> Plan | None:
    """The rows of an input of a function that come too late for it; None: none is ever late."""
    # imported here: it knows this step, too
    from thalweg.plan.properties import properties

    if plan.function.takes_late:
        return MissedRows(plan)
    below, by = plan.parts[port], plan.by[port]
    slack = None if by.time is None else properties(below).times.get(by.time)
    if plan.order != "time" or by.time is None or slack is None:
        return None
    return Behind(below, by.time, slack)


@dataclass(frozen=True)
class SideOutput(Unary):
    """What a keyed function gives to one of its side outputs; `input` is the step of the function."""

    input: Process | MapAsync
    port: str

    @cached_property
    def schema(self) -> Schema:
        assert isinstance(self.input, Process), "an asynchronous function has no side outputs"
        return dict(self.input.sides)[self.port]

    def describe(self) -> str:
        return f"Side output {self.port} of {self.input.function.name}"


@dataclass(frozen=True)
class MissedRows(SideOutput):
    """The rows that came too late for windows said in Python, once for each window that was over."""

    port: str = MISSED_PORT

    @cached_property
    def schema(self) -> Schema:
        rows = self.input.parts[0].schema
        taken = {f.name for f in rows}
        bounds = [_free(name, taken) for name in (WINDOW_START, WINDOW_END)]
        times = (Field(name, TIMESTAMP) for name in bounds)
        return Schema((*rows.fields, *times, Field("split", STRING), Field("position", INT64)))

    def describe(self) -> str:
        return f"Rows that are late for the windows of {self.input.function.name}"


def _free(name: str, taken: set[str]) -> str:
    """A name that no column has."""
    while name in taken:
        name += "_"
    return name


FAILED_ROWS = Schema.of(
    {
        "split": STRING,
        "position": INT64,
        "event_time": TIMESTAMP,
        "code": STRING,
        "error": STRING,
        "place": STRING,
        "row": STRING,
    }
)
"""What is told of a row that a function has failed on: `row` is its values as a JSON object."""


@dataclass(frozen=True)
class Failed(SideOutput):
    """The rows that a function has failed on; without this step, the job fails with the first one."""

    port: str = "failed"

    @cached_property
    def schema(self) -> Schema:
        return FAILED_ROWS

    def describe(self) -> str:
        return f"Rows that {self.input.function.name} failed on"
