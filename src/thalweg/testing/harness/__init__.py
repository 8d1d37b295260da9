"""Run a job on input that a test writes, one step at a time and in a time of its own."""

from __future__ import annotations

from thalweg.testing.harness.cuts import check_cuts
from thalweg.testing.harness.harness import Input, JobHarness

__all__ = ["JobHarness", "Input", "check_cuts"]
