"""Which event times may still come: watermarks, their owners, cuts."""

from __future__ import annotations

from thalweg.progress.decisions import Decision, OwnerData, SplitState
from thalweg.progress.lateness import Flags, Micros, late_rows, minus
from thalweg.progress.meeting import Meeting
from thalweg.progress.merge import IDLE, Idle, Progress, WatermarkMerge
from thalweg.progress.owner import WatermarkOwner
from thalweg.progress.split_clock import AHEAD_MAX_US, Advance, ClockData, SplitClock
from thalweg.progress.windows import WindowKind, WindowSpec, WindowVerdict

__all__ = [
    "AHEAD_MAX_US",
    "Advance",
    "ClockData",
    "SplitClock",
    "Decision",
    "OwnerData",
    "SplitState",
    "WatermarkOwner",
    "IDLE",
    "Idle",
    "Progress",
    "WatermarkMerge",
    "Meeting",
    "Flags",
    "Micros",
    "late_rows",
    "minus",
    "WindowKind",
    "WindowSpec",
    "WindowVerdict",
]
