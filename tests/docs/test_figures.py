"""Every figure in the README comes from a stored result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import figures
from thalweg.cli.bench.stateful import STATEFUL


def test_readme_figures_are_those_of_the_stored_results() -> None:
    readme = (figures.ROOT / "README.md").read_text()
    assert figures.updated(readme) == readme


def test_queries_with_much_state_have_a_table_as_soon_as_one_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(figures.STATEFUL) == {b.name for b in STATEFUL}
    monkeypatch.setattr(figures, "RESULTS", tmp_path)
    assert "much state" not in figures.table()
    figure = {"median": 3e6, "min": 2e6, "max": 4e6, "limit": 9e6, "details": {"state_bytes": 5 << 20}}
    (tmp_path / "q3.json").write_text(json.dumps(figure | {"name": "q3"}))
    *_, header, _, row = figures.table().splitlines()
    assert "much state" in header
    assert row == "| q3, join of two growing tables | 3.0 (2.0 to 4.0) | 9.0 | 5 | 0.66 |"


def test_a_changed_result_would_be_noticed() -> None:
    table = figures.table()
    some = next(p for p in figures.RESULTS.glob("q*.json"))
    result = json.loads(some.read_text())
    assert f"{result['median'] / 1e6:.1f}" in table
    assert result["check"] == "ok"
    assert all(json.loads(p.read_text())["check"] == "ok" for p in figures.RESULTS.glob("*.json"))
