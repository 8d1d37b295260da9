"""Name the figures of a running job, and let whatever keeps some tell them when asked.

Whoever works counts in plain numbers of its own, and looks at no metric. Whoever wants to know asks: only
then samples are made. So a job that nobody asks pays for nothing but its own counting.

Not here: who has which figures (runtime/metrics.py, checkpoint/figures.py), how they are shown
(session/metrics/, cli/).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

JOB = ()
STEP = ("step", "task")
OPERATOR = (*STEP, "operator")
STATE = (*OPERATOR, "state")


@dataclass(frozen=True)
class Metric:
    """What a figure means.

    Attributes:
        name: as Prometheus names it, with the unit; that of a counter ends in `_total`.
        kind: a counter only grows while the job runs; a gauge goes up and down.
        unit: rows, batches, seconds, bytes …
        meaning: what is counted, in words.
        labels: what tells its samples apart, besides the job.
    """

    name: str
    kind: Literal["counter", "gauge"]
    unit: str
    meaning: str
    labels: tuple[str, ...] = STEP


@dataclass(frozen=True)
class Sample:
    """One figure.

    Attributes:
        metric: what it means.
        labels: a value for each label of the metric, in their order.
        value: a whole number of rows, batches and bytes; seconds may have a fraction.
    """

    metric: Metric
    labels: tuple[str, ...]
    value: float


class Measured(Protocol):
    """Something that has figures of its own."""

    def samples(self) -> Iterable[Sample]:
        """The figures now; called from any thread, while the job goes on."""
        ...


@dataclass(frozen=True)
class Metrics:
    """The figures of one job at one time: plain data.

    Example:
        >>> figures = Metrics("clicks", tuple(Sample(ROWS_IN, ("source1", t), 3) for t in "01"))
        >>> figures.total(ROWS_IN), figures.total(ROWS_IN, task="1"), figures.total(ROWS_LATE)
        (6, 3, 0)
        >>> Metrics.from_data(figures.to_data()) == figures
        True
    """

    job: str
    samples: tuple[Sample, ...] = field(default=())

    def of(self, metric: Metric, **labels: str) -> Iterator[Sample]:
        """The samples of a metric, only those with the labels given."""
        wanted = [(metric.labels.index(name), value) for name, value in labels.items()]
        for sample in self.samples:
            if sample.metric == metric and all(sample.labels[i] == value for i, value in wanted):
                yield sample

    def total(self, metric: Metric, **labels: str) -> float:
        """The sum of those samples."""
        return sum(s.value for s in self.of(metric, **labels))

    def to_data(self) -> dict[str, Any]:
        """The figures as JSON has them."""
        found: dict[str, list[list[Any]]] = {}
        for sample in self.samples:
            found.setdefault(sample.metric.name, []).append([*sample.labels, sample.value])
        return {"job": self.job, "metrics": found}

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> Metrics:
        """What `to_data` gave; metrics that are not known here (of another version) are left out."""
        found: Mapping[str, Sequence[Sequence[Any]]] = data["metrics"]
        return Metrics(
            data["job"],
            tuple(
                Sample(BY_NAME[name], tuple(row[:-1]), row[-1])
                for name, rows in found.items()
                if name in BY_NAME
                for row in rows
            ),
        )


def _rows(name: str, meaning: str, labels: tuple[str, ...] = STEP) -> Metric:
    return Metric(f"thalweg_{name}_total", "counter", "rows", meaning, labels)


def _batches(name: str, meaning: str) -> Metric:
    return Metric(f"thalweg_{name}_total", "counter", "batches", meaning)


def _events(name: str, meaning: str) -> Metric:
    return Metric(f"thalweg_{name}_total", "counter", "checkpoints", meaning, JOB)


def _seconds(name: str, meaning: str, labels: tuple[str, ...] = STEP) -> Metric:
    kind: Literal["counter", "gauge"] = "counter" if name.endswith("_total") else "gauge"
    return Metric(f"thalweg_{name}", kind, "seconds", meaning, labels)


def _gauge(name: str, unit: str, meaning: str, labels: tuple[str, ...] = STEP) -> Metric:
    return Metric(f"thalweg_{name}", "gauge", unit, meaning, labels)


# The job ------------------------------------------------------------------------------------------

UPTIME = _seconds("job_uptime_seconds", "time since the run began, until its end", JOB)
JOB_WATERMARK = _seconds(
    "job_watermark_timestamp_seconds",
    "event time that all sources have reached, in seconds since 1970; none before the first watermark",
    JOB,
)
JOB_LAG = _seconds("job_lag_seconds", "how far that is behind the time of day", JOB)
RESTARTS = Metric(
    "thalweg_job_restarts_total", "counter", "restarts", "times that it failed and was run again", JOB
)
CUT = _gauge("job_cut_number", "", "number of the newest complete cut", JOB)
MEMORY = _gauge(
    "memory_bytes",
    "bytes",
    "memory by holder: rows on the edges, state of all steps, files that it lies in, and all of the process",
    ("holder",),
)
SPILL = _gauge("spill_bytes", "bytes", "bytes in temporary files of edges that spill", JOB)

# Each task of a step ------------------------------------------------------------------------------

ROWS_IN = _rows("rows_in", "rows taken from edges, or read from splits, bad ones included")
ROWS_PROCESSED = _rows("rows_processed", "rows that the task is done with")
ROWS_QUARANTINED = _rows("rows_quarantined", "rows kept apart: they cannot be read, or have no event time")
ROWS_AHEAD = _rows("rows_ahead", "processed rows too far ahead of their arrival to move event time")
ROWS_OUT = _rows("rows_out", "rows sent on, or handed to the sink")
ROWS_ASIDE = _rows("rows_aside", "rows sent to side outputs: late ones, bad ones, shared partial sums")
BATCHES_IN = _batches("batches_in", "batches that these rows came in, after those that waited were joined")
BATCHES_OUT = _batches("batches_out", "batches sent on, or handed to the sink")
WATERMARK = _seconds(
    "watermark_timestamp_seconds",
    "event time that the task has handed on, in seconds since 1970; none before the first watermark",
)
LAG = _seconds("lag_seconds", "how far that is behind the time of day")
BUSY = _seconds("busy_seconds_total", "time that the task worked, waiting for its sink or source included")
BACKPRESSURED = _seconds("backpressured_seconds_total", "time that it waited for room on an output edge")
IDLE_TIME = _seconds("idle_seconds_total", "the rest: it waited for rows, or for its turn on the thread")
EDGE_ROWS = _gauge("edge_rows", "rows", "rows that wait on the edges to the task")
EDGE_BYTES = _gauge("edge_bytes", "bytes", "bytes that wait there, those in temporary files included")

# Each operator of a task --------------------------------------------------------------------------

OPERATOR_IN = _rows("operator_rows_in", "rows given to the operator", OPERATOR)
OPERATOR_PROCESSED = _rows(
    "operator_rows_processed", "rows that it is done with, but for late ones", OPERATOR
)
ROWS_LATE = _rows("operator_rows_late", "rows turned away as late for all that they could count in", OPERATOR)
PAIRS_LATE = Metric(
    "thalweg_operator_late_total",
    "counter",
    "rows",
    "rows that came too late, for windows one for each window that a row missed",
    OPERATOR,
)
OPERATOR_OUT = _rows("operator_rows_out", "rows that it gave to what follows", OPERATOR)
ROWS_UNANSWERED = _gauge(
    "operator_rows_unanswered", "rows", "rows for which it waits for an answer from outside", OPERATOR
)
STATE_ROWS = _gauge("state_rows", "rows", "keys or rows in a state", STATE)
STATE_BYTES = _gauge("state_bytes", "bytes", "memory that a state holds", STATE)

# Checkpoints --------------------------------------------------------------------------------------

CHECKPOINT = _gauge("checkpoint_number", "", "number of the newest complete checkpoint of the run", JOB)
CHECKPOINT_AGE = _seconds("checkpoint_age_seconds", "time since it was complete", JOB)
CHECKPOINT_DURATION = _seconds(
    "checkpoint_duration_seconds", "how long it took to write and commit, from the barrier's passing on", JOB
)
CHECKPOINT_BYTES = _gauge("checkpoint_bytes", "bytes", "size of the state that it holds", JOB)
CHECKPOINT_WRITTEN = Metric(
    "thalweg_checkpoint_written_bytes_total", "counter", "bytes", "state written: what had changed since", JOB
)
CHECKPOINT_JOINED = Metric(
    "thalweg_checkpoint_joined_bytes_total", "counter", "bytes", "state written anew to join increments", JOB
)
CHECKPOINTS = _events("checkpoints_completed", "checkpoints that the run has completed")
CHECKPOINTS_FAILED = _events("checkpoints_failed", "checkpoints that it could not write or commit")

METRICS: tuple[Metric, ...] = (
    *(UPTIME, RESTARTS, JOB_WATERMARK, JOB_LAG, CUT, MEMORY, SPILL),
    *(ROWS_IN, ROWS_PROCESSED, ROWS_QUARANTINED, ROWS_AHEAD, ROWS_OUT, ROWS_ASIDE, BATCHES_IN, BATCHES_OUT),
    *(WATERMARK, LAG, BUSY, BACKPRESSURED, IDLE_TIME, EDGE_ROWS, EDGE_BYTES),
    *(OPERATOR_IN, OPERATOR_PROCESSED, ROWS_LATE, PAIRS_LATE, OPERATOR_OUT, ROWS_UNANSWERED),
    *(STATE_ROWS, STATE_BYTES),
    *(
        CHECKPOINT,
        CHECKPOINT_AGE,
        CHECKPOINT_DURATION,
        CHECKPOINT_BYTES,
        CHECKPOINT_WRITTEN,
        CHECKPOINT_JOINED,
        CHECKPOINTS,
        CHECKPOINTS_FAILED,
    ),
)
"""Every metric that there is, in the order in which they are shown."""
BY_NAME = {m.name: m for m in METRICS}
