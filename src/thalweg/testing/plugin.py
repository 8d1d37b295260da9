"""Fixtures for pytest: a job under test, which is given up when the test is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from thalweg.testing.harness import JobHarness


@pytest.fixture
def job_harness() -> Iterator[JobHarness]:
    """A `thalweg.testing.JobHarness` of one task for each step."""
    # imported here: tests that do not use it pay nothing
    from thalweg.testing.harness import JobHarness

    with JobHarness() as job:
        yield job
