"""`thalweg metrics` shows the figures of a job that runs elsewhere; here it runs in another thread."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.cli.test_jobs import running
from tests.unit.cli.test_run import RUN_ONE
from thalweg.cli.figures import Recent, Steps, as_text, checkpoint_line, how_far, memory_line, steps_of
from thalweg.protocols import metrics as m
from thalweg.protocols.metrics import BY_NAME, Metrics, Sample

Call = Callable[..., tuple[int, str, str]]
NOON = 1_767_268_800


def figures(uptime: float, rows: int, busy: float, blocked: float = 0.0, *more: Sample) -> Metrics:
    """A source of two tasks, of which one has no rows, and a sink."""
    source, idle, sink = ("source1", "0"), ("source1", "1"), ("sink1", "0")
    return Metrics(
        "hot",
        (
            Sample(m.UPTIME, (), uptime),
            *(Sample(m.ROWS_IN, of, n) for of, n in ((source, rows), (idle, 0), (sink, rows // 2))),
            *(Sample(m.ROWS_OUT, of, n) for of, n in ((source, rows // 2), (idle, 0), (sink, rows // 2))),
            *(Sample(m.BUSY, of, busy) for of in (source, idle, sink)),
            Sample(m.BACKPRESSURED, source, blocked),
            *more,
        ),
    )


def test_the_pace_of_a_step_is_that_since_an_earlier_look() -> None:
    before, now = figures(10, 1_000, 1.0, 0.0), figures(20, 5_000, 6.0, 4.0)
    source, sink = steps_of(now, before)
    assert (source.rows_in, source.rows_out) == (400, 200)
    assert (source.busy, source.blocked) == (0.5, 0.2), "the share of two tasks"
    assert (sink.step, sink.rows_in, sink.busy, sink.blocked) == ("sink1", 200, 0.5, 0)
    [whole, _] = steps_of(now)
    assert (whole.rows_in, whole.blocked) == (250, 0.1), "or since the run began"


def test_nothing_is_divided_by_no_time() -> None:
    assert [s.rows_in for s in steps_of(figures(0, 5, 0.0))] == [0, 0]
    same = figures(3, 5, 1.0)
    assert [s.busy for s in steps_of(same, same)] == [0, 0]


def test_the_pace_of_now_forgets_what_was_long_ago() -> None:
    recent = Recent(keep=3)
    looks = [figures(n, n, 0.0) for n in range(5)]
    assert [recent.add(look) for look in looks] == [None, looks[0], looks[0], looks[1], looks[2]]
    assert recent.add(figures(2.5, 0, 0.0)) == looks[2], "the others are of the time before a restart"
    assert recent.add(figures(1, 0, 0.0)) is None


def test_a_table_shows_each_step_and_what_is_kept() -> None:
    state = ("source1", "0", "source1.group0", "groups")
    late = Sample(m.PAIRS_LATE, ("source1", "0", "source1.windows0"), 12)
    now = figures(
        10,
        123_456,
        5.0,
        2.5,
        *(late, Sample(m.ROWS_QUARANTINED, ("source1", "0"), 3)),
        *(Sample(m.WATERMARK, ("source1", t), NOON + int(t)) for t in "01"),
        *(Sample(m.LAG, ("source1", t), 2.25 - int(t)) for t in "01"),
        *(Sample(m.STATE_BYTES, state, 5 << 20), Sample(m.STATE_BYTES, (*state[:3], "more"), 1 << 20)),
        *(Sample(m.MEMORY, (who,), n << 20) for who, n in (("edges", 1), ("state", 6), ("process", 300))),
        Sample(m.SPILL, (), 2 << 30),
        *(Sample(m.CHECKPOINT, (), 42), Sample(m.CHECKPOINT_AGE, (), 3.21)),
        *(Sample(m.CHECKPOINT_DURATION, (), 0.125), Sample(m.CHECKPOINT_BYTES, (), 1 << 20)),
        *(Sample(m.CHECKPOINTS, (), 9), Sample(m.CHECKPOINTS_FAILED, (), 2)),
    )
    assert as_text(now) == "\n".join(
        (
            "STEP       IN/S  OUT/S  LATE  BAD  EVENT TIME             LAG    STATE  BUSY  BLOCKED",
            "source1  12 346  6 173    12    3  2026-01-01 12:00:00  2.2 s  6.0 MiB   50%      12%",
            "sink1     6 173  6 173     0    0                                        50%       0%",
            "checkpoint 42, 3.2 s ago, took 0.12 s, 1.0 MiB; 2 failed",
            "memory 300.0 MiB: edges 1.0 MiB, state 6.0 MiB; 2.0 GiB spilled to files",
        )
    )
    narrow = as_text(now, width=79).splitlines()
    assert "EVENT TIME" not in narrow[0]
    assert all(len(line) <= 79 for line in narrow)


def test_lines_of_what_is_not_there_are_left_out() -> None:
    assert checkpoint_line(figures(1, 1, 0.1)) == memory_line(figures(1, 1, 0.1)) == ""
    none, failed = Sample(m.CHECKPOINTS, (), 0), Sample(m.CHECKPOINTS_FAILED, (), 0)
    assert checkpoint_line(figures(1, 1, 0.1, 0.0, none, failed)) == "no checkpoint yet"


def test_how_far_a_job_is_behind() -> None:
    assert how_far(figures(1, 1, 0.1)) == []
    old = (Sample(m.JOB_WATERMARK, (), NOON), Sample(m.JOB_LAG, (), 1e7))
    assert how_far(figures(1, 1, 0.1, 0.0, *old)) == ["event time 2026-01-01 12:00:00"]
    now = (Sample(m.JOB_WATERMARK, (), NOON), Sample(m.JOB_LAG, (), 1.25), Sample(m.CHECKPOINTS, (), 0))
    assert how_far(figures(1, 1, 0.1, 0.0, *now)) == [
        "event time 2026-01-01 12:00:00, lag 1.2 s",
        "no checkpoint yet",
    ]


def test_looks_that_take_long_are_rare() -> None:
    steps, looks, now = Steps(), [], [0.0]

    def look() -> Metrics:
        looks.append(now[0])
        now[0] += 0.05
        return figures(len(looks), len(looks) ** 3, 0.0)

    texts = []
    while now[0] < 10.3:
        texts.append(steps.text(lambda: now[0], look, width=100))
        now[0] += 0.5
    assert looks == [0.0, 5.05, 10.1]
    assert len(texts) > 15
    assert len(set(texts)) == 3, "what was seen last stays"


def rows_read(out: str) -> bool:
    return any(r["metric"] == m.ROWS_IN.name and r["value"] for r in map(json.loads, out.splitlines()))


@pytest.mark.slow
def test_a_job_is_asked_for_its_figures(thalweg: Call) -> None:
    with running("hot items"):
        until = time.monotonic() + 10
        while not rows_read(out := thalweg("metrics", "hot items", "--json")[1]):
            assert time.monotonic() < until
        found = [json.loads(line) for line in out.splitlines()]
        assert {f["job"] for f in found} == {"hot items"}
        assert all(set(f) == {"job", "metric", "value", *BY_NAME[f["metric"]].labels} for f in found)
        code, text, _ = thalweg("metrics", "hot items", "--prometheus")
        assert code == 0
        families = {f.name for f in text_string_to_metric_families(text)}
        assert families == {f["metric"].removesuffix("_total") for f in found}
        code, shown, err = thalweg("metrics", "hot items")
        assert (code, err) == (0, "")
        assert shown.splitlines()[0].startswith("STEP ")
        assert re.search(r"^source1 ", shown, re.MULTILINE)
        assert thalweg("metrics", "hot items", "--json", "--prometheus")[0] == 2
    code, _, err = thalweg("metrics", "hot items")
    assert code == 1
    assert 'no job "hot items" is running' in err


@pytest.mark.slow
def test_run_serves_metrics_where_it_is_asked_to(thalweg: Call) -> None:
    Path("job.py").write_text(f"{RUN_ONE}session.run(mode='stream')")
    _, _, err = thalweg("run", "job.py", "--metrics-port", "0")
    assert re.match(r"metrics of the job job: http://127\.0\.0\.1:\d+/metrics\n", err)
    assert "metrics" not in thalweg("run", "job.py")[2]


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_other_ports_are_a_usage_error(thalweg: Call, port: str) -> None:
    Path("job.py").write_text("")
    assert thalweg("run", "job.py", "--metrics-port", port)[0] == 2
