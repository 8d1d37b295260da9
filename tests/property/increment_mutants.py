"""Bugs put into increments: changes of state that are not noted.

Not here: bugs of what is kept (state_mutants.py).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from tests.property import laws
from tests.property.state_mutants import state_mutant
from thalweg.protocols.increments import GONE
from thalweg.state import marks, memory, multimap, rows

_RESTORED = (laws.restore_anywhere,)


def _says_nothing(_: Any) -> Any:
    return lambda self, touched: None


def _nothing_has_gone(original: Any) -> Any:
    def forget(self: Any, numbers: Any) -> Any:
        return original(self, numbers)[:0]

    return forget


def _stays(original: Any) -> Any:
    def take(self: Any, group: int) -> pl.DataFrame:
        self._known.discard(group)
        taken: pl.DataFrame = original(self, group)
        return taken

    return take


def _the_first_only(original: Any) -> Any:
    """Of rows that come together one is noted."""
    return lambda self, numbers: original(self, numbers[:1])


def _only_what_is_marked(original: Any) -> Any:
    """Of a frame in which some rows are marked as gone, those without a mark are forgotten."""

    def without_gone(self: Any, frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
        return original(self, frame.filter(pl.col(GONE).is_not_null()), names)  # type: ignore[no-any-return]

    return without_gone


INCREMENT_MUTANTS = (
    state_mutant("groups change unnoted", (memory.KeyedColumns, "touch"), _says_nothing, _RESTORED, 10),
    state_mutant("partners change unnoted", (multimap.Multimap, "touch"), _says_nothing, _RESTORED, 120),
    state_mutant("rows go unnoted", (marks.Marks, "forget"), _nothing_has_gone, _RESTORED, 1),
    state_mutant("groups of rows go unnoted", (rows.Rows, "take"), _stays, _RESTORED, 1),
    state_mutant("most changes go unnoted", (marks.Marks, "touch"), _the_first_only, _RESTORED, 1),
    state_mutant(
        "rows beside gone ones are lost",
        (memory.KeyedColumns, "_without_gone"),
        _only_what_is_marked,
        _RESTORED,
        9,
    ),
)
