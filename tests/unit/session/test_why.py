"""Whoever started a job in another thread asks the session what it waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import thalweg as tw


@pytest.fixture
def s() -> tw.Session:
    return tw.Session(parallelism=1, options={"execution.runtime-mode": "streaming"})


@contextmanager
def started(s: tw.Session, work: Callable[[], Any], waiting: str) -> Iterator[None]:
    """Something runs in another thread, until the event that its rows wait for."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    until = time.monotonic() + 10
    while not any(waiting in text for _, text in s.why()) and time.monotonic() < until:
        time.sleep(0.001)
    yield
    thread.join(10)
    assert not thread.is_alive()


def rows(s: tw.Session, name: str, release: threading.Event) -> tw.Dataset:
    def made() -> Iterator[tuple[int]]:
        yield (1,)
        release.wait(10)

    return s.from_iter(made(), "a BIGINT", name=name)


def test_a_running_job_says_what_it_waits_for(s: tw.Session) -> None:
    release = threading.Event()
    rows(s, "readings", release).write_callback(lambda frame: None)
    with started(s, lambda: s.run("rooms"), "readings"):
        assert s.why("rooms") == [
            ("sink1[0]", "waits for input"),
            ("source1[0]", "waits for rows from readings, split 0"),
        ]
        with pytest.raises(tw.ConfigError) as caught:
            s.why("room")
        release.set()
    assert (caught.value.code, caught.value.choices) == ("job-unknown", ("rooms",))
    assert s.why() == []


def test_a_collection_can_be_asked_too(s: tw.Session) -> None:
    release = threading.Event()
    data = rows(s, "readings", release)
    with started(s, data.collect, "readings"):
        assert {name for name, _ in s.why()} == {name for name, _ in s.why("collect")}
        release.set()


def test_several_jobs_of_one_session(s: tw.Session) -> None:
    release = threading.Event()
    first, second = (rows(s, name, release) for name in ("first", "second"))
    with started(s, first.collect, "first"):
        one = len(s.why())
        with started(s, second.collect, "second"):
            assert len(s.why()) == 2 * one
            release.set()


def test_nobody_runs(s: tw.Session) -> None:
    assert s.why() == []
    s.from_iter([(1,)], "a INT").collect(mode="batch")
    with pytest.raises(tw.ConfigError):
        s.why("job")
