"""A join reads an input first if it is small, stays as it is, and the kind of join allows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest

from thalweg.connectors.files.source import file_source
from thalweg.connectors.memory import FrameSource, frame_source
from thalweg.expr.nodes import Aggregate, Call, Column, Named
from thalweg.plan import broadcast, build
from thalweg.plan.broadcast import first_read, size_of
from thalweg.plan.join import into_joins, join
from thalweg.plan.nodes import Filter, Join, JoinKind, Plan, Scan, rows
from thalweg.plan.properties import properties
from thalweg.protocols.source import Size

FRAME = pl.DataFrame({"k": [1, 2], "t": pl.Series([0, 1]).cast(pl.Datetime("us"))})
RENAMED = FRAME.rename({"k": "j", "t": "u"})
EQUAL = Call("=", (Column("k"), Column("j")))


@dataclass(frozen=True, eq=False)
class Endless(FrameSource):
    """Rows of which nobody knows how many there will be."""

    @property
    def is_bounded(self) -> bool:
        return False


def stream(frame: pl.DataFrame = FRAME) -> Plan:
    known = frame_source(frame)
    return Scan(Endless(known.frames, known.schema))


def timed(plan: Plan, column: str) -> Plan:
    return build.assign_watermark(plan, column, Column(column))


@pytest.mark.parametrize("kind", get_args(JoinKind))
def test_the_kind_says_which_input_may_be_first(kind: JoinKind) -> None:
    right_first = first_read(Join(stream(), rows(RENAMED), kind))
    left_first = first_read(Join(rows(FRAME), stream(RENAMED), kind))
    assert right_first == ("right" if kind in ("inner", "left", "semi", "anti") else None)
    assert left_first == ("left" if kind in ("inner", "right") else None)


def many(plan: Plan) -> Plan:
    outputs = [Named("j", Column("j")), Named("n", Aggregate("count"))]
    return build.group_by(plan, [Named("j", Column("j"))], outputs)


@pytest.mark.parametrize(
    ("small", "is_first"),
    [
        (rows(RENAMED), True),
        (Scan(frame_source([RENAMED, RENAMED])), True),
        (build.union_all([rows(RENAMED), Scan(frame_source(RENAMED))]), True),
        (Filter(rows(RENAMED), Call("is_null", (Column("j"),))), True),
        (timed(Scan(frame_source(RENAMED)), "u"), True),
        (many(rows(RENAMED)), False),
        (stream(RENAMED), False),
        (build.union_all([rows(RENAMED), stream(RENAMED)]), False),
    ],
)
def test_an_input_is_small_by_its_sources(small: Plan, is_first: bool) -> None:
    made = join(stream(), small, "inner", EQUAL)
    assert isinstance(made, Join)
    assert made.first == ("right" if is_first else None)


def test_two_small_inputs_are_read_together() -> None:
    assert first_read(Join(rows(FRAME), rows(RENAMED), "inner")) is None
    # and so is what is computed of small ones
    assert first_read(Join(rows(FRAME), many(rows(RENAMED)), "inner")) is None


@pytest.mark.parametrize(
    ("limit", "value"), [("BROADCAST_ROWS_MAX", 1), ("BROADCAST_BYTES_MAX", 10)], ids=["rows", "bytes"]
)
def test_the_limits(monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    made = Join(stream(), rows(RENAMED), "inner")
    assert first_read(made) == "right"
    monkeypatch.setattr(broadcast, limit, value)
    assert first_read(made) is None


def test_files_are_as_long_as_they_are(tmp_path: Path) -> None:
    for name in ("a", "b"):
        FRAME.write_parquet(tmp_path / f"{name}.parquet")
    FRAME.write_csv(tmp_path / "c.csv")
    length = (tmp_path / "a.parquet").stat().st_size
    both = Scan(file_source(str(tmp_path / "*.parquet")))
    assert size_of(both) == Size(4, 2 * length)
    text = Scan(file_source(str(tmp_path / "c.csv")))
    assert size_of(text) == Size(None, (tmp_path / "c.csv").stat().st_size)
    assert size_of(build.union_all([both, text])) == Size(None, 2 * length + text.source.size().bytes)  # type: ignore[attr-defined]


def test_text_of_unknown_rows_must_be_shorter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    RENAMED.write_csv(tmp_path / "c.csv")
    made = Join(stream(), Scan(file_source(str(tmp_path / "c.csv"))), "inner")
    assert first_read(made) == "right"
    monkeypatch.setattr(broadcast, "UNCOUNTED_BYTES_MAX", 3)
    assert first_read(made) is None


def near(left: Plan, right: Plan) -> Any:
    """A join in time, whose condition comes from WHERE."""
    made = join(left, right, "inner")
    return into_joins(Filter(made, Call(">=", (Column("t"), Column("u")))))


def test_event_times_of_both_inputs_bound_them_instead() -> None:
    small = Scan(frame_source(RENAMED))
    assert near(timed(stream(), "t"), small).first == "right"
    assert near(timed(stream(), "t"), timed(small, "u")).first is None


def test_a_join_may_be_told_not_to() -> None:
    made = join(stream(), rows(RENAMED), "inner", may_broadcast=False)
    found = into_joins(Filter(made, EQUAL))
    assert isinstance(found, Join)
    assert (found.keys, found.first) == ((("k", "j"),), None)


@pytest.mark.parametrize("kind", ["inner", "left", "semi", "anti"])
def test_what_passes_stays_as_it_was(kind: JoinKind) -> None:
    below = timed(stream(), "t")
    made = join(below, rows(RENAMED), kind, EQUAL)
    found = properties(made)
    assert (found.is_bounded, found.is_updating, found.times) == (False, False, {"t": 0})
    # padded or single rows of a join that keeps both inputs change, and its rows come behind their times
    kept = properties(replace(made, first=None))  # type: ignore[arg-type]  # a join
    assert kept.times == {}


def test_what_is_taken_back_passes_too() -> None:
    changing = build.select_names(many(stream(RENAMED)), ["j", "n"])
    made = join(changing, rows(FRAME), "left", EQUAL)
    assert isinstance(made, Join)
    assert made.first == "right"
    assert properties(made).is_updating
