"""Two states are compared by their keys, or row by row where they have none."""

from __future__ import annotations

import polars as pl

from thalweg.checkpoint.difference import StateDifference, differences
from thalweg.checkpoint.snapshot import InMemory, JobSnapshot, StateRows
from thalweg.protocols.increments import ROW, TASK, Identity


def compared(identity: Identity, here: pl.DataFrame | None, there: pl.DataFrame | None) -> StateDifference:
    def snapshot(frame: pl.DataFrame | None) -> JobSnapshot:
        key = ("stage", "step", "state")
        return JobSnapshot(
            1, {} if frame is None else {key: StateRows([[InMemory(frame)]], identity, 1, frame.height)}, {}
        )

    (found,) = differences(snapshot(here), snapshot(there))
    return found


def frame(*rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"k": pl.String, "n": pl.Int64, "x": pl.Float64}, orient="row")


BY_KEY = Identity("row", ("k",))


def test_rows_with_keys() -> None:
    nan = float("nan")
    found = compared(
        BY_KEY,
        frame(("a", 1, 0.5), ("b", 2, None), (None, 3, nan), ("d", None, 1.0), ("e", 5, 1.0)),
        frame(("e", 5, 2.0), (None, 3, nan), ("b", 2, None), ("d", 4, 1.0), ("f", 6, 1.0)),
    )
    assert found.only_here.rows() == [("a", 1, 0.5)]
    assert found.only_there.rows() == [("f", 6, 1.0)]
    assert found.changed.columns == ["k", "n", "n_other", "x", "x_other"]
    assert found.changed.rows() == [("d", None, 4, 1.0, 1.0), ("e", 5, 5, 1.0, 2.0)]
    assert (found.same_count, found.is_same) == (2, False)


def test_a_name_that_is_taken_gives_way() -> None:
    rows = pl.DataFrame({"k": ["a"], "n": [1], "n_other": [2]})
    found = compared(BY_KEY, rows, rows.with_columns(n=pl.lit(3, pl.Int64)))
    assert found.changed.columns == ["k", "n", "n_other_", "n_other", "n_other_other_"]
    assert found.changed.row(0)[:3] == ("a", 1, 3)


def test_one_row_without_a_key() -> None:
    one, two = pl.DataFrame({"n": [1]}), pl.DataFrame({"n": [2]})
    found = compared(Identity("row"), one, two)
    assert (found.changed.rows(), found.only_here.height) == ([(1, 2)], 0)
    assert compared(Identity("row"), one, one).same_count == 1
    assert compared(Identity("row"), one, one.clear()).only_here.rows() == [(1,)]


def test_rows_without_keys_count_as_often_as_they_are_there() -> None:
    here = frame(("a", 1, 1.0), ("a", 1, 1.0), ("b", None, 1.0))
    there = frame(("a", 1, 1.0), ("c", 1, 1.0), ("b", None, 1.0))
    for identity in (Identity("added"), Identity("group", ("n",))):
        found = compared(identity, here, there)
        assert found.only_here.rows() == [("a", 1, 1.0)]
        assert found.only_there.rows() == [("c", 1, 1.0)]
        assert (found.changed.height, found.same_count, found.key) == (0, 2, ())


def test_where_a_row_was_in_its_task_is_no_difference() -> None:
    identity = Identity("row", (TASK, ROW))
    here = frame(("a", 1, 1.0), ("b", 2, 1.0)).with_columns(pl.Series(TASK, [0, 1]), pl.Series(ROW, [0, 0]))
    there = frame(("b", 2, 1.0), ("a", 1, 1.0)).with_columns(pl.Series(TASK, [0, 0]), pl.Series(ROW, [0, 1]))
    assert compared(identity, here, there).is_same


def test_a_state_that_one_has_not_is_empty_there() -> None:
    found = compared(BY_KEY, None, frame(("a", 1, 1.0)))
    assert (found.only_here.height, found.only_there.rows()) == (0, [("a", 1, 1.0)])


def test_other_columns_are_other_rows() -> None:
    found = compared(BY_KEY, frame(("a", 1, 1.0)), pl.DataFrame({"k": ["a"]}))
    assert (found.only_here.height, found.only_there.height, found.same_count) == (1, 1, 0)
