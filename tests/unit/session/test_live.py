"""The state of a running job can be read: by key and as a whole, as of a cut, while the job goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import CheckpointError, ConfigError
from thalweg.session.handle import JobHandle


class Visits(tw.ProcessFunction):
    """How often a user came, and where."""

    pages: dict[str, int]
    total: int = 0

    def on_event(self, row):
        self.total += 1
        self.pages[row.page] = self.pages.get(row.page, 0) + 1
        yield row.user, self.total


class Feed:
    """Rows that come when the test says so, from a generator that otherwise waits."""

    def __init__(self) -> None:
        self._more = threading.Condition()
        self._rows: list[dict[str, Any]] = []
        self._is_over = False

    def push(self, *rows: dict[str, Any]) -> None:
        with self._more:
            self._rows += rows
            self._more.notify()

    def end(self) -> None:
        with self._more:
            self._is_over = True
            self._more.notify()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            with self._more:
                self._more.wait_for(lambda: self._rows or self._is_over)
                taken, self._rows = self._rows, []
                is_over = self._is_over
            yield from taken
            if is_over:
                return


@contextmanager
def running(session: tw.Session, feeds: list[Feed], name: str = "visits") -> Iterator[JobHandle]:
    """The queued job in another thread; it has ended behind this."""
    handles: list[JobHandle] = []
    begun = threading.Event()

    def start(handle: JobHandle) -> None:
        handles.append(handle)
        begun.set()

    session.on_start = start
    failed: list[BaseException] = []

    def run() -> None:
        try:
            session.run(name, mode="stream")
        except BaseException as error:
            failed.append(error)
            begun.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert begun.wait(10)
        if failed:
            raise failed[0]
        yield handles[0]
    finally:
        for feed in feeds:
            feed.end()
        thread.join(20)
    if failed:
        raise failed[0]


def counted(parallelism: int = 2) -> tuple[tw.Session, Feed]:
    feed, session = Feed(), tw.Session(parallelism=parallelism)
    rows = session.from_iter(feed, "user BIGINT, page STRING", name="clicks")
    rows.group_by("user").agg(n=tw.count()).write_callback(lambda frame: None, changes=True)
    return session, feed


def test_rows_as_of_the_next_cut() -> None:
    session, feed = counted()
    with running(session, [feed]) as job:
        [step] = job.live.states.rows(named=True)
        assert (step["operator"], step["state"], step["keys"]) == ("group1.group", "groups", ["user"])
        feed.push(*({"user": n % 3, "page": "a"} for n in range(10)))
        while job.rows_read < 10:
            pass
        print(job.live.state("group1.group"))
        print(job.live.state("group1.group", key={"user": 1}))


def test_over_the_socket() -> None:
    from thalweg.cli.entry import run as cli
    session, feed = counted()
    with running(session, [feed]) as job:
        feed.push(*({"user": n % 3, "page": "a"} for n in range(10)))
        while job.rows_read < 10:
            pass
        live = tw.session.live.LiveState.at("visits") if False else __import__("thalweg.session.live").session.live.LiveState.at("visits")
        print(live.states)
        print(live.state("group1.group"))
        print(live.state("group1.group", key={"user": 1}))
        for a in (["state","visits"],["state","visits","group1.group","--key","user=2"],["state","visits","group1.group","--format","csv"],["state","visits","group1.group","--format","json"],["state","visits","group1.grup"],["state","visits","group1.group","--key","use=1"],["state","visits","group1.group","--key","user=x"],["state","visits","group1.group","-o","/tmp/h-live-own/x.arrows","--format","arrow"]):
            print(cli(a))
        print(pl.read_ipc_stream("/tmp/h-live-own/x.arrows"))
