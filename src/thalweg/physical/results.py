"""Decide how results reach a sink: as rows, as operations, or folded into the final table.

An updating result cannot go into an append-only sink as it is. `ops` turns changes into rows with
an `op` column; `fold` waits for the end of bounded input and writes the table.
"""

from __future__ import annotations

from thalweg.base.schema import Schema
from thalweg.base.types import STRING, Field
from thalweg.errors import PlanError
from thalweg.operators.changelog import FoldSpec, OpsSpec
from thalweg.plan.nodes import Plan, Write
from thalweg.plan.properties import properties
from thalweg.protocols.operator import OperatorSpec


def check_sink(plan: Write, *, batch: bool = False) -> None:
    """Refuse what the sink cannot take.

    Raises:
        PlanError: `plan-updating-sink`, `plan-fold-unbounded` or `plan-op-column`.
    """
    found = properties(plan.input)
    if plan.changelog == "ops" and "op" in plan.input.schema:
        raise PlanError(
            'the result has a column "op" already, which is where the operation would go',
            code="plan-op-column",
            where=plan.span or plan.place,
            hint="give that column another name",
        )
    if plan.changelog == "fold" and not found.is_bounded:
        raise PlanError(
            "a result over unbounded input is never final, so that it cannot be folded",
            code="plan-fold-unbounded",
            where=plan.span or plan.place,
            hint="'changelog' = 'ops' writes every change instead",
        )
    if batch or not found.is_updating or plan.sink.takes_updates or plan.changelog in ("ops", "fold"):
        return
    raise PlanError(
        f"the result of {_updater(plan.input)} changes as rows arrive, "
        f"and the sink {plan.sink.describe()} only takes rows that stay",
        code="plan-updating-sink",
        where=plan.span or plan.place,
        choices=[
            "'changelog' = 'ops' (every change, with a column op)",
            "'changelog' = 'fold' (the final table)",
        ],
        hint="group by a window to get results that are final",
    )


def _updater(plan: Plan) -> str:
    """The lowest step that makes the output updating, in words."""
    for below in plan.inputs:
        if properties(below).is_updating:
            return _updater(below)
    return f'"{plan.name}"' if plan.name else plan.describe()


def changelog_step(plan: Write, step: str) -> tuple[OperatorSpec, Schema]:
    """The operator before an append-only sink, and the schema that the sink gets."""
    schema = plan.input.schema
    if plan.changelog == "ops":
        return OpsSpec(step, tuple(schema.names), _group_keys(plan)), Schema(
            (Field("op", STRING), *schema.fields)
        )
    return FoldSpec(step, dict(schema.polars)), schema


def _group_keys(plan: Write) -> tuple[str, ...]:
    keys = sorted(properties(plan.input).keys, key=lambda k: (len(k), sorted(k)))
    return tuple(sorted(keys[0])) if keys else ()
