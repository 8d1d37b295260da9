"""What was there before a job is kept from Python's collector, by whoever asks first."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from thalweg.base import collector


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(collector, "_kept", [])
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.enable()


def test_the_first_gives_back_what_is_kept() -> None:
    with collector.frozen():
        with collector.frozen():
            pass
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def test_a_job_gives_back_nothing_that_the_process_keeps() -> None:
    collector.keep()
    kept = gc.get_freeze_count()
    with collector.frozen():
        pass
    assert gc.get_freeze_count() >= kept > 0


def test_an_error_gives_back_what_is_kept() -> None:
    with pytest.raises(ValueError, match="x"), collector.frozen():
        raise ValueError("x")
    assert gc.get_freeze_count() == 0


def test_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting goes through all that is kept: 15 ms for the objects of the libraries, at each job."""
    monkeypatch.setattr(gc, "get_freeze_count", None)
    collector.keep()
    with collector.frozen():
        pass


def test_a_pause_within_a_pause_stays_one() -> None:
    with collector.paused():
        with collector.paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
