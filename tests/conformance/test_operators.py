"""Every operator keeps its contract, alone and in the chains that the planner builds.

The operators are those of the jobs of small plans, so that what is checked is what runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import pytest

from tests.conformance.feeds import SCHEMA, SECOND, batches, changes, placed, rows, timed
from thalweg.base.types import INT64
from thalweg.columnar.batch import Batch
from thalweg.connectors.memory import MemorySink, frame_source
from thalweg.expr.nodes import Aggregate, Call, Column, Literal, Named
from thalweg.operators import sliding_group
from thalweg.operators.aggregation import GroupingSpec
from thalweg.operators.changelog import BEFORE_UPDATE, DELETE, OpsSpec
from thalweg.operators.folding import FoldSpec
from thalweg.operators.running_rank import RunningRankSpec
from thalweg.operators.sort import SortSpec
from thalweg.physical.planner import plan_job
from thalweg.plan import build
from thalweg.plan.nodes import (
    WINDOW_END,
    WINDOW_START,
    FrameFunction,
    GroupBy,
    Late,
    Limit,
    MapBatches,
    Plan,
    Rank,
    Scan,
    SortKey,
    Write,
)
from thalweg.progress.sessions import SessionSpec
from thalweg.progress.windows import WindowSpec
from thalweg.protocols.operator import OperatorSpec
from thalweg.testing import check_operator

pytestmark = [pytest.mark.slow, pytest.mark.sampled(7, 3)]

ROWS = rows()
BOUNDS = (WINDOW_START, WINDOW_END)
WINDOWS = {
    "tumbling": WindowSpec.tumbling(2 * SECOND),
    "hopping": WindowSpec.hopping(4 * SECOND, 2 * SECOND),
    "cumulating": WindowSpec.cumulating(6 * SECOND, 2 * SECOND),
}
CALLS = {
    "numbers": [("count", None), ("sum", "v"), ("min", "v"), ("max", "v"), ("avg", "v"), ("sum", "d")],
    "floats": [("count", "f"), ("sum", "f"), ("avg", "f"), ("min", "f"), ("max", "f")],
    "texts": [("count", None), ("min", "s"), ("max", "s"), ("sum", "v")],
}


def scan(frame: pl.DataFrame = ROWS) -> Plan:
    return build.assign_watermark(Scan(frame_source(frame)), "t", Column("t"))


def operators(plan: Plan) -> list[OperatorSpec]:
    """All operators of the plan's job, in order."""
    job = plan_job([Write(plan, MemorySink())], name="kit", parallelism=2)
    return [o for stage in job.stages for o in stage.operators]


def only(specs: Sequence[OperatorSpec], *kinds: str) -> list[OperatorSpec]:
    """The operators of some kinds."""
    found = [s for s in specs if type(s).__name__.removesuffix("Spec") in kinds]
    assert [type(s).__name__.removesuffix("Spec") for s in found] == list(kinds)
    return found


def columns(*names: str) -> list[Named]:
    return [Named(n, Column(n)) for n in names]


def calls(kind: str) -> list[Named]:
    made = []
    for function, name in CALLS[kind]:
        args = () if name is None else (Column(name),)
        made.append(Named(f"{function}_{name}", Aggregate(function, args)))
    return made


# Row-wise steps ---------------------------------------------------------------------------------------


def test_project_and_filter() -> None:
    condition = Call("<", (Column("v"), Literal(4, INT64)))
    double = Named("double", Call("+", (Column("v"), Column("v"))))
    plan = build.project(build.filter_rows(scan(), condition), [*columns("k", "t"), double])
    check_operator(operators(plan), changes(ROWS))


def test_explode() -> None:
    plan = build.explode(scan(), "items")
    expected = ROWS.select("k", "items").filter(pl.col("items").list.len() > 0).explode("items")
    check_operator(operators(plan), batches(ROWS), expected=expected)
    check_operator(operators(plan), changes(ROWS))


