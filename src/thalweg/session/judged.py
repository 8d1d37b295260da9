"""Run bounded plans by the operators of a stream, and hand sinks the final tables, as in a batch.

A batch accepts every row. With `lateness="as_stream"` each row is judged by its own split's watermark before
it, in the order of the split. The operators do that; so they execute the plan, and what would reach a
sink as changes is folded first. They also execute plans that are to keep to a budget of memory, and accept
every row then: event time stands until the end.

Not here: the query that accepts every row (physical/lazy.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal as Choice

from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch
from thalweg.errors import PlanError
from thalweg.operators.changelog import with_ops
from thalweg.optimizer.optimize import Roots, everywhere
from thalweg.physical import needs
from thalweg.physical.results import changelog_step, check_sink
from thalweg.plan.asynchronous import MapAsync
from thalweg.plan.nodes import AssignWatermark, Plan, Write
from thalweg.plan.process import Process
from thalweg.plan.properties import properties
from thalweg.protocols.sink import Delivery, Sink, Writer
from thalweg.runtime.options import RunOptions


def judges_rows(plans: Sequence[Plan]) -> bool:
    """Whether anything in the plans depends on which rows are late."""
    return bool(needs.find(plans).verdicts) or any(needs.reads_late(p) for p in plans)


def calls_functions(plans: Sequence[Plan]) -> bool:
    """Whether a step is a function with state or an asynchronous one: only the operators call these."""
    return any(isinstance(p, (Process, MapAsync)) or calls_functions(p.inputs) for p in plans)


def keeps_state(plans: Sequence[Plan]) -> bool:
    """Whether the operators can execute the plans, and keep something while they do."""
    # imported here: a batch without a budget needs no operators
    from thalweg.physical.planner import plan_job

    try:
        job = plan_job(final_writes(plans), name="job", parallelism=1)
    except PlanError:
        # such as windows over a result that changes
        return False
    return any(o.states() for s in job.stages for o in s.operators)


def accepting_every_row(plans: Sequence[Plan]) -> list[Plan]:
    """The plans with watermarks that wait for the end: no row is late."""
    whole = everywhere(Roots(tuple(plans)), _held)
    return list(whole.inputs)


def _held(plan: Plan) -> Plan:
    return replace(plan, is_held=True, lateness_us=0) if isinstance(plan, AssignWatermark) else plan


def final_writes(plans: Sequence[Plan]) -> list[Plan]:
    """The plans, with every sink getting the final table of its result instead of changes."""
    return [_final(p) if isinstance(p, Write) else p for p in plans]


def without_clock(options: RunOptions) -> RunOptions:
    """The options with a clock that stands: bounded input waits for nobody, and is read at one time."""
    now = options.wall()
    return replace(options, idle_timeout=None, wall=lambda: now)


def _final(write: Write) -> Write:
    check_sink(write, batch=True)
    if write.changelog == "ops":
        return replace(write, sink=_OpsOfTable(write.sink, write), changelog="fold")
    return replace(write, changelog="fold") if properties(write.input).is_updating else write


@dataclass(frozen=True, eq=False)
class _OpsOfTable:
    """A sink whose rows all get the operation `+I`, as those of a batch do."""

    inner: Sink
    write: Write
    takes_updates: bool = False
    is_parallel: bool = False

    @property
    def delivery(self) -> Delivery:
        return self.inner.delivery

    @property
    def emit(self) -> Choice["cut", "now"]:
        return self.inner.emit

    def describe(self) -> str:
        return self.inner.describe()

    def open(self, schema: Schema, task: int) -> Writer:
        with_op = changelog_step(self.write, "ops")[1]
        return _OpsWriter(self.inner.open(with_op, task), schema.names)


class _OpsWriter:
    def __init__(self, inner: Writer, columns: tuple[str, ...]) -> None:
        self._inner, self._columns = inner, columns

    def write(self, batch: Batch) -> None:
        self._inner.write(Batch(with_ops(batch, self._columns, ())))

    def cut(self, number: int) -> None:
        self._inner.cut(number)

    def end(self) -> None:
        self._inner.end()

    def close(self) -> None:
        self._inner.close()
