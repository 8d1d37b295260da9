"""`jobs`, `why` and `stop` reach a job that runs elsewhere; here it runs in another thread."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from thalweg.cli.jobs import listed
from thalweg.runtime.run import Run
from thalweg.session.control import JobInfo
from thalweg.session.session import Session

Call = Callable[..., tuple[int, str, str]]


@contextmanager
def running(name: str) -> Iterator[threading.Thread]:
    """An endless job in another thread, until it is stopped."""
    session, started, runs = Session(parallelism=1), threading.Event(), []
    session.execute_sql(
        """CREATE TABLE e (a BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10');
           CREATE TABLE o WITH ('connector' = 'blackhole');
           INSERT INTO o SELECT a FROM e"""
    )

    def on_start(run: Run) -> None:
        runs.append(run)
        started.set()

    session.on_start = on_start
    thread = threading.Thread(target=session.run, args=(name,))
    thread.start()
    assert started.wait(5)
    try:
        yield thread
    finally:
        runs[0].stop()
        thread.join()


def test_a_job_is_listed_asked_and_stopped(thalweg: Call) -> None:
    with running("hot items") as thread:
        [found] = [json.loads(line) for line in thalweg("jobs", "--json")[1].splitlines()]
        assert (found["name"], found["pid"], found["state"]) == ("hot items", os.getpid(), "running")
        assert (found["lag"], found["checkpoint"]) == (None, None)
        assert thalweg("jobs")[1].splitlines()[1].startswith("hot items  ")
        code, out, _ = thalweg("why", "hot items")
        assert code == 0
        assert "waits for" in out
        code, _, err = thalweg("stop", "hot items", "--drain")
        assert (code, err) == (0, 'the job "hot items" has stopped\n')
        thread.join(5)
        assert not thread.is_alive()
    assert thalweg("jobs") == (0, "", "no job is running\n")


def test_the_list_tells_how_far_jobs_are_behind() -> None:
    job = JobInfo("hot", 7, 0.0, 61.0, 1_000, 1_767_268_800_000_000, 3, 2, 0, 2.25, 42, 3.4, "running")
    rows = [
        "JOB  PID  STATE    RUNS FOR  ROWS   LATE  BAD  EVENT TIME           LAG    CHECKPOINT",
        "hot  7    running  0:01:01   1 000  3     2    2026-01-01 12:00:00  2.2 s  42, 3 s ago",
    ]
    assert listed([job]).splitlines() == rows
    none = replace(job, watermark=None, lag=None, checkpoint=None, checkpoint_age=None)
    assert listed([none]).splitlines()[1] == "hot  7    running  0:01:01   1 000  3     2"


def test_an_unknown_job_is_told_with_those_that_run(thalweg: Call) -> None:
    with running("hot"):
        code, _, err = thalweg("stop", "hott")
    assert code == 1
    assert 'did you mean "hot"?' in err