def test_frame_function() -> None:
    function = FrameFunction("repeat", lambda f: pl.concat([f, f.filter(pl.col("v") > 2)]))
    plan = MapBatches(scan(), function, scan().schema)
    expected = pl.concat([ROWS, ROWS.filter(pl.col("v") > 2)])
    check_operator(operators(plan), timed(ROWS), expected=expected)


def test_split_names() -> None:
    windows = build.window(scan(), "t", WindowSpec.tumbling(2 * SECOND))
    named = only(operators(Late(windows)), "Windows", "SplitNames")[1]
    late = ROWS.select("k").with_columns(split=pl.Series([None, 1, 7] * ROWS.height)[: ROWS.height])
    expected = late.with_columns(pl.format("split {}", "split"))
    check_operator([named], batches(late), expected=expected)


# Running groups ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("keys", [("k",), ("s", "k"), ()])
def test_running_group(kind: str, keys: tuple[str, ...]) -> None:
    plan = build.group_by(scan(), columns(*keys), [*columns(*keys), *calls(kind)])
    check_operator(operators(plan), batches(ROWS))


def test_running_group_against_polars() -> None:
    plan = build.group_by(scan(), columns("k"), [*columns("k"), *calls("numbers")[:4]])
    v = pl.col("v")
    expected = ROWS.group_by("k").agg(
        pl.len().cast(pl.Int64).alias("count_None"),
        pl.when(v.count() > 0).then(v.sum()).alias("sum_v"),
        v.min().alias("min_v"),
        v.max().alias("max_v"),
    )
    check_operator(operators(plan), batches(ROWS), expected=expected)


@pytest.mark.parametrize("keys", [("k",), ()])
def test_running_group_over_changes(keys: tuple[str, ...]) -> None:
    first = build.group_by(scan(), columns("k", "s"), [*columns("k", "s"), *calls("numbers")])
    arguments = [Named(n, Column(n)) for n in ("k", "s", "sum_v", "min_v")]
    below = build.project(first, arguments)
    over = [Named("n", Aggregate("count")), *(aggregate(f, c) for f, c in OVER)]
    plan = build.group_by(below, columns(*keys), [*columns(*keys), *over])
    specs = operators(plan)
    check_operator(specs, batches(ROWS))
    # the second grouping alone, with weights of every kind
    second = specs[max(n for n, s in enumerate(specs) if isinstance(s, GroupingSpec)) :]
    assert second[0].is_updating  # type: ignore[attr-defined]  # a grouping
    prepared = pl.DataFrame({"k": ROWS["k"], "sum_v": ROWS["v"], "s": ROWS["s"]})
    check_operator(second, changes(prepared))


OVER = (("sum", "sum_v"), ("min", "sum_v"), ("max", "sum_v"), ("min", "s"), ("avg", "sum_v"))


def aggregate(function: str, name: str) -> Named:
    return Named(f"{function}_of_{name}", Aggregate(function, (Column(name),)))


# Windows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", WINDOWS)
def test_windows(window: str) -> None:
    plan = build.window(scan(), "t", WINDOWS[window])
    check_operator(only(operators(plan), "Windows"), timed(ROWS), time=WINDOW_END)
    check_operator(only(operators(plan), "Windows"), timed(placed(ROWS)), time=WINDOW_END)


def grouped(window: str, kind: str, keys: tuple[str, ...] = ("k",)) -> Plan:
    """Rows per key and window."""
    by = columns(*keys, *BOUNDS)
    return build.group_by(build.window(scan(), "t", WINDOWS[window]), by, [*by, *calls(kind)])


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("kind", CALLS)
def test_pane_group(window: str, kind: str) -> None:
    check_operator(operators(grouped(window, kind)), timed(ROWS), time=WINDOW_END)


@pytest.mark.parametrize("window", WINDOWS)
def test_pane_group_without_keys(window: str) -> None:
    check_operator(operators(grouped(window, "numbers", ())), timed(ROWS), time=WINDOW_END)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("keys", [("k",), ("s", "k"), ()])
def test_windows_that_move_on(window: str, keys: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sliding_group, "MANY", 1)
    check_operator(operators(grouped(window, "numbers", keys)), timed(ROWS), time=WINDOW_END)


