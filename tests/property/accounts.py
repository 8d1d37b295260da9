"""Check law 7 on a finished run: every row that left a step arrived at the next one, or was counted as late.

Reads:    the counts that the chains of a run kept.
Not here: what the rows were (laws.py compares the results).
"""

from __future__ import annotations

from collections.abc import Callable

from tests.property.harness import Outcome
from thalweg.job.job import Edge, Stage
from thalweg.operators.as_of_spec import AsOfSpec
from thalweg.operators.common_panes import CommonPanesSpec, OwnPanesSpec
from thalweg.operators.join_spec import JoinSpec
from thalweg.operators.over import OverSpec
from thalweg.operators.rowwise import ExplodeStep, MapStep, RowwiseSpec
from thalweg.operators.sessions import SessionsSpec
from thalweg.operators.windows import WindowsSpec
from thalweg.protocols.operator import MAIN
from thalweg.runtime.chain import Counts


def check_accounts(outcome: Outcome) -> None:
    """Compare what each step took with what the steps before it gave.

    Raises:
        AssertionError: rows were lost or came from nowhere.
    """
    job = outcome.job
    for stage in job.stages:
        _check_chain(outcome, stage)
        sent = _arriving(outcome, stage)
        if stage.operators:
            taken, left = _total(outcome, stage, 0, lambda c: c.rows_in), _unwanted(outcome, stage)
            assert sent == taken + left, f"{stage.id} was sent {sent} rows, took {taken} and left {left}"


def _check_chain(outcome: Outcome, stage: Stage) -> None:
    """Within a stage each step takes what the one before it gave; windows lose nothing but late pairs."""
    for i, operator in enumerate(stage.operators):
        rows_in = _total(outcome, stage, i, lambda c: c.rows_in)
        rows_out = _total(outcome, stage, i, lambda c: c.rows_out)
        late = _total(outcome, stage, i, lambda c: c.late)
        if i:
            given = _total(outcome, stage, i - 1, lambda c: c.rows_out)
            assert given == rows_in, f"{operator.id} was given {given} rows and took {rows_in}"
        if isinstance(operator, (AsOfSpec, JoinSpec)):
            assert late <= rows_in, f"{operator.id}: {rows_in} in, {late} late"
        elif isinstance(operator, (OverSpec, SessionsSpec)):
            assert rows_in == rows_out + late, f"{operator.id}: {rows_in} in, {rows_out} out, {late} late"
        elif isinstance(operator, CommonPanesSpec):
            most = sum(-(-w.window.size_us // w.window.slide_us) for w in operator.windows)
            assert late <= rows_in * most, f"{operator.id}: {rows_in} in, {late} late"
            assert rows_out <= rows_in, f"{operator.id} made rows"
            kinds = {w.window for w in operator.windows}
            if len(kinds) == 1 and min(kinds, key=str).kind == "tumbling":
                lost = (rows_in - rows_out) * len(operator.windows)
                assert lost == late, f"{operator.id}: {rows_in} in, {rows_out} out, {late} late"
        elif isinstance(operator, OwnPanesSpec):
            assert rows_out <= rows_in, f"{operator.id} made rows"
        elif isinstance(operator, WindowsSpec):
            window = operator.window
            if window.kind == "tumbling":
                assert rows_in == rows_out + late, f"{operator.id}: {rows_in} in, {rows_out} out, {late} late"
            elif (
                not operator.shares_panes
                and window.kind == "hopping"
                and window.size_us % window.slide_us == 0
            ):
                pairs = rows_in * (window.size_us // window.slide_us)
                assert pairs == rows_out + late, f"{operator.id}: {pairs} in, {rows_out} out, {late} late"
        else:
            assert late == 0, f"{operator.id} judges no windows, and has late rows"
        if isinstance(operator, RowwiseSpec) and not any(
            isinstance(s, (ExplodeStep, MapStep)) for s in operator.steps
        ):
            assert rows_out <= rows_in, f"{operator.id} made rows"


def _unwanted(outcome: Outcome, stage: Stage) -> int:
    """How many rows were on their way to tasks that had ended early, since they had all that they needed."""
    inputs = [i for t in outcome.run.tasks if t.stage == stage.id for i in t.inputs]
    return sum(i.channel.rows for i in inputs)


def _arriving(outcome: Outcome, stage: Stage) -> int:
    """How many rows a stage was sent, or has read."""
    if stage.scan is not None:
        return sum(t.rows_read for t in outcome.run.parts.sources if t.stage == stage.id)
    return sum(_leaving(outcome, edge) for edge in outcome.job.inputs_of(stage.id))


def _leaving(outcome: Outcome, edge: Edge) -> int:
    """How many rows went over an edge."""
    stage = outcome.job.by_id[edge.source]
    if edge.output != MAIN:
        numbers = range(len(stage.operators))
        return sum(_total(outcome, stage, i, lambda c: c.aside[edge.output]) for i in numbers)
    if not stage.operators:
        return _arriving(outcome, stage) - _unwanted(outcome, stage)
    return _total(outcome, stage, len(stage.operators) - 1, lambda c: c.rows_out)


def _total(outcome: Outcome, stage: Stage, number: int, what: Callable[[Counts], int]) -> int:
    """A count of one operator over all tasks of its stage."""
    name = stage.operators[number].id
    tasks = [t for t in outcome.run.tasks if t.stage == stage.id]
    return sum(what(t.chain.counts[name]) for t in tasks)
