"""Windows that are emitted when their time has passed, and corrected while rows are allowed to be late."""

from __future__ import annotations

import pytest

from tests.conformance.feeds import SECOND, batches, placed, timed
from tests.conformance.test_operators import BOUNDS, CALLS, ROWS, WINDOWS, calls, columns, operators
from thalweg.connectors.memory import frame_source
from thalweg.expr.nodes import Aggregate, Column, Named
from thalweg.plan import build
from thalweg.plan.nodes import WINDOW_END, Plan, Rank, Scan, SortKey
from thalweg.plan.properties import properties
from thalweg.progress.sessions import SessionSpec
from thalweg.progress.windows import WindowSpec
from thalweg.testing import check_operator

pytestmark = [pytest.mark.slow, pytest.mark.sampled(6, 3)]

LATENESS = 2 * SECOND
LISTS = [("array_agg", "s"), ("listagg", "s"), ("first_value", "v"), ("count", None)]


def scan(lateness_us: int = LATENESS) -> Plan:
    return build.assign_watermark(Scan(frame_source(ROWS)), "t", Column("t"), lateness_us)


def grouped(window: str, kind: str, keys: tuple[str, ...] = ("k",), lateness_us: int = LATENESS) -> Plan:
    by = columns(*keys, *BOUNDS)
    made = build.group_by(build.window(scan(lateness_us), "t", WINDOWS[window]), by, [*by, *calls(kind)])
    assert properties(made).is_updating == (lateness_us > 0)
    return made


@pytest.mark.parametrize(
    ("window", "keys", "kind"),
    [
        *(("tumbling", ("k",), kind) for kind in CALLS),
        *(("hopping", ("k",), "numbers"), ("cumulating", ("k",), "numbers"), ("tumbling", (), "numbers")),
    ],
)
def test_windows(window: str, keys: tuple[str, ...], kind: str) -> None:
    specs = operators(grouped(window, kind, keys))
    check_operator(specs, timed(ROWS), time=WINDOW_END, slack_us=LATENESS)


@pytest.mark.parametrize("window", ["tumbling", "hopping"])
def test_lists_of_windows(window: str) -> None:
    by = columns("k", *BOUNDS)
    made = [Named(f, Aggregate(f, () if a is None else (Column(a),))) for f, a in LISTS]
    plan = build.group_by(build.window(scan(), "t", WINDOWS[window]), by, [*by, *made])
    check_operator(operators(plan), timed(placed(ROWS)), time=WINDOW_END, slack_us=LATENESS)


@pytest.mark.parametrize("gap_us", [SECOND // 4, SECOND, 4 * SECOND])
@pytest.mark.parametrize("keys", [("k",), ("s", "k"), ()])
def test_sessions(keys: tuple[str, ...], gap_us: int) -> None:
    by = columns(*keys, *BOUNDS)
    below = build.session(scan(), "t", SessionSpec(gap_us, keys))
    plan = build.group_by(below, by, [*by, *calls("numbers")])
    check_operator(operators(plan), timed(ROWS), time=WINDOW_END, slack_us=LATENESS + 1)


@pytest.mark.parametrize("kind", CALLS)
def test_aggregates_of_sessions(kind: str) -> None:
    by = columns("k", *BOUNDS)
    plan = build.group_by(build.session(scan(), "t", SessionSpec(SECOND, ("k",))), by, [*by, *calls(kind)])
    check_operator(operators(plan), timed(ROWS), time=WINDOW_END, slack_us=LATENESS + 1)


@pytest.mark.parametrize(
    ("kind", "limit"), [("rank", 1), ("dense_rank", 2), ("row_number", 2), ("rank", None)]
)
def test_ranks_of_rows(kind: str, limit: int | None) -> None:
    below = build.window(scan(), "t", WINDOWS["hopping"])
    order = (SortKey("v", True), SortKey("s"))
    plan = Rank(below, ("k", *BOUNDS), order, kind, "number", limit)  # type: ignore[arg-type]  # a kind
    check_operator(operators(plan), timed(placed(ROWS)), time=WINDOW_END, slack_us=LATENESS)


@pytest.mark.parametrize("limit", [1, 2])
def test_ranks_of_windows_that_change(limit: int) -> None:
    counted = grouped("hopping", "numbers")
    plan = Rank(counted, BOUNDS, (SortKey("count_None", True),), "rank", "number", limit)
    assert properties(plan).is_updating
    check_operator(operators(plan), timed(ROWS), time=WINDOW_END, slack_us=LATENESS)


def test_windows_of_windows_that_change() -> None:
    counted = grouped("tumbling", "numbers")
    by = columns(*BOUNDS)
    renamed = build.project(counted, [*columns("k", "count_None"), Named("at", Column("window_end"))])
    plan = build.group_by(
        build.window(renamed, "at", WindowSpec.tumbling(6 * SECOND)),
        by,
        [
            *by,
            Named("n", Aggregate("sum", (Column("count_None"),))),
            Named("m", Aggregate("max", (Column("count_None"),))),
        ],
    )
    assert properties(plan).times[WINDOW_END] == LATENESS
    specs = operators(plan)
    check_operator(specs, timed(ROWS), time=WINDOW_END, slack_us=LATENESS)


def test_the_final_table_is_that_of_windows_that_are_emitted_once() -> None:
    """Without watermarks no row is late, whatever is allowed."""
    corrected, once = (operators(grouped("hopping", "numbers", lateness_us=us)) for us in (LATENESS, 0))
    assert corrected != once
    check_operator(corrected, batches(ROWS), time=WINDOW_END, slack_us=LATENESS)