@pytest.mark.parametrize("panes_min", [1, 1000])
@pytest.mark.parametrize("window", WINDOWS)
def test_pane_group_against_polars(window: str, panes_min: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sliding_group, "MANY", panes_min)
    spec = WINDOWS[window]
    ends = list(range(-40 * SECOND, 40 * SECOND, spec.slide_us))
    times = ROWS.get_column("t").to_physical()
    expected = []
    for end in ends:
        start = int(spec.window_start(pl.Series([end]).to_numpy())[0])
        inside = ROWS.filter((times >= start) & (times < end))
        groups = inside.group_by("k").agg(pl.len().cast(pl.Int64).alias("count_None"))
        expected.append(groups.with_columns(pl.lit(end).cast(pl.Datetime("us")).alias(WINDOW_END)))
    # without watermarks no row is late
    check_operator(operators(grouped(window, "numbers")), batches(ROWS), expected=pl.concat(expected))


def shared(window: str, keys: tuple[str, ...]) -> list[OperatorSpec]:
    """What a grouping goes through that shares its panes with two others, from the source on."""
    kinds = {"numbers": window, "floats": "hopping", "rows": "tumbling"}
    writes, below = [], scan()
    for kind, of in kinds.items():
        made = [Named("n", Aggregate("count"))] if kind == "rows" else calls(kind)
        by = columns(*keys, *BOUNDS)
        plan = build.group_by(build.window(below, "t", WINDOWS[of]), by, [*by, *made])
        writes.append(Write(plan, MemorySink()))
    stages = plan_job(writes, name="kit", parallelism=2).stages
    chain = [*stages[0].operators, *stages[1].operators]
    return [o for o in chain if type(o).__name__ != "RowwiseSpec"]


@pytest.mark.parametrize("keys", [("k",), ("s", "k"), ()])
@pytest.mark.parametrize("window", WINDOWS)
def test_common_panes(window: str, keys: tuple[str, ...]) -> None:
    chain = shared(window, keys)
    assert only(chain, "CommonPanes", "Partials", "OwnPanes", "Grouping") == chain
    check_operator(chain[:1], timed(ROWS))
    check_operator(chain[:1], timed(placed(ROWS)))
    check_operator(chain, timed(ROWS), time=WINDOW_END)


@pytest.mark.parametrize("keys", [("k",), ()])
@pytest.mark.parametrize("window", WINDOWS)
def test_window_group(window: str, keys: tuple[str, ...]) -> None:
    """A grouping of rows that carry the bounds of their window: a condition on a bound forbids panes."""
    placed_in = build.window(scan(), "t", WINDOWS[window])
    kept = build.filter_rows(placed_in, Call("is_not_null", (Column(WINDOW_START),)))
    by = columns(*keys, *BOUNDS)
    plan = build.group_by(kept, by, [*by, *calls("numbers")])
    check_operator(operators(plan), timed(ROWS), time=WINDOW_END)


# Sessions ---------------------------------------------------------------------------------------------


def sessions(kind: str, keys: tuple[str, ...] = ("k",), gap_us: int = SECOND) -> Plan:
    """Rows per key and session."""
    by = columns(*keys, *BOUNDS)
    return build.group_by(build.session(scan(), "t", SessionSpec(gap_us, keys)), by, [*by, *calls(kind)])


