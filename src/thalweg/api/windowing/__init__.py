"""What windows in Python are made of: assigners, triggers, evictors, aggregators."""

from thalweg.api.windowing.aggregators import Aggregator
from thalweg.api.windowing.assigners import Assigner, Bounds, Calendar, Cumulating, Fixed, Global, Sessions
from thalweg.api.windowing.counts import Counts
from thalweg.api.windowing.evictors import Evictor, LastRows, LastSpan, NearLast
from thalweg.api.windowing.keyed import KeyedWindows
from thalweg.api.windowing.stateful import OfKey, WindowFunction
from thalweg.api.windowing.triggers import (
    FIRE,
    FIRE_AND_PURGE,
    GO_ON,
    PURGE,
    Clock,
    Count,
    Delta,
    Early,
    Facts,
    Fired,
    Trigger,
)
from thalweg.api.windowing.wrappers import AtEnd, Purging

__all__ = [
    "FIRE",
    "FIRE_AND_PURGE",
    "GO_ON",
    "PURGE",
    "Aggregator",
    "Assigner",
    "AtEnd",
    "Bounds",
    "Calendar",
    "Clock",
    "Count",
    "Counts",
    "Cumulating",
    "Delta",
    "Early",
    "Evictor",
    "Facts",
    "Fired",
    "Fixed",
    "Global",
    "KeyedWindows",
    "LastRows",
    "LastSpan",
    "NearLast",
    "OfKey",
    "Purging",
    "Sessions",
    "Trigger",
    "WindowFunction",
]
