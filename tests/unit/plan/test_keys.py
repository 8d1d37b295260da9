"""When rows of one key can come no more follows from the bounds of a join and the keys of its inputs."""

from __future__ import annotations

import pytest

from tests.unit.plan.test_time_bounds import END, FRAME, T2, T, made, side
from thalweg.connectors.memory import frame_source
from thalweg.errors import PlanError
from thalweg.expr.nodes import Call, Column, Named, conjunction
from thalweg.plan import build
from thalweg.plan.join import join
from thalweg.plan.keys import Closing, declare_key, timed
from thalweg.plan.lookup import lookup_join
from thalweg.plan.nodes import JoinKind, Plan, Scan
from thalweg.plan.properties import properties
from thalweg.progress.sessions import SessionSpec
from thalweg.progress.windows import WindowSpec

S = 1_000_000
KEY = Call("=", (Column("k"), Column("k2")))
BETWEEN = (Call(">=", (T2, T)), Call("<=", (T2, END)))


def keyed(*columns: str, right: Plan | None = None, kind: JoinKind = "inner") -> Plan:
    """Rows with a key and those between two of their times."""
    left = declare_key(side(), columns)
    return join(left, side("2") if right is None else right, kind, conjunction([KEY, *BETWEEN]))


def closings(plan: Plan) -> set[tuple[tuple[str, ...], str, int]]:
    return {(tuple(sorted(c.keys)), c.time, c.slack_us) for c in properties(plan).closings}


def test_the_pairs_of_a_key_end_with_its_row() -> None:
    assert closings(keyed("k")) == {(("k",), "end", 0), (("k2",), "end", 0)}


def test_a_key_of_either_side() -> None:
    right = declare_key(side("2", slack=3), ["end2"])
    assert closings(keyed("end", "k", right=right)) == {
        (("end", "k"), "end", 3 * S),
        (("end", "k2"), "end", 3 * S),
        (("end2",), "t2", 0),
    }


def test_without_a_key_or_a_bound_nothing_ends() -> None:
    assert not properties(made(*BETWEEN)).closings
    assert not properties(join(declare_key(side(), ["k"]), side("2"), "inner", KEY)).closings


@pytest.mark.parametrize("kind", ["left", "right", "full", "semi", "anti"])
def test_rows_that_may_change_never_end(kind: JoinKind) -> None:
    assert not properties(keyed("k", kind=kind)).closings


def test_a_key_of_rows_that_change_says_nothing() -> None:
    grouped = build.group_by(side(), [Named("k", Column("k"))], [Named("k", Column("k"))])
    assert not properties(declare_key(grouped, ["k"])).unique


def test_renamed_columns_keep_it_and_others_lose_it() -> None:
    plan = keyed("k")
    kept = build.project(plan, [Named("a", Column("k")), Named("b", Column("end"))])
    assert properties(kept).closings == {Closing(frozenset(["a"]), "b", 0)}
    assert not properties(build.select_names(plan, ["k", "t"])).closings
    assert not properties(build.select_names(plan, ["t", "end"])).closings


def test_the_time_is_carried_where_a_projection_leaves_it_out() -> None:
    plan = build.project(keyed("k"), [Named("a", Column("k")), Named("__closes", Column("t"))])
    found = timed(plan, ["a"])
    assert found is not None
    assert (found.column, found.slack_us) == ("__closes_", 0)
    assert found.input.schema.names == ("a", "__closes", "__closes_")
    assert timed(plan, ["__closes"]) is None


@pytest.mark.parametrize(
    ("window", "unique"),
    [
        (WindowSpec.tumbling(S), {frozenset("k")}),
        (WindowSpec.hopping(2 * S, S), set()),
        (WindowSpec.cumulating(2 * S, S), set()),
    ],
)
def test_a_row_in_several_windows_is_several_rows(window: WindowSpec, unique: set[frozenset[str]]) -> None:
    assert properties(build.window(declare_key(side(), ["k"]), "t", window)).unique == unique


def test_a_row_with_several_answers_is_several_rows() -> None:
    prices = Scan(frame_source(FRAME.rename({n: f"{n}2" for n in FRAME.columns})))
    found = lookup_join(declare_key(side(), ["k"]), prices, "left", KEY)
    assert not properties(found).unique


def test_rows_that_wait_for_the_end_of_a_session_come_after_their_key_has_closed() -> None:
    assert not closings(build.session(keyed("k"), "t2", SessionSpec(S, ("k",))))


@pytest.mark.parametrize(("columns", "code"), [([], "plan-no-key"), (["z"], "plan-unknown-column")])
def test_a_key_has_known_columns(columns: list[str], code: str) -> None:
    with pytest.raises(PlanError) as caught:
        declare_key(side(), columns)
    assert caught.value.code == code
