r"""Write figures as Prometheus reads them: its text format, version 0.0.4.

Not here: who asks for them (http.py, cli/metrics.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from thalweg.protocols.metrics import METRICS, Metric, Metrics, Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(jobs: Iterable[Metrics]) -> str:
    r"""The text: each metric with its meaning, its kind and its samples.

    Example:
        >>> from thalweg.protocols.metrics import CUT
        >>> print(exposition([Metrics('odd "name"', (Sample(CUT, (), 7),))]), end="")
        # HELP thalweg_job_cut_number number of the newest complete cut
        # TYPE thalweg_job_cut_number gauge
        thalweg_job_cut_number{job="odd \"name\""} 7
    """
    jobs = list(jobs)
    return "".join(line + "\n" for metric in METRICS for line in _family(metric, jobs))


def _family(metric: Metric, jobs: Iterable[Metrics]) -> Iterator[str]:
    lines = [_line(job.job, sample) for job in jobs for sample in job.of(metric)]
    if lines:
        yield f"# HELP {metric.name} {_escaped(metric.meaning)}"
        yield f"# TYPE {metric.name} {metric.kind}"
        yield from lines


def _line(job: str, sample: Sample) -> str:
    named = {"job": job, **dict(zip(sample.metric.labels, sample.labels, strict=True))}
    labels = ",".join(f'{name}="{_quoted(value)}"' for name, value in named.items())
    return f"{sample.metric.name}{{{labels}}} {sample.value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")
