"""Ask services outside for each row: the step that calls an asynchronous function.

Not here: how calls are made (runtime/calls.py), how rows wait for answers (operators/asynchronous_op.py).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from thalweg.api.columns import Names, column_names
from thalweg.api.ordered import Ordered
from thalweg.api.place import place_of
from thalweg.api.types import SchemaLike, schema_of
from thalweg.base.durations import microseconds
from thalweg.base.schema import Schema, unknown_column
from thalweg.errors import PlanError
from thalweg.expr.python_rows import Row
from thalweg.plan.asynchronous import MapAsync
from thalweg.plan.nodes import Plan
from thalweg.protocols.calls import AsyncFunction

# Any: rows are named tuples of the user's own columns
AnswerCall = Callable[[Any], Awaitable["Row | Iterable[Row] | None"]]


@dataclass(frozen=True, eq=False, repr=False)
class Asynchronous(Ordered):
    """Rows that others can be asked about."""

    def map_async(
        self,
        function: AnswerCall,
        schema: SchemaLike,
        *,
        carry: Names = (),
        ordered: bool = True,
        at_once: int = 100,
        timeout: str | timedelta = "1m",
        retries: int = 0,
        retry_wait: str | timedelta = "100ms",
    ) -> Self:
        """Apply an asynchronous function to each row, such as a question to a service, to many at once.

        Rows without an answer are state: cuts and checkpoints pass while calls are under way, and what goes
        on from a checkpoint asks again for those that had no answer in it. Event time waits for them.

        Args:
            function: takes a row, a named tuple; gives a row (a dict or tuple), several, or None for none.
            schema: the columns of the rows that it gives.
            carry: columns of the row to stand before those; event times among them stay event times.
            ordered: whether answers come in the order of the rows; else as they are there, but not before the
                rows that a watermark waits for. Rows that may be taken back are always answered in order.
            at_once: the most calls under way in each task.
            timeout: how long a call may take.
            retries: how often a call that failed, or took too long, is made again; then it is an error.
            retry_wait: how long to wait before the first time; each time twice as long.

        Example:
            >>> import thalweg as tw
            >>> async def price(row):
            ...     return (len(row.item) * 1.5,)
            >>> items = tw.Session().from_iter([("pen",), ("paper",)], "item STRING")
            >>> items.map_async(price, "price DOUBLE", carry="item").collect().rows()
            [('pen', 4.5), ('paper', 7.5)]
        """
        waits = {"timeout": microseconds(timeout) / 1e6, "wait": microseconds(retry_wait) / 1e6}
        options = {"at_once": at_once, "retries": retries, **waits}

        def make() -> Plan:
            carried = column_names(carry)
            given = _given(schema_of(schema), carried, self.plan.schema)
            return MapAsync(self.plan, _described(function, options), given, carried, ordered)

        return self._step(make)


def _given(given: Schema, carried: tuple[str, ...], below: Schema) -> Schema:
    """The columns that a function gives, behind those that are carried."""
    for name in carried:
        if name not in below.names:
            raise unknown_column(name, below.names)
        if name in given.names:
            raise PlanError(
                f'the column "{name}" is carried, and given by the function',
                code="plan-async-function",
                found=str(given),
                hint="the function need not give what is carried",
            )
    return given


def _described(call: AnswerCall, options: dict[str, Any]) -> AsyncFunction:
    """The function, and how it is to be called.

    Raises:
        PlanError: `plan-async-function`.
    """
    name = getattr(call, "__name__", type(call).__name__)
    for option, least in (("at_once", 1), ("retries", 0), ("timeout", 0.0), ("wait", 0.0)):
        if options[option] < least:
            raise PlanError(
                f"{option} of map_async is at least {least:g}",
                code="plan-async-function",
                found=str(options[option]),
            )
    if not inspect.iscoroutinefunction(call) and not inspect.iscoroutinefunction(type(call).__call__):
        raise PlanError(
            f"{name} is no asynchronous function",
            code="plan-async-function",
            hint="async def …; flat_map takes others",
        )
    return AsyncFunction(name, call, place_of(call), **options)
