"""Every step of a dataset computes what it says, in both modes, and says what is wrong with it."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import thalweg.api as tw
from tests.unit.api.fake import EndlessSource, FakeSession, at, dataset
from thalweg.base.schema import Schema
from thalweg.errors import ThalwegError
from thalweg.plan.nodes import GroupBy, Plan, Project, Scan

ROWS = pl.DataFrame(
    {
        "k": ["a", "b", "a", None, "b", "a"],
        "v": [1, 2, 3, 4, None, 6],
        "tags": [["x", "y"], [], None, ["z"], ["x"], ["x", "x"]],
        "t": [at(s) for s in (0, 1, 12, 13, 14, 25)],
    }
)
MODES = pytest.mark.parametrize("mode", ["batch", "stream"])


def two_splits(mode: str = "batch") -> tw.Dataset:
    return dataset([ROWS[::2], ROWS[1::2]], FakeSession(mode))


def rows_of(data: tw.Dataset) -> list[tuple[Any, ...]]:
    return sorted(data.collect().rows(), key=repr)


@MODES
@pytest.mark.parametrize(
    ("step", "names", "rows"),
    [
        (
            lambda d: d.select("k", twice=tw.col("v") * 2).filter(tw.col("twice") > 5),
            ["k", "twice"],
            [("a", 12), ("a", 6), (None, 8)],
        ),
        (lambda d: d.where(tw.col("k") == "v", tw.col("v") > 1).select("k"), ["k"], []),
        (lambda d: d.filter(tw.col("v") > 2, tw.col("k") == "a").select("v"), ["v"], [(3,), (6,)]),
        (
            lambda d: d.with_columns(v=tw.coalesce(tw.col("v"), 0), one=1).drop("tags", tw.col("t")).limit(6),
            ["k", "v", "one"],
            [("a", 1, 1), ("a", 3, 1), ("a", 6, 1), ("b", 0, 1), ("b", 2, 1), (None, 4, 1)],
        ),
        (lambda d: d.select("k").rename({"k": "v"}).distinct(), ["v"], [("a",), ("b",), (None,)]),
        (
            lambda d: d.select("k", "tags").explode("tags").filter(tw.col("tags") != "x"),
            ["k", "tags"],
            [("a", "y"), (None, "z")],
        ),
        (
            lambda d: d.group_by("k").agg(tw.count(), total=tw.sum("v"), part=tw.max("v") - tw.min("v")),
            ["k", "count(*)", "total", "part"],
            [("a", 3, 10, 5), ("b", 2, 2, 0), (None, 1, 4, 0)],
        ),
        (
            lambda d: d.group_by(odd=tw.col("v") % 2).agg(n=tw.count("k").filter(tw.col("k") == "a")),
            ["odd", "n"],
            [(0, 1), (1, 2), (None, 0)],
        ),
        (lambda d: d.agg(n=tw.count(), m=tw.avg("v")), ["n", "m"], [(6, 3)]),
        (
            lambda d: d.select("v").union(d.select(tw.col("v") + 10), d.select("v").filter(tw.col("v") > 9)),
            ["v"],
            [(1,), (11,), (12,), (13,), (14,), (16,), (2,), (3,), (4,), (6,), (None,), (None,)],
        ),
        (
            lambda d: d.map_batches(lambda f: f.select("k", pl.col("v") + 1), "k STRING, v BIGINT"),
            ["k", "v"],
            [("a", 2), ("a", 4), ("a", 7), ("b", 3), ("b", None), (None, 5)],
        ),
        (
            lambda d: d.flat_map(lambda r: [(t, r["v"]) for t in r["tags"] or ()], {"t": str, "v": int}),
            ["t", "v"],
            [("x", 1), ("x", 6), ("x", 6), ("x", None), ("y", 1), ("z", 4)],
        ),
        (
            lambda d: d.window(tw.tumbling("10s")).top(1, by="v", partition="k").select("k", "v"),
            ["k", "v"],
            [("a", 1), ("a", 3), ("a", 6), ("b", 2), ("b", None), (None, 4)],
        ),
        (
            lambda d: d.window(tw.tumbling("10s")).rank("r", by=tw.desc("v")).select("v", "r"),
            ["v", "r"],
            [(1, 2), (2, 1), (3, 2), (4, 1), (6, 1), (None, 3)],
        ),
        (
            lambda d: d.window(tw.tumbling("10s")).row_number("r", by=["k", tw.asc("v")]).select("k", "r"),
            ["k", "r"],
            [("a", 1), ("a", 1), ("a", 2), ("b", 2), ("b", 3), (None, 1)],
        ),
        (
            lambda d: d.window(tw.hopping("20s", every="10s")).agg(n=tw.count()).select("window_start", "n"),
            ["window_start", "n"],
            [(at(-10), 2), (at(0), 5), (at(10), 4), (at(20), 1)],
        ),
        (
            lambda d: (
                d.window(tw.cumulating("20s", step="10s")).group_by("k").agg(n=tw.count("v")).select("n")
            ),
            ["n"],
            [(1,)] * 6 + [(2,)],
        ),
        (
            lambda d: d.window(tw.tumbling("10s")).rows().filter(tw.col("k").is_null()).select("window_time"),
            ["window_time"],
            [(at(19.999),)],
        ),
    ],
)
def test_steps(mode: str, step: Any, names: list[str], rows: list[tuple[Any, ...]]) -> None:
    made = step(two_splits(mode).assign_watermark("t", "30s"))
    assert list(made.columns) == names
    assert made.schema.polars == made.collect().schema
    assert rows_of(made) == sorted(rows, key=repr)


def test_late_rows_come_out_of_a_stream() -> None:
    times = pl.DataFrame({"n": [1, 2, 3], "t": [at(0), at(12), at(3)]})
    data = dataset(times, FakeSession("stream")).assign_watermark("t")
    late = data.window(tw.tumbling("10s")).late()
    assert late.columns == ("n", "t", "window_start", "window_end", "split", "position")
    assert late.select("n", "window_end", "position").collect().rows() == [(3, at(10), 2)]
    assert data.window(tw.tumbling("10s")).agg(n=tw.sum("n")).collect()["n"].sort().to_list() == [1, 2]


def test_windows_need_no_watermark_when_the_column_is_named() -> None:
    made = two_splits().window(tw.tumbling("10s"), on="t").agg(n=tw.count())
    assert not made.is_updating  # the input ends, and so do its windows
    assert sorted(made.collect()["n"]) == [1, 2, 3]


def test_a_window_key_that_is_named_is_there_once() -> None:
    windows = two_splits().window(tw.tumbling("1h"), on=tw.col("t"))
    made = windows.group_by("window_end", "k").agg()
    assert made.columns == ("window_end", "k", "window_start")


def test_ranks_inside_the_windows_of_an_earlier_grouping() -> None:
    counted = (
        two_splits().assign_watermark("t", "30s").window(tw.tumbling("20s")).group_by("k").agg(n=tw.count())
    )
    ranked = counted.rank("r", by="n", descending=True, partition=tw.WINDOW).filter(tw.col("r") <= 1)
    assert rows_of(ranked.select("k", "n")) == [("a", 1), ("a", 2), ("b", 2)]
    assert rows_of(counted.top(1, by="n", partition=tw.WINDOW, with_ties=True).select("k", "n")) == [
        ("a", 1),
        ("a", 2),
        ("b", 2),
    ]
    assert not ranked.is_updating


class TestKnowledge:
    """What a dataset says about itself without running."""

    def test_columns_and_types(self) -> None:
        data = two_splits()
        assert data.columns == ("k", "v", "tags", "t")
        assert [str(held) for held in data.dtypes] == ["STRING", "BIGINT", "ARRAY<STRING>", "TIMESTAMP(6)"]
        assert str(data.schema.select(["v"])) == "v BIGINT"

    def test_kind(self) -> None:
        endless = tw.Dataset(Scan(EndlessSource(Schema.from_polars(ROWS.schema))), FakeSession())
        assert (endless.is_bounded, endless.is_updating) == (False, False)
        counted = endless.group_by("k").agg(n=tw.count())
        assert (counted.is_bounded, counted.is_updating) == (False, True)
        assert two_splits().union(endless).is_bounded is False
        windows = endless.assign_watermark("t").window(tw.tumbling("1m"))
        assert windows.agg(n=tw.count()).is_updating is False

    def test_text_runs_nothing(self) -> None:
        session = FakeSession()
        data = dataset(ROWS, session).group_by("k").agg(n=tw.count())
        assert repr(data) == "Dataset (bounded, updating)\n  k  STRING\n  n  BIGINT"
        assert session.runs == 0

    def test_names_and_places_of_steps(self) -> None:
        data = two_splits()
        made = data.group_by("k").agg(x=tw.sum("v") / tw.count()).name("ratios")
        assert isinstance(made.plan, Project)
        assert isinstance(made.plan.input, GroupBy)
        assert made.plan.name == made.plan.input.name == "ratios"
        assert made.filter(tw.col("x") > 1).plan.name is None
        for plan in (made.plan, made.plan.input):
            assert str(plan.place).startswith(f"{__file__}:")
        assert _scan(made.plan).place is None

    def test_equal_programs_are_equal_plans(self) -> None:
        data = two_splits()

        def words(row: dict[str, Any]) -> list[tuple[str]]:
            return [(row["k"],)]

        first, second = (data.flat_map(words, "k STRING").filter(tw.col("k") == "a") for _ in range(2))
        assert first.plan == second.plan
        assert hash(first.plan) == hash(second.plan)


def _scan(plan: Plan) -> Plan:
    return _scan(plan.inputs[0]) if plan.inputs else plan


LIST = ["k", "v"]


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda d: d.select("kk"), "plan-unknown-column"),
        (lambda d: d.select(LIST), "plan-no-column"),
        (lambda d: d.select(tw.count()), "plan-misplaced-aggregate"),
        (lambda d: d.select("k", "k"), "plan-duplicate-column"),
        (lambda d: d.with_columns(__x="k"), "plan-system-name"),
        (lambda d: d.drop("kk"), "plan-unknown-column"),
        (lambda d: d.drop(LIST), "plan-no-column"),
        (lambda d: d.rename({"kk": "k"}), "plan-unknown-column"),
        (lambda d: d.rename({"k": "v"}), "plan-duplicate-column"),
        (lambda d: d.filter(tw.col("v")), "plan-not-a-condition"),
        (lambda d: d.filter(False), "plan-no-column"),
        (lambda d: d.filter(tw.col("tags") > 3), "expr-wrong-type"),
        (lambda d: d.explode("v"), "plan-explode-type"),
        (lambda d: d.explode(tw.col("v") + 1), "plan-no-column"),
        (lambda d: d.limit(-1), "plan-negative-limit"),
        (lambda d: d.top(0, by="v"), "plan-negative-limit"),
        (lambda d: d.rank("k", by="v"), "plan-name-taken"),
        (lambda d: d.rank("r", by="w"), "plan-unknown-column"),
        (lambda d: d.rank("r", by="v", partition=[3]), "plan-no-column"),
        (lambda d: d.group_by("w").agg(n=tw.count()), "plan-unknown-column"),
        (lambda d: d.group_by(LIST), "plan-no-column"),
        (lambda d: d.group_by("k").agg(tw.col("v")), "plan-not-grouped"),
        (lambda d: d.group_by("k").agg(tw.sum("k")), "expr-wrong-type"),
        (lambda d: d.group_by("k").agg(k=tw.count()), "plan-duplicate-column"),
        (lambda d: d.union(d.select("k")), "plan-union-shape"),
        (lambda d: d.select("k").union(d.select("tags")), "plan-union-type"),
        (lambda d: d.assign_watermark("v"), "plan-watermark-type"),
        (lambda d: d.assign_watermark("tt", "4s"), "plan-unknown-column"),
        (lambda d: d.assign_watermark("t", "soon"), "config-duration"),
        (lambda d: d.window(tw.tumbling("1s")), "plan-no-event-time"),
        (lambda d: d.window(tw.tumbling("1s"), on="v"), "plan-window-type"),
        (
            lambda d: d.window(tw.tumbling("1s"), on="t").rows().window(tw.tumbling("1s"), on="t"),
            "plan-window-twice",
        ),
        (lambda d: d.window(tw.tumbling("1s"), on="t").top(1, by="v", partition=[3]), "plan-no-column"),
        (lambda d: d.map_batches(lambda f: f, "k STRONG"), "plan-unknown-type"),
    ],
)
def test_mistakes_name_the_line_of_the_program(make: Any, code: str) -> None:
    with pytest.raises(ThalwegError) as caught:
        make(two_splits())
    assert caught.value.code == code
    assert str(caught.value.where).startswith(f"{__file__}:")


def test_near_misses_are_named() -> None:
    with pytest.raises(ThalwegError) as caught:
        two_splits().select(tw.col("tag"))
    assert caught.value.hint == 'did you mean "tags"?'
    assert caught.value.choices == ("k", "v", "tags", "t")


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda row: [{"x": 1}], "data-python-result"),
        (lambda row: [(1, 2)], "data-python-result"),
        (lambda row: ["a"], "data-python-result"),
        (lambda row: [3], "data-python-result"),
        (lambda row: [("text",)], "data-python-result"),
        (lambda row: [(1 / 0,)], "data-python-function"),
    ],
)
@MODES
def test_mistakes_in_the_rows_of_a_function(mode: str, function: Any, code: str) -> None:
    with pytest.raises(ThalwegError) as caught:
        two_splits(mode).flat_map(function, "n BIGINT").collect()
    assert caught.value.code == code
    row, place = str(caught.value.where).split("\n")
    assert row.startswith("frame, split ")
    assert place.startswith(f"{__file__}:")


def test_half_a_step_says_what_is_missing() -> None:
    grouped = two_splits().group_by("k", odd=tw.col("v") % 2)
    assert repr(grouped).endswith("grouped by k, (v % 2) AS odd; agg(…) follows")
    assert "group_by(…), agg(…) or rank(…) follows" in repr(two_splits().window(tw.tumbling("1s"), on="t"))
