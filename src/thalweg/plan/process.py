"""Hold a user's keyed function as a step of a plan: it is called with the rows of each key, in time order.

Not here: what a function is (protocols/process.py), how it is called (operators/process_op.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from thalweg.base.schema import Schema
from thalweg.plan.nodes import Plan, Unary
from thalweg.protocols.process import KeyedFunction, Order


@dataclass(frozen=True)
class Process(Unary):
    """What a keyed function gives for the rows of each key, in the order of their event time.

    Attributes:
        keys: the columns by which the function has its state and its timers.
        time: the column of event time; None: there is none, and rows are taken as they arrive.
        function: the user's function.
        result: the columns that it gives.
        sides: the columns of each of its side outputs.
        order: in which rows are taken.
    """

    input: Plan
    keys: tuple[str, ...]
    time: str | None
    function: KeyedFunction
    result: Schema
    sides: tuple[tuple[str, Schema], ...] = ()
    order: Order = "time"

    @cached_property
    def schema(self) -> Schema:
        return self.result

    def describe(self) -> str:
        order = self.time if self.order == "time" else "arrival"
        return f"Process {self.function.name} by {', '.join(self.keys) or '()'} in the order of {order}"


@dataclass(frozen=True)
class SideOutput(Unary):
    """What a keyed function gives to one of its side outputs; `input` is the step of the function."""

    input: Process
    port: str

    @cached_property
    def schema(self) -> Schema:
        return dict(self.input.sides)[self.port]

    def describe(self) -> str:
        return f"Side output {self.port} of {self.input.function.name}"
