"""Windows that are said in Python keep the contract of operators, also with late rows and old results."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import thalweg as tw
from tests.conformance.feeds import SECOND, placed, rows, timed
from thalweg.api.function_states import described_function
from thalweg.api.types import schema_of
from thalweg.api.windowing.contents import AllRows
from thalweg.api.windowing.functions import Settings, window_function
from thalweg.columnar.batch import OFFSET, SPLIT
from thalweg.connectors.memory import frame_source
from thalweg.expr.nodes import Column
from thalweg.operators.process import ProcessSpec
from thalweg.physical.processing import process_spec
from thalweg.plan import build
from thalweg.plan.nodes import Scan
from thalweg.plan.process import Process, ProcessedBy
from thalweg.testing import check_operator

pytestmark = [pytest.mark.slow]

w = tw.windowing
ROWS = placed(rows(30).with_columns(pl.col("k").fill_null(9)))
RESULT = schema_of("k BIGINT, start TIMESTAMP, n BIGINT, s STRING")
KINDS: dict[str, tuple[Any, Any, Any]] = {
    "late rows": (w.Fixed("2s"), w.AtEnd(), "accumulating"),
    "results that are taken back": (w.Fixed("3s", every="1s"), w.Early("1s"), "retracting"),
    "sessions": (w.Sessions("1s"), w.AtEnd(early=w.Count(2, keeps=True)), "retracting"),
    "rows that are forgotten": (w.Cumulating("4s", every="2s"), w.AtEnd(late=w.Count(2)), "discarding"),
}


def show(key: Any, window: Any, found: Any) -> Any:
    yield key.k, window.start, len(found), " ".join(str(row.v) for row in found)


def spec(name: str) -> ProcessSpec:
    """The operator of some windows by `k`."""
    scan = Scan(frame_source(ROWS.drop(SPLIT, OFFSET)))
    below = build.assign_watermark(scan, "t", Column("t"), 2 * SECOND)
    assigner, trigger, results = KINDS[name]
    contents = AllRows(below.schema, show, "row", None)
    function = window_function(Settings(assigner, trigger, contents, results, RESULT))
    described = described_function(function, (), None, is_zoned=False)
    return process_spec(Process((below,), (ProcessedBy(("k",), "t"),), described, RESULT), "process", [True])


@pytest.mark.parametrize("name", KINDS)
def test_windows_keep_the_contract(name: str) -> None:
    assert spec(name).inputs[0].lateness_us == 2 * SECOND
    check_operator(spec(name), timed(ROWS))
