"""Say whether a checkpoint gives tasks the rows that it holds.

A run that goes on loads increments one after the other, or what newer ones leave of older ones, file by file
and task by task. Put together at once they must be the same rows.

Reads:    a checkpoint.
Not here: when it is asked (simulation.py).
"""

from __future__ import annotations

import polars as pl

from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.job.job import Job
from thalweg.runtime.restore import states_of
from thalweg.testing.tables import difference, table_of


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
            dumps = [restored[f"{stage.id}[{n}]"][operator, declared.name].state.dump() for n in range(tasks)]
            wanted = rows.frame.select(dumps[0].columns)
            wrong = difference(table_of(pl.concat(dumps)), table_of(wanted))
            if wrong is not None:
                return f"{stage.id}, {operator}, {declared.name}: {wrong}"
    return None
