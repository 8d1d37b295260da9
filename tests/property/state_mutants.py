"""Bugs put into sessions, joins and corrections: what they keep, merge, forget and take back.

Not here: bugs of everything else (mutants.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    corrected_group,
    corrected_rank,
    corrected_sessions,
    corrections,
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


def _settles_early(original: Any) -> Any:
    def settle(self: Any, watermark: int | None) -> None:
        self._added += 1 << 40
        original(self, None if watermark is None else watermark + 10 * SECOND)

    return settle


def _takes_late_rows(_: Any) -> Any:
    return lambda self, batch: None


def _only_more(original: Any) -> Any:
    """Partners that go are not counted."""
    return lambda self, rows, amounts: original(self, rows, np.maximum(amounts, 0))


def _once(_: Any) -> Any:
    """A row that is there several times has partners as if it were there once."""
    return lambda self, places: np.ones(len(places), np.int64)


def _no_key_flips(original: Any) -> Any:
    return lambda self: original(self).head(0)


# Corrections ---------------------------------------------------------------------------------------------


def _takes_nothing_back(original: Any) -> Any:
    def emitted(self: Any, frames: Any) -> Iterator[Batch]:
        for out in original(self, frames):
            yield out if out.weight is None else out.filter(out.weight > 0)

    return emitted


def _forgets_early(original: Any) -> Any:
    return lambda self, final: original(self, final + 3 * SECOND)


def _corrects_nothing(_: Any) -> Any:
    return lambda self: iter(())


def _remembers_nothing(_: Any) -> Any:
    return lambda self, slots, gone: None


def _settles_nothing_at_cuts(_: Any) -> Any:
    return lambda self, number: iter(())


Made = Callable[[Any], Any]


def _mutant(
    name: str, place: tuple[Any, str], made: Made, by: tuple[Law, ...], first_seed: int = 0
) -> Mutant:
    target, attribute = place

    def install() -> AbstractContextManager[Any]:
        return mock.patch.object(target, attribute, made(getattr(target, attribute)))

    return Mutant(name, install, by, first_seed)


_GROUPS, _SIDE = session_group.SessionGroupOp, join_side.JoinSide
_CORRECTED, _RESIZED = corrected_group.CorrectedGroupOp, corrected_sessions.CorrectedSessionsOp

STATE_MUTANTS = (
    _mutant("sessions close a second early", (_GROUPS, "on_watermark"), _moved(1), _IN_TIME),
    _mutant("sessions close a second late", (_GROUPS, "on_watermark"), _moved(-1), _IN_TIME),
    _mutant("rows a gap apart do not meet", (session_table.SessionTable, "__init__"), _narrower, _TABLES),
    _mutant("sessions lose what they take in", (_GROUPS, "add"), _keeps_taken_in, _IN_TIME),
    _mutant("late rows join sessions", (sessions, "late_rows"), _never_late, _IN_TIME),
    _mutant("rows leave sessions early", (session_rows.SessionRowsOp, "on_watermark"), _moved(2), _TABLES),
    _mutant("joins forget rows early", (_SIDE, "settle"), _settles_early, _TABLES),
    _mutant("joins take late rows", (_SIDE, "late"), _takes_late_rows, _TABLES),
    _mutant("partners that go are not noticed", (_SIDE, "count"), _only_more, _TABLES),
    _mutant("joins ignore weights", (join_side.Taken, "weights_at"), _once, _TABLES),
    _mutant("the first partner is not noticed", (_SIDE, "flipped_keys"), _no_key_flips, _TABLES),
    _mutant(
        "corrections take nothing back", (corrections.Corrections, "emitted"), _takes_nothing_back, _TABLES
    ),
    _mutant("windows are forgotten before their lateness", (_CORRECTED, "_forget"), _forgets_early, _IN_TIME),
    _mutant("windows are corrected at the end only", (_CORRECTED, "_settle"), _corrects_nothing, _IN_TIME),
    _mutant("sessions that have merged stay", (_RESIZED, "_remember"), _remembers_nothing, _IN_TIME),
    _mutant(
        "ranks are corrected at the end only",
        (corrected_rank.CorrectedRankOp, "on_cut"),
        _settles_nothing_at_cuts,
        (laws.cuts_are_consistent,),
    ),
)
