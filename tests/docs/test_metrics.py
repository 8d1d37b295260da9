"""The page of metrics lists exactly what jobs tell, with its kind, unit, labels and meaning."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import polars as pl

import thalweg as tw
from thalweg.protocols.metrics import BY_NAME, METRICS
from thalweg.session.session import Session

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs/metrics.md").read_text(encoding="utf-8")


def test_the_page_says_of_each_metric_what_it_is() -> None:
    rows = re.findall(r"^\| `(thalweg_\w+)` \| (.*?) \| (.*?) \| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    assert len(rows) == len({name for name, *_ in rows})
    documented = {name: tuple(rest) for name, *rest in rows}
    assert documented == {
        m.name: (m.kind, m.unit or "–", ", ".join(m.labels) or "–", m.meaning) for m in METRICS
    }


def test_no_other_metric_is_mentioned() -> None:
    assert set(re.findall(r"\bthalweg_\w+", PAGE)) == set(BY_NAME)


def test_jobs_tell_all_of_them(tmp_path: Path) -> None:
    times = [datetime(2026, 1, 1, 0, 0, second) for second in (1, 2, 30)]
    pl.DataFrame({"t": times, "k": [1, 2, 1]}).write_parquet(tmp_path / "in.parquet")
    session = Session(parallelism=2, checkpoint_dir=tmp_path / "kept")
    rows = session.read_parquet(tmp_path / "in.parquet").assign_watermark("t")
    rows.window(tw.tumbling("10s")).group_by("k", "window_end").agg(n=tw.count()).write_parquet(
        tmp_path / "out"
    )
    told = set(session.run("all", mode="stream").metrics()["metric"])
    # nothing is without an answer in a job that has ended; test_calls.py looks at one that runs
    assert told == set(BY_NAME) - {"thalweg_operator_rows_unanswered"}
