"""A result that is kept is computed once, and again when it was lost."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.session.caching import CachedSource

ROWS = pl.DataFrame({"k": ["a", "b", "a"], "v": [1, 2, 3], "tags": [["x"], None, []]})
CALLS: list[int] = []


def counted(frame: pl.DataFrame) -> pl.DataFrame:
    CALLS.append(frame.height)
    return frame


@pytest.fixture
def rows() -> tw.Dataset:
    CALLS.clear()
    return tw.Session().from_polars(ROWS).map_batches(counted)


def kept(data: tw.Dataset) -> Any:
    source = data.plan.source  # type: ignore[attr-defined]  # it is a scan
    assert isinstance(source, CachedSource)
    return source.kept


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_it_is_computed_once(rows: tw.Dataset, where: Any) -> None:
    held = rows.cache(where)
    assert "not computed yet" in held.explain()
    assert CALLS == []
    sums = held.group_by("k").agg(v=tw.sum("v"))
    for mode in ("batch", "stream", "batch"):
        assert sorted(sums.collect(mode=mode).rows()) == [("a", 4), ("b", 2)]
    assert held.collect().equals(ROWS)
    assert kept(held).times == 1
    assert "3 rows" in held.explain()


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_it_can_be_given_back(rows: tw.Dataset, where: Any) -> None:
    held = rows.cache(where)
    held.collect()
    again = held.uncache()
    assert again.plan is rows.plan
    assert "not computed yet" in held.explain()
    held.collect()
    assert kept(held).times == 2
    with pytest.raises(tw.PlanError, match="only what cache"):
        rows.uncache()


def test_what_is_lost_is_computed_again(
    rows: tw.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held = rows.cache("disk")
    held.collect()
    (file,) = tmp_path.iterdir()
    file.unlink()
    assert held.collect().equals(ROWS)
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"something else")
    assert held.collect().equals(ROWS)
    assert kept(held).times == 3
    held.uncache()
    assert list(tmp_path.iterdir()) == []


def test_it_goes_with_the_dataset(rows: tw.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows.cache("disk").collect()
    assert list(tmp_path.iterdir()) == []


def test_what_fails_is_not_kept() -> None:
    seen: list[int] = []

    def once(frame: pl.DataFrame) -> pl.DataFrame:
        seen.append(1)
        if len(seen) == 1:
            raise ValueError("not now")
        return frame

    held = tw.Session().from_polars(ROWS).map_batches(once).cache()
    with pytest.raises(tw.DataError, match="not now"):
        held.collect()
    assert held.collect().equals(ROWS)


def test_rows_that_never_end_and_other_places(rows: tw.Dataset) -> None:
    endless = tw.Session().from_iter(iter([{"a": 1}]), "a BIGINT")
    if not endless.is_bounded:
        with pytest.raises(tw.PlanError) as caught:
            endless.cache()
        assert caught.value.code == "plan-cache-unbounded"
    with pytest.raises(tw.PlanError) as wrong:
        rows.cache("tape")  # type: ignore[arg-type]  # that is the mistake
    assert wrong.value.choices == ("memory", "disk")
