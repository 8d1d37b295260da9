"""Windows that are said in Python keep the contract of operators, also with late rows and old results."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import thalweg as tw
from tests.conformance.feeds import SECOND, placed, rows, timed
from thalweg.api.function_states import described_function
from thalweg.api.types import schema_of
from thalweg.api.windowing.calls import WindowCalls
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
WITH_STATE = [f"{name}, and state" for name in KINDS]


class Numbered(w.WindowFunction):
    """How often a window, and its key, has given something; and what it holds now."""

    fired: int = 0
    sizes: list[int]
    seen: w.OfKey[int] = 0

    def on_window(self, window: Any, rows: Any) -> Any:
        self.fired += 1
        self.seen += 1
        self.sizes.append(len(rows))
        yield self.key.k, window.start, self.fired, f"{self.sizes} {self.seen}"

    def on_close(self, window: Any) -> None:
        self.emit("closed", (window.start, self.fired, self.seen))

    def on_merge(self, other: Any) -> None:
        self.fired += other.fired
        self.sizes += other.sizes


def show(key: Any, window: Any, found: Any) -> Any:
    yield key.k, window.start, len(found), " ".join(str(row.v) for row in found)


def spec(name: str) -> ProcessSpec:
    """The operator of some windows by `k`."""
    scan = Scan(frame_source(ROWS.drop(SPLIT, OFFSET)))
    below = build.assign_watermark(scan, "t", Column("t"), 2 * SECOND)
    assigner, trigger, results = KINDS[name.removesuffix(", and state")]
    calls = WindowCalls(Numbered(), None) if name in WITH_STATE else None
    contents = AllRows(below.schema, show if calls is None else None, "row", None, "windows")
    function = window_function(Settings(assigner, trigger, contents, results, RESULT, calls))
    sides = () if calls is None else (("closed", schema_of("start TIMESTAMP, fired BIGINT, seen BIGINT")),)
    described = described_function(function, tuple(side for side, _ in sides), None, is_zoned=False)
    step = Process((below,), (ProcessedBy(("k",), "t"),), described, RESULT, sides)
    return process_spec(step, "process", [True])


@pytest.mark.parametrize("name", [*KINDS, *WITH_STATE])
def test_windows_keep_the_contract(name: str) -> None:
    assert spec(name).inputs[0].lateness_us == 2 * SECOND
    check_operator(spec(name), timed(ROWS))
