"""Tasks get from increments what these hold, and if not, it is noticed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import polars as pl

from tests.simulation.ablations import ABLATIONS
from thalweg.checkpoint.snapshot import InMemory, JobSnapshot, StateRows
from thalweg.job.job import Job, Stage
from thalweg.protocols.increments import GONE
from thalweg.protocols.operator import OperatorSpec
from thalweg.protocols.state import ColumnSpec, ColumnsSpec
from thalweg.testing.simulation.restoring import difference_when_restored

COUNTS = ColumnsSpec("counts", {"k": pl.Int64()}, {"n": ColumnSpec("int64")})
NOTHING = ColumnsSpec("nothing", {})


def found(spec: ColumnsSpec, *increments: pl.DataFrame, tasks: int) -> str | None:
    step = SimpleNamespace(id="step", states=lambda: [spec])
    job = Job("job", (Stage("stage", tasks, (cast("OperatorSpec", step),)),), ())
    rows = StateRows([(InMemory(f),) for f in increments], spec.identity, tasks, 1)
    return difference_when_restored(job, JobSnapshot(2, {("stage", "step", spec.name): rows}, {}))


def test_rows_without_a_mark_are_missed() -> None:
    first = pl.DataFrame({"k": [1, 2, 3], "n": [1, 1, 1]})
    later = pl.DataFrame({"k": [1, 2], "n": [None, 5], GONE: [True, None]})
    assert found(COUNTS, first, later, tasks=2) is None
    with ABLATIONS["rows without a mark"]():
        wrong = found(COUNTS, first, later, tasks=2)
    assert wrong is not None
    assert wrong.startswith("stage, step, counts: ")


def test_a_row_without_columns_is_a_row() -> None:
    row = pl.DataFrame(height=1)
    assert found(NOTHING, row, row, tasks=1) is None
