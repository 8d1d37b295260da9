"""Decide how results reach a sink: as rows, as operations, or folded into the final table.

An updating result cannot go into an append-only sink as it is. `ops` turns changes into rows with
an `op` column; `fold` waits for the end of bounded input and writes the table.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.base.types import STRING, Field
from thalweg.errors import PlanError, did_you_mean
from thalweg.operators.changelog import OpsSpec
from thalweg.operators.folding import FoldSpec
from thalweg.plan.nodes import WINDOW_END, WINDOW_START, GroupBy, Plan, SessionWindow, Window, Write
from thalweg.plan.properties import closing_window, properties
from thalweg.protocols.operator import OperatorSpec

Changelog: TypeAlias = Literal["append", "ops", "fold"]
CHANGELOGS: tuple[Changelog, ...] = ("append", "ops", "fold")


def checked_changelog(name: str | None) -> Changelog | None:
    """The way that a program names, if it names one.

    Raises:
        PlanError: `plan-changelog`.
    """
    for known in CHANGELOGS:
        if name == known:
            return known
    if name is None:
        return None
    raise PlanError(
        f'there is no way "{name}" to write a result that changes',
        code="plan-changelog",
        choices=list(CHANGELOGS),
        hint=did_you_mean(name, list(CHANGELOGS)),
    )


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
    updater = _updater(plan.input)
    choices = ["'changelog' = 'ops' (every change, with a column op)"]
    if found.is_bounded:
        choices.append("'changelog' = 'fold' (the final table)")
    own = getattr(plan.sink, "alternative", None)
    raise PlanError(
        f"the result of {_in_words(updater)} changes as rows arrive, "
        f"and the sink {plan.sink.describe()} only takes rows that stay",
        code="plan-updating-sink",
        where=plan.span or plan.place,
        choices=choices if own is None else [own],
        hint=_way_to_final(updater),
    )


def _updater(plan: Plan) -> Plan:
    """The lowest step that makes the output updating."""
    for below in plan.inputs:
        if properties(below).is_updating:
            return _updater(below)
    return plan


def _in_words(plan: Plan) -> str:
    if plan.name:
        return f'"{plan.name}"'
    if isinstance(plan, GroupBy):
        keys = [k for k in plan.keys if not k.startswith(SYSTEM_PREFIX)]
        by = f" by {', '.join(keys)}" if keys else ""
        return f"the grouping{by}" if plan.keys else "the group of all rows"
    return plan.describe()


def _way_to_final(plan: Plan) -> str | None:
    """What would make the rows of a step stay as they are."""
    if not isinstance(plan, GroupBy):
        return None
    column = _window_column(plan.input)
    if column is not None and closing_window(plan) is not None:
        return (
            f'windows on "{column}" change while rows are allowed to be late: '
            "they are final without 'table.exec.emit.allow-lateness', and lateness_max in Python"
        )
    if column is None or not {WINDOW_START, WINDOW_END} <= set(plan.keys):
        return "group by a window to get results that are final"
    return f'windows are final where "{column}" has a watermark: WATERMARK FOR {column} AS {column}'


def _window_column(plan: Plan) -> str | None:
    """The time column of the windows that the rows are in."""
    if isinstance(plan, (SessionWindow, Window)):
        return plan.column
    return _window_column(plan.inputs[0]) if len(plan.inputs) == 1 else None


def changelog_step(plan: Write, step: str) -> tuple[OperatorSpec, Schema]:
    """The operator before an append-only sink, and the schema that the sink gets."""
    schema = plan.input.schema
    if plan.changelog == "ops":
        return OpsSpec(step, tuple(schema.names), row_key(plan.input)), Schema(
            (Field("op", STRING), *schema.fields)
        )
    return FoldSpec(step, dict(schema.polars)), schema


def row_key(plan: Plan) -> tuple[str, ...]:
    """The fewest columns that tell the rows of a plan apart; none if nothing does."""
    keys = sorted(properties(plan).keys, key=lambda k: (len(k), sorted(k)))
    return tuple(sorted(keys[0])) if keys else ()
