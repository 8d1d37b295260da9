"""Rows that a keyed function fails on end the job, or become dead letters and are put back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import DataError, PlanError

RESULT = "k BIGINT, nth BIGINT, part BIGINT"
MODES = pytest.mark.parametrize("mode", ["batch", "stream"])


class Parts(tw.ProcessFunction):
    count: int = 0

    def on_event(self, row: Any) -> Any:
        self.count += 1
        yield row.k, self.count, 12 // row.n


def job(place: Path, bad_every: int, rows: int = 20_000, **options: str) -> tw.Session:
    numbers = [0 if i % bad_every == 0 else 1 for i in range(rows)]
    (place / "in").mkdir(exist_ok=True)
    pl.DataFrame({"k": range(rows), "n": numbers}).write_parquet(place / "in" / "rows.parquet")
    session = tw.Session(parallelism=1, options=options)
    read = session.read_parquet(place / "in", dead_letter=place / "dead")
    read.key_by("k").process(Parts(), RESULT, order="arrival").write_parquet(place / "out")
    return session


@MODES
def test_they_become_letters(tmp_path: Path, mode: Any) -> None:
    job(tmp_path, 5000, **{"pipeline.dead-letter.failed-rows": "true"}).run(mode=mode)
    assert pl.read_parquet(tmp_path / "out" / "*.parquet").height == 20_000 - 4
    letters = tw.DeadLetters(tmp_path / "dead").rows().sort("position")
    assert letters["position"].to_list() == [0, 5000, 10_000, 15_000]
    first = letters.row(0, named=True)
    assert first["reason"] == "failed"
    assert first["raw"] == b'{"k":0,"n":0}'
    line = Parts.on_event.__code__.co_firstlineno + 2
    assert first["error"].endswith(f"integer division or modulo by zero (at {__file__}:{line})")


@MODES
def test_too_many_end_the_job(tmp_path: Path, mode: Any) -> None:
    with pytest.raises(DataError, match="400 of 20000 rows") as found:
        job(tmp_path, 50, **{"pipeline.dead-letter.failed-rows": "true"}).run(mode=mode)
    assert found.value.code == "data-quarantine-rate"
    assert not list(tmp_path.glob("out/*.parquet"))


@MODES
def test_without_the_option_the_first_ends_the_job(tmp_path: Path, mode: Any) -> None:
    with pytest.raises(DataError, match="Parts raised ZeroDivisionError") as found:
        job(tmp_path, 5000).run(mode=mode)
    assert found.value.code == "data-python-function"


@MODES
def test_those_of_asynchronous_functions_become_letters_too(tmp_path: Path, mode: Any) -> None:
    async def part(row: Any) -> Any:
        return (12 // row.n,)

    (tmp_path / "in").mkdir()
    numbers = [0 if k % 500 == 7 else 3 for k in range(2000)]
    pl.DataFrame({"k": range(2000), "n": numbers}).write_parquet(tmp_path / "in" / "rows.parquet")
    session = tw.Session(parallelism=1, options={"pipeline.dead-letter.failed-rows": "true"})
    read = session.read_parquet(tmp_path / "in", dead_letter=tmp_path / "dead")
    read.map_async(part, "part BIGINT", carry="k").write_parquet(tmp_path / "out")
    session.run(mode=mode)
    assert pl.read_parquet(tmp_path / "out" / "*.parquet").height == 1996
    letters = tw.DeadLetters(tmp_path / "dead").rows().sort("position")
    assert letters["position"].to_list() == [7, 507, 1007, 1507]
    assert set(letters["raw"].to_list()) == {f'{{"k":{k},"n":0}}'.encode() for k in (7, 507, 1007, 1507)}


def test_they_are_put_back(tmp_path: Path) -> None:
    job(tmp_path, 5000, rows=10, **{"pipeline.dead-letter.failed-rows": "true"}).run()
    letters = tw.DeadLetters(tmp_path / "dead")
    edit = {"id": letters.rows()["id"][0], "text": '{"k": 0, "n": 6}'}
    (tmp_path / "edits.jsonl").write_text(json.dumps(edit))
    letters.replay(tmp_path / "in", edits=tmp_path / "edits.jsonl")
    found = tw.Session().read_parquet(tmp_path / "in").collect()
    assert sorted(found.filter(pl.col("k") == 0).rows()) == [(0, 0), (0, 6)]


def test_only_functions_fail() -> None:
    rows = tw.Session().from_polars(pl.DataFrame({"n": [1]}))
    with pytest.raises(PlanError, match="the last step is no keyed or asynchronous function") as found:
        rows.failed()
    assert found.value.code == "plan-no-function"
