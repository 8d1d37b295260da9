"""Datasets end in frames, in other libraries' tables, in printed text, or in sinks of the session."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import thalweg.api as tw
from tests.unit.api.fake import EndlessSource, FakeSession, dataset
from thalweg.api.protocol import SessionLike
from thalweg.base.schema import Schema
from thalweg.connectors.memory import MemorySink
from thalweg.errors import ConfigError
from thalweg.plan.nodes import Scan

ROWS = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "<z>"]})


def endless(session: FakeSession) -> tw.Dataset:
    return tw.Dataset(Scan(EndlessSource(Schema.from_polars(ROWS.schema))), session)


def same(found: pl.DataFrame, rows: pl.DataFrame = ROWS) -> bool:
    return found.sort("a").equals(rows)  # a table has no order


def test_a_fake_session_keeps_the_protocol() -> None:
    session: SessionLike = FakeSession()
    assert session.from_frame(ROWS).session is session


def test_frames_and_tables() -> None:
    data = dataset(ROWS)
    assert same(data.collect())
    assert same(data.collect(mode="stream"))
    assert same(data.to_polars())
    assert data.to_arrow().column_names == ["a", "b"]
    assert sorted(data.to_pandas()["a"]) == [1, 2, 3]
    assert same(pl.DataFrame(data))
    assert same(dataset(data).collect())


def test_parts_and_summaries() -> None:
    data = dataset(ROWS)
    assert same(data.head(2), ROWS.head(2))
    assert data.count() == 3
    assert data.filter(tw.col("a") > 9).count() == 0
    assert data.describe()["a"].to_list()[0] == 3
    assert data.explain() == data.plan.describe()


def test_a_dataset_without_end_is_peeked_at() -> None:
    session = FakeSession()
    session.collect = lambda plan, mode=None: ROWS  # type: ignore[method-assign, assignment, misc]
    assert endless(session).head(1).equals(ROWS.head(1))
    assert endless(session).peek(2, 0.5).height == 2
    assert session.written == [("peek", 1, 1.0), ("peek", 2, 0.5)]


@pytest.mark.parametrize(("form", "library"), [("to_pandas", "pandas"), ("to_arrow", "pyarrow")])
def test_a_missing_library_is_named(form: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(self: pl.DataFrame) -> None:
        raise ModuleNotFoundError(f"No module named '{library}'", name=library)

    monkeypatch.setattr(pl.DataFrame, form, without)
    with pytest.raises(ConfigError) as caught:
        getattr(dataset(ROWS), form)()
    assert caught.value.hint == f"pip install {library}"
    assert str(caught.value.where).startswith(f"{__file__}:")


def test_sinks_are_queued() -> None:
    session, sink = FakeSession(), MemorySink()
    data = dataset(ROWS, session)
    data.write_parquet("out/p", changelog="fold")
    data.write_csv(Path("out") / "c")
    data.write_csv("out/d", separator=";")
    data.write_json("out/j")
    data.write_ipc("out/i")
    data.write_sink(sink)
    data.write_callback(print, changes=True)
    data.show(4)
    plan = data.plan
    assert session.written == [
        *((plan, "out/p", "parquet", "fold"), (plan, "out/c", "csv", None)),
        (plan, "out/d", "csv", None, ("separator", ";")),
        *((plan, "out/j", "json", None), (plan, "out/i", "arrow", None)),
        *((plan, sink, None), (plan, print, True), ("show", plan, 4)),
    ]
    assert session.runs == 0


def test_notebooks_see_the_schema_and_a_sample() -> None:
    html = dataset(ROWS)._repr_html_()
    assert "bounded, append-only" in html
    assert "<td>a</td><td>BIGINT</td>" in html
    assert "A sample: 3 rows that came within 1 s" in html
    assert "&lt;z&gt;" in html


def test_notebooks_see_no_rows_that_never_end() -> None:
    session = FakeSession()
    html = endless(session)._repr_html_()
    assert "unbounded" in html
    assert "No rows are shown" in html
    assert session.runs == 0


def test_datasets_do_not_change() -> None:
    data = dataset(ROWS)
    with pytest.raises(AttributeError):
        data.plan = endless(FakeSession()).plan  # type: ignore[misc]
    with pytest.raises(TypeError):
        len(data)  # type: ignore[arg-type]
