"""Every figure in the README comes from a stored result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import figures
from thalweg.cli.bench.now import NOW
from thalweg.cli.bench.stateful import STATEFUL


def test_readme_figures_are_those_of_the_stored_results() -> None:
    readme = (figures.ROOT / "README.md").read_text()
    assert figures.updated(readme) == readme


def test_queries_with_much_state_have_a_table_as_soon_as_one_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(figures.STATEFUL) == {b.name for b in (*STATEFUL, *NOW)}
    monkeypatch.setattr(figures, "RESULTS", tmp_path)
    assert "much state" not in figures.table()
    figure = {"median": 3e6, "min": 2e6, "max": 4e6, "limit": 9e6, "percent_of_limit": 33.3}
    figure |= {"details": {"state_bytes": 5 << 20, "peak_own_mib": 70.4}}
    (tmp_path / "q3.json").write_text(json.dumps(figure | {"name": "q3"}))
    *_, header, _, row = figures.table().splitlines()
    assert "much state" in header
    assert row == "| q3, join of two growing tables | 3.0 (2.0 to 4.0) | 9.0 | 33 % | 5 | 70 | 0.66 |"


def test_a_changed_result_would_be_noticed() -> None:
    table = figures.table()
    some = next(p for p in figures.RESULTS.glob("q*.json"))
    result = json.loads(some.read_text())
    assert f"{result['median'] / 1e6:.1f}" in table
    assert result["check"] == "ok"
    assert all(json.loads(p.read_text())["check"] == "ok" for p in figures.RESULTS.glob("*.json"))


def _peer(version: str, rate: float, running: float | None) -> dict[str, object]:
    return {
        "version": version,
        "rate": rate,
        "rate_running": running,
        "start_to_first_result_seconds": 4.0,
        "peak_rss_mib": 2000.4,
    }


def test_engines_are_compared_as_soon_as_one_comparison_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "RESULTS", tmp_path)
    assert "same Parquet files" not in figures.table()
    peers = {
        "thalweg": _peer("Thalweg 1", 6e6, 8e6),
        "flink": _peer("Flink 2", 0.3e6, 0.5e6),
        "spark": {"problem": "ranks are refused in streams"},
        "thalweg-batch": _peer("Thalweg 1", 6e6, 8e6),
        "duckdb": _peer("DuckDB 2", 9e6, None),
    }
    for name in ("q2", "q19"):
        result = {"name": f"peers-{name}", "group": "peers", "peers": peers, "options": {"events": 2_000_000}}
        (tmp_path / f"peers-{name}.json").write_text(json.dumps(result))
    lines = figures.table().splitlines()
    header = "| streams over the same Parquet files, M events/s | Thalweg | Flink 2 | Thalweg is faster by |"
    at = lines.index(header)
    assert lines[at + 2 : at + 5] == [
        "| q2, 2 M | 6.00 | 0.30 | 20× (16×) |",
        "| q19, 2 M | 6.00 | 0.30 | 20× (16×) |",
        "",
    ]
    assert "| q2, 2 M | 6.00 | 9.00 | 0.7× |" in lines
    assert "| Flink 2 | 4.0 | 2000, 2000 |" in lines
    assert "also measured" not in figures.table()
