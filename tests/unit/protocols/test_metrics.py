"""Metrics are named as Prometheus asks for, and figures survive the way through JSON."""

from __future__ import annotations

import json
import re

import pytest

from thalweg.protocols import metrics as m
from thalweg.protocols.metrics import METRICS, Metric, Metrics, Sample


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_the_rules_of_prometheus(metric: Metric) -> None:
    assert re.fullmatch(r"thalweg_[a-z]+(_[a-z]+)*", metric.name)
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    stem = metric.name.removesuffix("_total")
    for unit in ("seconds", "bytes"):
        assert (metric.unit == unit) == stem.endswith(f"_{unit}")
    assert "job" not in metric.labels
    assert all(re.fullmatch(r"[a-z]+", label) for label in metric.labels)


def test_names_are_unique() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    named = {value for value in vars(m).values() if isinstance(value, Metric)}
    assert named == set(METRICS), "every metric of the module is listed"


def figures() -> Metrics:
    return Metrics(
        'odd "job"',
        (
            Sample(m.ROWS_IN, ("source1", "0"), 3),
            Sample(m.ROWS_IN, ("source1", "1"), 5),
            Sample(m.ROWS_IN, ("sink1", "0"), 8),
            Sample(m.BUSY, ("source1", "0"), 0.25),
            Sample(m.CUT, (), 7),
        ),
    )


def test_samples_are_found_by_their_labels() -> None:
    found = figures()
    assert found.total(m.ROWS_IN) == 16
    assert found.total(m.ROWS_IN, step="source1") == 8
    assert found.total(m.ROWS_IN, step="source1", task="1") == 5
    assert [s.value for s in found.of(m.ROWS_IN, task="0")] == [3, 8]
    assert found.total(m.ROWS_OUT, step="source1") == 0


def test_figures_survive_json() -> None:
    assert Metrics.from_data(json.loads(json.dumps(figures().to_data()))) == figures()


def test_metrics_of_another_version_are_left_out() -> None:
    data = figures().to_data()
    data["metrics"]["thalweg_of_tomorrow"] = [["x", 1]]
    assert Metrics.from_data(data) == figures()
