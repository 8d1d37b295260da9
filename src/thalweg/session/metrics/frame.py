"""Lay the figures of jobs out as a frame, one figure per row.

Not here: what they mean (protocols/metrics.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from thalweg.protocols.metrics import Metrics, Sample

_LABELS = ("step", "task", "operator", "state", "holder")
_SCHEMA = {
    "job": pl.String(),
    "metric": pl.String(),
    **{name: pl.Int64() if name == "task" else pl.String() for name in _LABELS},
    "value": pl.Float64(),
    "unit": pl.String(),
    "kind": pl.String(),
}


def frame_of(jobs: Iterable[Metrics]) -> pl.DataFrame:
    """The figures of some jobs; labels that a metric does not have are NULL."""
    rows = [_row(job.job, sample) for job in jobs for sample in job.samples]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _row(job: str, sample: Sample) -> tuple[Any, ...]:
    metric = sample.metric
    labels = dict(zip(metric.labels, sample.labels, strict=True))
    shown = (int(labels[n]) if n == "task" and n in labels else labels.get(n) for n in _LABELS)
    return job, metric.name, *shown, float(sample.value), metric.unit, metric.kind
