"""Check a row store against a dictionary of lists.

Not here: accumulators by key (states.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import polars as pl

from thalweg.protocols.state import RowsSpec, StateSpec
from thalweg.testing.contract import check
from thalweg.testing.increments import Followed
from thalweg.testing.read_states import check_read
from thalweg.testing.tables import Table, difference, table_of

_SPEC = RowsSpec(
    "kit",
    {"id": pl.Int64(), "text": pl.String(), "items": pl.List(pl.Int64()), "at": pl.Int64()},
    "at",
)
_ROUNDS = 30


def check_rows(make_state: Callable[[StateSpec], Any], r: Random) -> None:
    """Random rows come and go, group by group."""
    _Script(make_state, r).run()
    _check_owned(make_state(_SPEC))


class _Script:
    def __init__(self, make: Callable[[StateSpec], Any], r: Random) -> None:
        self._make, self._r, self._state = make, r, make(_SPEC)
        self._followed = Followed(self._state, _SPEC)
        self._model: dict[int, Table] = {}

    def run(self) -> None:
        for number in range(_ROUNDS):
            self._add(number)
            self._look("S12", groups_line="S11")
            self._look("S12")
            self._follow()
            self._take()
            if self._r.random() < 0.5:
                # a group that goes and comes again between two increments
                self._add(number)
            self._state.compact()
            self._look("S7")
            if self._r.random() < 0.2:
                self._restore()

    def _add(self, number: int) -> None:
        frame = _frame(number, self._r.randrange(8), self._r)
        # columns in another order, and one that is not declared
        self._state.add(frame.select("at", pl.lit(0).alias("other"), "id", "items", "text"))
        for (group,), part in frame.group_by("at"):
            self._model.setdefault(int(str(group)), Counter()).update(table_of(part))

    def _follow(self) -> None:
        """Take an increment, and then another of nothing but reads."""
        if self._r.random() < 0.5:
            return
        self._check_dump()
        wrong = self._followed.wrong()
        check(wrong is None, "S19", "changes", found=wrong)
        for group in self._state.groups():
            self._state.rows(group)
        check_read(self._state, ["id", "text"], "rows")
        again = self._state.changes()
        check(not again.height, "S20", "changes after reads", expected="no row", found=again)

    def _take(self) -> None:
        if not self._model or self._r.random() < 0.3:
            return
        group = self._r.choice(sorted(self._model))
        wrong = difference(table_of(self._state.take(group)), self._model.pop(group))
        check(wrong is None, "S13", f"take({group})", found=wrong)
        self._look("S13")

    def _look(self, line: str, *, groups_line: str | None = None) -> None:
        groups = list(self._state.groups())
        check(groups == sorted(groups), "S11", "groups()", expected=sorted(groups), found=groups)
        at = groups_line or line
        check(groups == sorted(self._model), at, "groups()", expected=sorted(self._model), found=groups)
        for group, rows in self._model.items():
            found = self._state.rows(group)
            check(found.columns == list(_SPEC.columns), line, f"rows({group})", found=found.columns)
            wrong = difference(table_of(found), rows)
            check(wrong is None, line, f"rows({group})", found=wrong)
        empty = self._state.rows(12345)
        none = empty.height == 0 and empty.schema == pl.Schema(_SPEC.columns)
        check(none, line, "rows() of a group without rows", found=empty)

    def _restore(self) -> None:
        dump = self._check_dump()
        other, half = self._make(_SPEC), dump.height // 2
        other.load(dump[half:])
        other.load(dump[:half])
        self._state, self._followed = other, Followed(other, _SPEC)
        self._look("S6")

    def _check_dump(self) -> pl.DataFrame:
        dump: pl.DataFrame = self._state.dump()
        every: Table = sum(self._model.values(), Counter())
        wrong = difference(table_of(dump), every)
        check(wrong is None, "S6", "dump", found=wrong)
        return dump


def _frame(number: int, count: int, r: Random) -> pl.DataFrame:
    choices: list[list[object]] = [
        [0, 1, 2, 3],
        [None, "a", "b"],
        [None, [], [number]],
        [-5, 0, 7, 1 << 50],
    ]
    rows = [tuple(r.choice(values) for values in choices) for _ in range(count)]
    return pl.DataFrame(rows, schema=dict(_SPEC.columns), orient="row")


def _check_owned(state: Any) -> None:
    """A frame that is changed after it was added or read."""
    frame = pl.DataFrame([(1, "a", [1], 0), (2, "b", [2], 0)], schema=dict(_SPEC.columns), orient="row")
    state.add(frame)
    before = table_of(frame)
    frame[0, "id"] = 99
    wrong = difference(table_of(state.rows(0)), before)
    check(wrong is None, "S14", "the frame was changed after add", found=wrong)
    read = state.rows(0)
    read[0, "id"] = 98
    wrong = difference(table_of(state.rows(0)), before)
    check(wrong is None, "S14", "what rows() gave was changed", found=wrong)
