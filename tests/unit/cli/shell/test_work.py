"""Whatever a statement is busy with, Ctrl-C gives the keyboard back."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from thalweg.cli.shell import work as module
from thalweg.cli.shell.work import Work
from thalweg.session.interrupts import Interrupts


def press_when(ready: threading.Event) -> threading.Thread:
    def press() -> None:
        ready.wait()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


def test_what_it_raises_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        Work(lambda: print(1 / 0)).finish(Interrupts())


def test_python_is_ended_by_an_exception() -> None:
    ready, ended = threading.Event(), threading.Event()

    def spin() -> None:
        try:
            ready.set()
            while True:
                pass
        finally:
            ended.set()

    presser, interrupts, work = press_when(ready), Interrupts(presses=2), Work(spin)
    with pytest.raises(KeyboardInterrupt):
        work.finish(interrupts)
    presser.join()
    assert interrupts.number == signal.SIGINT
    assert ended.is_set()
    assert not work.is_left


def test_what_does_not_listen_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    ready, go_on, after = threading.Event(), threading.Event(), []

    def compute() -> None:
        ready.set()
        go_on.wait()  # as Polars does: nothing reaches a thread that waits for a lock
        after.append("published")

    presser, work = press_when(ready), Work(compute)
    with pytest.raises(KeyboardInterrupt):
        work.finish(Interrupts())
    presser.join()
    assert work.is_left
    go_on.set()
    work.wait()
    assert after == [], "what was left behind publishes nothing"
