"""Say whether a checkpoint gives tasks the rows that it holds.

A run that goes on loads increments one after the other, or what newer ones leave of older ones, file by file
and task by task. Put together at once they must be the same rows.

Reads:    a checkpoint.
Not here: when it is asked (simulation.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.job.job import Job
from thalweg.runtime.restore import states_of
from thalweg.testing.tables import Table, difference, table_of


def difference_when_restored(job: Job, snapshot: JobSnapshot) -> str | None:
    """The first state of which tasks would get other rows than the checkpoint holds; None: there is none."""
    restored = states_of(job, snapshot)
    for stage in job.stages:
        for operator, declared in ((o.id, d) for o in stage.operators for d in o.states()):
            rows = snapshot.keyed.get((stage.id, operator, declared.name))
            if rows is None or len(rows.pieces) == 1:
                # what is in one piece is not put together
                continue
            tasks = 1 if declared.scope == "broadcast" else stage.parallelism
            names = [f"{stage.id}[{n}]" for n in range(tasks)]
            dumps = [restored[name][operator, declared.name].state.dump() for name in names]
            found = sum(map(table_of, dumps), Table())
            wrong = difference(found, table_of(_only(rows.frame, dumps[0].columns)))
            if wrong is not None:
                return f"{stage.id}, {operator}, {declared.name}: {wrong}"
    return None


def _only(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Some columns of the rows; without any there are as many rows."""
    return frame.select(names) if names else pl.DataFrame(height=frame.height)
