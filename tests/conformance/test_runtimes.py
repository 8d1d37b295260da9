"""Every runtime keeps its contract."""

from __future__ import annotations

import pytest

from tests.restless import restless
from thalweg.runtime.inline import run_inline
from thalweg.runtime.threads import run_threads
from thalweg.testing import check_runtime


@pytest.mark.slow
def test_inline() -> None:
    check_runtime(run_inline)


@pytest.mark.slow
def test_threads() -> None:
    check_runtime(run_threads)


@pytest.mark.slow
def test_threads_that_share_and_take_back() -> None:
    with restless() as decided:
        check_runtime(run_threads)
    assert {True, False} <= set(decided)