@pytest.mark.parametrize("gap_us", [SECOND // 4, SECOND, 4 * SECOND])
@pytest.mark.parametrize("keys", [("k",), ("s", "k"), ()])
def test_session_group(keys: tuple[str, ...], gap_us: int) -> None:
    # a session that ends at the watermark may still grow
    check_operator(operators(sessions("numbers", keys, gap_us)), timed(ROWS), time=WINDOW_END, slack_us=1)


@pytest.mark.parametrize("kind", CALLS)
def test_aggregates_of_sessions(kind: str) -> None:
    check_operator(operators(sessions(kind)), timed(ROWS), time=WINDOW_END, slack_us=1)


@pytest.mark.parametrize("keys", [("k",), ("s", "k"), ()])
def test_session_rows(keys: tuple[str, ...]) -> None:
    plan = build.session(scan(), "t", SessionSpec(SECOND, keys))
    check_operator(operators(plan), timed(ROWS), time=WINDOW_END, slack_us=1)


def test_session_group_against_a_loop() -> None:
    expected = []
    for (key,), group in ROWS.sort("t").group_by("k"):
        counts: list[list[int]] = []
        for time in group.get_column("t").to_physical():
            if not counts or time - counts[-1][1] > SECOND:
                counts.append([time, time, 0])
            counts[-1][1:] = time, counts[-1][2] + 1
        expected += [(key, first, last + SECOND, n) for first, last, n in counts]
    names = ["k", *BOUNDS, "count_None"]
    table = pl.DataFrame(expected, schema=names, orient="row", schema_overrides={"k": ROWS.schema["k"]})
    bounds = [pl.col(n).cast(ROWS.schema["t"]) for n in BOUNDS]
    # without watermarks no row is late
    check_operator(operators(sessions("numbers")), batches(ROWS), expected=table.with_columns(bounds))


# Numbers and limits -----------------------------------------------------------------------------------


def rank_of(window: str, kind: str, limit: int | None, *, output: str | None = "number") -> Plan:
    below = build.window(scan(), "t", WINDOWS[window])
    order = (SortKey("v", True), SortKey("s"))
    return Rank(below, ("k", *BOUNDS), order, kind, output, limit)  # type: ignore[arg-type]  # a kind


@pytest.mark.parametrize("window", ["tumbling", "hopping"])
@pytest.mark.parametrize(
    ("kind", "limit"), [("rank", 2), ("row_number", 2), ("row_number", None), ("rank", None)]
)
def test_window_rank(window: str, kind: str, limit: int | None) -> None:
    specs = operators(rank_of(window, kind, limit))
    check_operator(specs, timed(placed(ROWS)), time=WINDOW_END)


def test_rank_of_the_best_only() -> None:
    counted = grouped("hopping", "numbers")
    plan = Rank(counted, BOUNDS, (SortKey("count_None", True),), "rank", None, 1)
    check_operator(operators(plan), timed(ROWS), time=WINDOW_END)


@pytest.mark.parametrize(("count", "offset"), [(5, 0), (5, 3), (0, 0), (100, 2)])
def test_limit(count: int, offset: int) -> None:
    specs = operators(Limit(scan(), count, offset))
    frame = placed(ROWS)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=1)
    expected = ROWS[offset : offset + count]
    check_operator(specs, batches(shuffled), expected=expected)


# Changes ----------------------------------------------------------------------------------------------


def test_fold() -> None:
    check_operator(FoldSpec("fold", SCHEMA), changes(ROWS))


@pytest.mark.parametrize("keys", [(), ("k",)])
def test_ops(keys: tuple[str, ...]) -> None:
    """How changes are worded depends on what else changes with them; what they add up to does not."""
    check_operator(OpsSpec("ops", tuple(SCHEMA), keys), changes(ROWS), as_changes=from_ops)


def from_ops(batch: Batch) -> Batch:
    weight = [-1 if op in (DELETE, BEFORE_UPDATE) else 1 for op in batch.frame.get_column("op")]
    return Batch(batch.frame.drop("op"), pl.Series(weight, dtype=pl.Int64))


# Numbers of rows without windows ---------------------------------------------------------------------

ORDERS = {"v": (SortKey("v", True),), "f, v": (SortKey("f"), SortKey("v", True, True)), "s": (SortKey("s"),)}


def ranked(order: str, kind: str, limit: int | None, output: str | None, below: Plan | None = None) -> Plan:
    return Rank(below or scan(), ("k",), ORDERS[order], kind, output, limit)  # type: ignore[arg-type]


@pytest.mark.parametrize("order", ["v", "f, v"])
@pytest.mark.parametrize(("limit", "output"), [(1, None), (2, "n"), (3, None)])
def test_top_rows(order: str, limit: int, output: str | None) -> None:
    specs = only(operators(ranked(order, "row_number", limit, output)), "TopRows", "TopRows")
    check_operator(specs[1], batches(placed(ROWS)))
    check_operator(specs, batches(placed(ROWS)))
    check_operator(specs[1], batches(placed(rows(200, seed=3)), 20))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", ["row_number", "rank", "dense_rank"])
@pytest.mark.parametrize(("limit", "output"), [(2, "n"), (None, "n"), (2, None)])
def test_running_rank(order: str, kind: str, limit: int | None, output: str | None) -> None:
    below = build.group_by(scan(), columns("k", "s", "v", "f"), columns("k", "s", "v", "f"))
    specs = only(operators(ranked(order, kind, limit, output, below)), "RunningRank")
    frame = ROWS.select("k", "s", "v", "f")
    check_operator(specs, batches(frame))
    check_operator(specs, changes(frame))


@pytest.mark.parametrize("kind", ["row_number", "rank", "dense_rank"])
@pytest.mark.parametrize("limit", [2, None])
def test_running_rank_of_rows_that_only_a_sort_orders(kind: str, limit: int | None) -> None:
    names = ("k", "v", "items")
    below = build.group_by(scan(), columns(*names), columns(*names))
    specs = only(operators(ranked("v", kind, limit, "n", below)), "RunningRank")
    check_operator(specs, changes(ROWS.select(names)))


def test_top_rows_against_polars() -> None:
    n = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("k")
    ordered = ROWS.sort("v", descending=True, nulls_last=True, maintain_order=True)
    expected = ordered.with_columns(n=n).filter(pl.col("n") <= 2).select("k", "v", "t", "n")
    specs = only(operators(ranked("v", "row_number", 2, "n")), "TopRows", "TopRows")
    check_operator(specs[1], batches(placed(ROWS)), expected=expected)


# Keys that close --------------------------------------------------------------------------------------


def closing_rows() -> pl.DataFrame:
    """Rows in order of time, several of each key, which tells when it closes."""
    frame = rows(90, seed=5).select("k", "s", "v", "f", pl.col("t").dt.truncate("3s")).sort("t")
    assert frame.group_by("k", "t").len().get_column("len").max() > 3  # type: ignore[operator]  # a number
    return frame


def closing(plan: GroupBy | Rank) -> Plan:
    return replace(plan, closes=("t", SECOND))


def test_groups_that_close() -> None:
    below = build.project(scan(), columns("k", "s", "v", "f", "t"))
    values = [
        aggregate("max", "s"),
        aggregate("sum", "f"),
        *calls("numbers")[:4],
    ]
    plan = closing(GroupBy(below, ("k", "t"), tuple(values)))
    frame = closing_rows().with_columns(pl.col("t").alias("__arg t"))
    check_operator(only(operators(plan), "Grouping"), timed(frame, lag=0))


def test_first_rows_that_close() -> None:
    below = build.project(scan(), columns("k", "s", "v", "f", "t"))
    plan = closing(Rank(below, ("k", "t"), ORDERS["v"], "row_number", "n", 2))
    specs = only(operators(plan), "TopRows", "TopRows")
    check_operator(specs[1], timed(placed(closing_rows()), lag=0))


@pytest.mark.parametrize("kind", ["row_number", "rank"])
def test_numbers_that_close(kind: str) -> None:
    below = build.group_by(scan(), columns("k", "s", "v", "f", "t"), columns("k", "s", "v", "f", "t"))
    plan = closing(Rank(below, ("k", "t"), ORDERS["v"], kind, "n", 2))  # type: ignore[arg-type]
    spec = only(operators(plan), "Grouping", "RunningRank")[1]
    assert isinstance(spec, RunningRankSpec)
    check_operator(replace(spec, is_updating=False), timed(closing_rows(), lag=0))


# Order ------------------------------------------------------------------------------------------------


def test_sort() -> None:
    order = (SortKey("t"), SortKey("v", descending=True), SortKey("f"))
    spec = SortSpec("sort", SCHEMA, order, 1)
    # a row of exactly the watermark is not late
    check_operator(spec, timed(ROWS), time="t", slack_us=1)
    check_operator(replace(FoldSpec("fold", SCHEMA), order=order), changes(ROWS))
