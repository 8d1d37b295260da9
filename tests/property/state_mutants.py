"""Bugs put into sessions, joins and corrections: what they keep, merge, forget and take back.

Not here: bugs of everything else (mutants.py).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import numpy as np

from tests.property import laws
from tests.property.laws import Law
from tests.property.mutants import Mutant
from tests.property.worlds import SECOND
from thalweg.columnar.batch import Batch
from thalweg.operators import (
    corrected_sessions,
    join_side,
    session_group,
    session_rows,
    session_table,
    sessions,
)

_TABLES = (laws.late_rows_are_judged, laws.batch_equals_stream)
_IN_TIME = (laws.windows_close_in_time, laws.late_rows_are_judged)


def _moved(seconds: int) -> Any:
    return lambda original: lambda self, time: original(self, time + seconds * SECOND)


# Sessions ------------------------------------------------------------------------------------------------


def _narrower(original: Any) -> Any:
    """Rows that are exactly a gap apart do not meet."""
    return lambda self, context, keys, gap_us: original(self, context, keys, gap_us - 1)


def _keeps_taken_in(original: Any) -> Any:
    """What a session has that another one takes in is lost."""

    def add(self: Any, batch: Batch, slots: Any, gone: Any, into: Any) -> None:
        original(self, batch, slots, gone[:0], into[:0])
        self.table.state.free(gone)

    return add


def _never_late(_: Any) -> Any:
    return lambda times, *rest: np.zeros(len(times), np.bool_)


# Joins ---------------------------------------------------------------------------------------------------


def _takes_late_rows(_: Any) -> Any:
    return lambda self, batch: None


def _once(_: Any) -> Any:
    """A row that is there several times has partners as if it were there once."""
    return lambda self, places: np.ones(len(places), np.int64)


# Corrections ---------------------------------------------------------------------------------------------


def _remembers_nothing(_: Any) -> Any:
    return lambda self, slots, gone: None


Made = Callable[[Any], Any]


def state_mutant(
    name: str, place: tuple[Any, str], made: Made, by: tuple[Law, ...], first_seed: int = 0
) -> Mutant:
    """A bug at a place: what is there, made into something else."""
    target, attribute = place

    def install() -> AbstractContextManager[Any]:
        return mock.patch.object(target, attribute, made(getattr(target, attribute)))

    return Mutant(name, install, by, first_seed)


_GROUPS, _SIDE = session_group.SessionGroupOp, join_side.JoinSide
_RESIZED, _ROWS = corrected_sessions.CorrectedSessionsOp, session_rows.SessionRowsOp

STATE_MUTANTS = (
    state_mutant("sessions close a second early", (_GROUPS, "on_watermark"), _moved(1), _IN_TIME, 25),
    state_mutant("sessions close a second late", (_GROUPS, "on_watermark"), _moved(-1), _IN_TIME, 26),
    state_mutant(
        "rows a gap apart do not meet", (session_table.SessionTable, "__init__"), _narrower, _TABLES, 21
    ),
    state_mutant("sessions lose what they take in", (_GROUPS, "add"), _keeps_taken_in, _IN_TIME, 34),
    state_mutant("late rows join sessions", (sessions, "late_rows"), _never_late, _IN_TIME, 5),
    state_mutant("rows leave sessions early", (_ROWS, "on_watermark"), _moved(2), _TABLES, 147),
    state_mutant("joins take late rows", (_SIDE, "late"), _takes_late_rows, _TABLES, 19),
    state_mutant("joins ignore weights", (join_side.Taken, "weights_at"), _once, _TABLES, 8),
    state_mutant(
        "sessions that have merged stay", (_RESIZED, "_remember"), _remembers_nothing, _IN_TIME, 113
    ),
)
