"""Jobs that are killed at random moments; `make chaos-long` kills many more."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.chaos import job
from tests.suites.chaos_long import KILLS_PER_CASE, cases, run


@pytest.mark.slow
@pytest.mark.sampled(4)
@pytest.mark.parametrize("case", cases(KILLS_PER_CASE))
def test_no_row_is_lost_or_repeated(case: str) -> None:
    outcome = run(case)
    assert (outcome["kills"], outcome["lost"], outcome["repeated"]) == (KILLS_PER_CASE, 0, 0)


def test_lost_and_repeated_rows_are_counted(tmp_path: Path) -> None:
    wanted = job.expected("files")
    types = {"passed": ["user_id", "page", "ts"], "counts": ["user_id", "window_start", "n", "last_page"]}
    changed = {"passed": wanted["passed"][3:], "counts": [*wanted["counts"], wanted["counts"][0]]}
    for name, columns in types.items():
        (tmp_path / "out" / name).mkdir(parents=True)
        rows = pl.DataFrame(changed[name], schema=columns, orient="row")
        rows.write_parquet(tmp_path / "out" / name / "part.parquet")
    hour = tmp_path / "out" / "hours" / "hr=all"
    hour.mkdir(parents=True)
    (hour / job.MARK).touch()
    pl.DataFrame({"page": ["never written"]}).write_parquet(hour / "part.parquet")
    assert job.wrong_rows("files", tmp_path / "out") == {"lost": 3 + job.ROWS, "repeated": 1 + 1}
