"""Every figure in the README comes from a stored result."""

from __future__ import annotations

import json

from benchmarks import figures


def test_readme_figures_are_those_of_the_stored_results() -> None:
    readme = (figures.ROOT / "README.md").read_text()
    assert figures.updated(readme) == readme


def test_a_changed_result_would_be_noticed() -> None:
    table = figures.table()
    some = next(p for p in figures.RESULTS.glob("q*.json"))
    result = json.loads(some.read_text())
    assert f"{result['median'] / 1e6:.1f}" in table
    assert result["check"] == "ok"
    assert all(json.loads(p.read_text())["check"] == "ok" for p in figures.RESULTS.glob("*.json"))
