"""A subscript is a member of a row, an item of a list or the value of a key, by what it is asked of."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

import thalweg as tw
from thalweg.errors import ThalwegError

MODES = pytest.mark.parametrize("mode", ["batch", "stream"])
ROWS = """
  SELECT 1 AS one, 'b' AS k, MAP['a', 5, 'b', 6] AS m, MAP[1, 'x', -1, 'y'] AS numbers,
    MAP[CAST(7 AS TINYINT), TRUE] AS small, MAP[DATE '2026-01-01', 9] AS days, ARRAY[7, 8] AS l,
    MAP['r', ARRAY[ROW(3, 'deep')]] AS nested, CAST(ROW(1, 'z') AS ROW<x INT, y STRING>) AS r
"""


@pytest.fixture(scope="module")
def rows() -> tw.Dataset:
    return tw.Session(parallelism=1, options={"execution.runtime": "inline"}).sql(ROWS)


@MODES
@pytest.mark.parametrize(
    ("made", "value"),
    [
        (tw.col("m")["a"], 5),
        (tw.col("m")["nowhere"], None),
        (tw.col("m")[tw.col("k")], 6),
        (tw.col("numbers")[1], "x"),
        (tw.col("numbers")[-1], "y"),
        (tw.col("small")[7], True),
        (tw.col("days")[date(2026, 1, 1)], 9),
        (tw.col("l")[0], 7),
        (tw.col("l")[tw.col("one")], 8),
        (tw.col("l")[2], None),
        (tw.col("l")[None], None),
        (tw.col("r")["y"], "z"),
        (tw.col("nested")["r"][0]["f1"], "deep"),
        (tw.col("m")["a"] + tw.col("l")[1], 13),
    ],
    ids=str,
)
def test_values(rows: tw.Dataset, made: tw.Expression, value: Any, mode: Any) -> None:
    assert rows.select(x=made).collect(mode=mode).item() == value


@MODES
def test_they_group_filter_and_aggregate(rows: tw.Dataset, mode: Any) -> None:
    held = rows.union(rows).filter(tw.col("m")["a"] == 5)
    counted = held.group_by(tw.col("m")["b"]).agg(n=tw.count(), most=tw.max(tw.col("l")[1]))
    assert counted.columns == ("b", "n", "most")
    assert counted.collect(mode=mode).rows() == [(6, 2, 8)]


@MODES
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("m['a']", 5),
        ("m[k]", 6),
        ("m['nowhere']", None),
        ("numbers[-1]", "y"),
        ("small[7]", True),
        ("l[1]", 7),
        ("l[one + 1]", 8),
        ("l[0]", None),
        ("r['y']", "z"),
        ("nested['r'][1].f1", "deep"),
    ],
)
def test_in_sql(rows: tw.Dataset, text: str, value: Any, mode: Any) -> None:
    made = rows.session.sql(f"SELECT {text} AS x FROM ({ROWS})")  # type: ignore[attr-defined]  # a Session
    assert made.collect(mode=mode).item() == value


@pytest.mark.parametrize(
    ("made", "code", "expected"),
    [
        (tw.col("m")[3], "expr-subscript", "a key of type STRING"),
        (tw.col("small")[300], "expr-subscript", "a key of type TINYINT"),
        (tw.col("l")["a"], "expr-subscript", "a whole number from 0"),
        (tw.col("l")[True], "expr-subscript", "a whole number from 0"),
        (tw.col("l")[-1], "plan-negative-index", None),
        (tw.col("r")[0], "expr-subscript", "the name of a member, as a constant text"),
        (tw.col("r")[tw.col("k")], "expr-subscript", "the name of a member, as a constant text"),
        (tw.col("r")["z"], "plan-unknown-field", None),
        (tw.col("one")["a"], "expr-subscript", "a row, a list or a map before ["),
    ],
    ids=str,
)
def test_what_has_no_such_part(
    rows: tw.Dataset, made: tw.Expression, code: str, expected: str | None
) -> None:
    with pytest.raises(ThalwegError) as caught:
        rows.select(made)
    assert (caught.value.code, caught.value.expected) == (code, expected)
    assert str(caught.value.where).startswith(f"{__file__}:")


def test_names_of_columns(rows: tw.Dataset) -> None:
    made = rows.select(tw.col("m")["a"], tw.col("r")["x"], tw.col("l")[0], tw.col("numbers")[1])
    assert made.columns == ("a", "x", "l[0]", "numbers[1]")
