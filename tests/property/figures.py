"""Check law 7 on the metrics of a finished run alone: rows in = processed + late + kept apart, step by step.

Reads:    the metrics of a run, and its job, which says what follows what.
Not here: the same on the counts that chains keep (accounts.py).
"""

from __future__ import annotations

from tests.property.harness import Outcome
from thalweg.job.job import Edge, Job, Stage
from thalweg.operators.common_panes import CommonPanesSpec
from thalweg.operators.over import OverSpec
from thalweg.operators.sessions import SessionsSpec
from thalweg.operators.sort import SortSpec
from thalweg.operators.windows import WindowsSpec
from thalweg.protocols import metrics as m
from thalweg.protocols.metrics import Metrics
from thalweg.protocols.operator import MAIN, OperatorSpec


def check_figures(outcome: Outcome) -> None:
    """Compare what each step says that it took with what it says became of it.

    Raises:
        AssertionError: rows were lost or came from nowhere.
    """
    run, figures = outcome.run, outcome.run.figures
    for sample in figures.of(m.ROWS_IN):
        _check_task(figures, *sample.labels)
    for sample in figures.of(m.OPERATOR_IN):
        _check_operator(figures, *sample.labels)
    for stage in outcome.job.stages:
        _check_stage(figures, outcome.job, stage, _unwanted(outcome, stage))
    tally = run.tally
    found = [figures.total(metric) for metric in (m.PAIRS_LATE, m.ROWS_QUARANTINED, m.ROWS_AHEAD)]
    assert found == [tally.late_count, tally.bad_count, tally.ahead_count], f"{found}, {tally}"


def _check_task(figures: Metrics, step: str, task: str) -> None:
    taken, done, bad = (
        figures.total(metric, step=step, task=task)
        for metric in (m.ROWS_IN, m.ROWS_PROCESSED, m.ROWS_QUARANTINED)
    )
    assert taken == done + bad, f"{step}[{task}]: {taken} in, {done} processed, {bad} kept apart"


def _check_operator(figures: Metrics, step: str, task: str, operator: str) -> None:
    taken, done, late, pairs = (
        figures.total(metric, step=step, task=task, operator=operator)
        for metric in (m.OPERATOR_IN, m.OPERATOR_PROCESSED, m.ROWS_LATE, m.PAIRS_LATE)
    )
    assert taken == done + late, f"{operator}[{task}]: {taken} in, {done} processed, {late} late"
    assert late <= pairs, f"{operator}[{task}]: {late} rows late for everything, and {pairs} pairs"


def _check_stage(figures: Metrics, job: Job, stage: Stage, unwanted: int) -> None:
    done = figures.total(m.ROWS_PROCESSED, step=stage.id)
    given = done
    for operator in stage.operators:
        taken, left = (
            figures.total(metric, operator=operator.id) for metric in (m.OPERATOR_IN, m.OPERATOR_OUT)
        )
        assert taken == given, f"{operator.id} was given {given} rows and took {taken}"
        if _gives_each_row_once(operator):
            kept = figures.total(m.OPERATOR_PROCESSED, operator=operator.id)
            assert left == kept, f"{operator.id} processed {kept} rows and gave {left}"
        given = left
    sent = figures.total(m.ROWS_OUT, step=stage.id)
    assert sent == given, f"{stage.id} made {given} rows and sent {sent}"
    inputs = job.inputs_of(stage.id)
    if inputs and all(e.output == MAIN for e in inputs):
        came = sum(figures.total(m.ROWS_OUT, step=e.source) * _copies(job, e) for e in inputs)
        taken = figures.total(m.ROWS_IN, step=stage.id)
        assert came == taken + unwanted, f"{stage.id} was sent {came} rows, took {taken}, left {unwanted}"


def _copies(job: Job, edge: Edge) -> int:
    return job.by_id[edge.target].parallelism if edge.exchange == "broadcast" else 1


def _unwanted(outcome: Outcome, stage: Stage) -> int:
    """Rows on their way to tasks that had ended early."""
    return sum(i.channel.rows for t in outcome.run.tasks if t.stage == stage.id for i in t.inputs)


def _gives_each_row_once(operator: OperatorSpec) -> bool:
    """Whether each row that is not late leaves the step exactly once."""
    if isinstance(operator, WindowsSpec):
        return operator.shares_panes or operator.window.kind == "tumbling"
    return isinstance(operator, (CommonPanesSpec, OverSpec, SessionsSpec, SortSpec))
