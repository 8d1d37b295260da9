"""Say whether the result of a user's job can change: run it often, each time disturbed in another way."""

from __future__ import annotations

from thalweg.testing.programs.report import Finding, SimulationReport
from thalweg.testing.programs.simulate import simulate

__all__ = ["Finding", "SimulationReport", "simulate"]
