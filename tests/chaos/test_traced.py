"""A call to the system that fails in SQLite or in a sync costs no row; `make faults-long` tries every one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import job
from tests.chaos.traced import CALLS, count, failed, untraced, why_not


@pytest.fixture(scope="module", autouse=True)
def tracing() -> None:
    """Processes can be traced."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)


@pytest.mark.slow
@pytest.mark.sampled(3)
@pytest.mark.parametrize(("name", "nth"), [("sqlite-write", 70), ("sqlite-sync", 12), ("files-sync", 9)])
def test_a_call_that_fails_costs_no_row(tmp_path: Path, name: str, nth: int) -> None:
    job.write_input(tmp_path / "input")
    call = CALLS[name]
    first = failed(call, nth, tmp_path / "input", tmp_path)
    assert first.returncode == 0 or "cannot be written" in first.stderr
    assert untraced(call, tmp_path / "input", tmp_path).returncode == 0
    assert job.wrong_rows(call.sinks, tmp_path / "out") == {}


@pytest.mark.slow
def test_calls_are_counted(tmp_path: Path) -> None:
    job.write_input(tmp_path / "input")
    assert 6 <= count(CALLS["sqlite-sync"], tmp_path / "input", tmp_path) <= 40
