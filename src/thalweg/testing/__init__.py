"""Check what users write: jobs by simulating them, plug-ins by the lines of their contracts."""

from __future__ import annotations

from thalweg.testing.contract import LINES, ConformanceError, Line
from thalweg.testing.formats import check_format
from thalweg.testing.harness import Input, JobHarness, check_cuts
from thalweg.testing.lookups import check_lookup
from thalweg.testing.operators import check_operator
from thalweg.testing.programs import Finding, SimulationReport, simulate
from thalweg.testing.runtimes import check_runtime
from thalweg.testing.scripts import Rows
from thalweg.testing.sinks import check_sink
from thalweg.testing.sources import check_source
from thalweg.testing.states import check_state
from thalweg.testing.stores import check_store
from thalweg.testing.transactions import check_transactional

__all__ = [
    "check_source",
    "check_format",
    "check_lookup",
    "check_sink",
    "check_transactional",
    "check_operator",
    "check_state",
    "check_store",
    "check_runtime",
    "simulate",
    "check_cuts",
    "JobHarness",
    "Input",
    "ConformanceError",
    "Finding",
    "Line",
    "LINES",
    "Rows",
    "SimulationReport",
]
