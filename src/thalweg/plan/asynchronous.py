"""Hold a user's asynchronous function as a step of a plan: it is called for each row.

Not here: what a function is (protocols/calls.py), how rows wait for answers (operators/asynchronous_op.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from thalweg.base.schema import Schema
from thalweg.plan.nodes import Plan, Unary
from thalweg.protocols.calls import AsyncFunction


@dataclass(frozen=True)
class MapAsync(Unary):
    """What an asynchronous function gives for each row, behind some columns of that row.

    Attributes:
        input: whose rows it is called for.
        function: the user's function.
        given: the columns that it gives.
        carry: the columns of the row that stand before them; event times among them stay event times.
        is_ordered: whether answers follow each other as the rows do; else as they come.
    """

    input: Plan
    function: AsyncFunction
    given: Schema
    carry: tuple[str, ...] = ()
    is_ordered: bool = True

    @property
    def parts(self) -> tuple[Plan, ...]:
        """Whose rows the function is called for."""
        return (self.input,)

    @cached_property
    def schema(self) -> Schema:
        below = self.input.schema
        return Schema((*(f for n in self.carry for f in below if f.name == n), *self.given.fields))

    def describe(self) -> str:
        order = "in the order of the rows" if self.is_ordered else "as they come"
        carried = f", behind {', '.join(self.carry)}" if self.carry else ""
        return f"MapAsync {self.function.name}, {self.function.at_once} at once, answers {order}{carried}"
