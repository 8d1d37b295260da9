"""Find the source row that made a batch fail.

A query over whole columns does not say which row of which file it stumbled over. So when one has failed,
and only then, the row-wise steps between the sources and the first grouping run again as tasks, which know
the split and the offset of every row, until the same error comes with its place.

Not here: finding the row within a batch of a task (runtime/locate.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.connectors.sinks import BlackholeSink
from thalweg.errors import DataError
from thalweg.expr.nodes import Column, Named
from thalweg.physical.arguments import over_columns
from thalweg.plan.nodes import (
    AssignWatermark,
    Explode,
    Filter,
    GroupBy,
    MapBatches,
    Plan,
    Project,
    Scan,
    SessionWindow,
    Union,
    Values,
    Window,
    Write,
)

_ROWWISE = (AssignWatermark, Explode, Filter, MapBatches, Project, SessionWindow, Window)


def located(error: DataError, plans: Sequence[Plan]) -> DataError:
    """The error with the place of its row; as it is, where no row of a source fails by itself."""
    if error.split is not None:
        return error
    for part in dict.fromkeys(p for plan in plans for p in _parts(plan)):
        found = _failure(part)
        if found is not None and found.code == error.code and found.split is not None:
            return found
    return error


def _failure(plan: Plan) -> DataError | None:
    """The error that the rows of one source give on their way."""
    # imported here: a batch that does not fail needs no tasks
    from thalweg.physical.planner import plan_job
    from thalweg.runtime.inline import run_inline
    from thalweg.runtime.run import Run

    try:
        job = plan_job([Write(_shown(plan), BlackholeSink())], name="locate", parallelism=1)
        run_inline(Run(job))
    except DataError as error:
        return error
    except Exception:  # noqa: BLE001 - what cannot run by itself must not hide the error that is looked for
        return None
    return None


def _shown(plan: Plan) -> Plan:
    """The same rows under names that a sink takes: a part may end in columns that belong to the engine."""
    names = plan.schema.names
    if not any(n.startswith(SYSTEM_PREFIX) for n in names):
        return plan
    return Project(plan, tuple(Named(f"column{i}", Column(n)) for i, n in enumerate(names)))


def _parts(plan: Plan) -> Iterator[Plan]:
    """The row-wise ways from single sources up to the first step that is not row-wise."""
    # what a grouping computes of each row is row-wise too
    steps = over_columns(plan).inputs if isinstance(plan, GroupBy) else plan.inputs
    if not isinstance(plan, _ROWWISE):
        yield from (way for step in steps for way in _ways(step) if way is not None)
    for step in plan.inputs:
        yield from _parts(step)


def _ways(plan: Plan) -> list[Plan | None]:
    """The same steps over each part of a union by itself; None where something else is below."""
    if isinstance(plan, Scan):
        return [plan if plan.source.replay == "exact" else None]
    if isinstance(plan, Values):
        return [plan]
    if isinstance(plan, Union):
        return [way for part in plan.parts for way in _ways(part)]
    if not isinstance(plan, _ROWWISE):
        return [None]
    return [None if way is None else replace(plan, input=way) for way in _ways(plan.input)]


__all__ = ["located"]
