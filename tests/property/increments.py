"""Put the increments of a run together, checkpoint by checkpoint, and compare them with the whole state.

Every restored run of the laws begins with the increments, one after the other, never with a dump.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from thalweg.checkpoint.snapshot import JobSnapshot, StateRows
from thalweg.runtime.run import Run
from thalweg.testing.tables import difference, table_of

Key = tuple[str, str, str]


class FollowedRun:
    """The whole state at each checkpoint of a run, from increments alone.

    Args:
        keyed: the state that it begins with.

    Attributes:
        taken: the snapshots, with whole state.
    """

    def __init__(self, keyed: Mapping[Key, StateRows]) -> None:
        self._whole = dict(keyed)
        self._dumps: dict[tuple[str, Key], pl.DataFrame] = {}
        self.taken: list[JobSnapshot] = []

    def watch(self, run: Run) -> None:
        """Note the dump of each state where its increment is taken."""
        parts = run.parts
        inner = parts.state_rows

        def state_rows(task: Any, key: tuple[str, str], state: Any) -> StateRows:
            rows = inner(task, key, state)
            self._dumps[task.name, (task.stage, *key)] = dump = state.dump()
            assert rows.count == dump.height, f"{key} says that it has {rows.count} rows, not {dump.height}"
            return rows

        parts.state_rows = state_rows  # type: ignore[method-assign]

    def take(self, snapshot: JobSnapshot) -> None:
        """A checkpoint is complete: no task goes on before this returns."""
        for key, rows in snapshot.keyed.items():
            pieces = rows.pieces if rows.is_whole else (*self._whole[key].pieces, *rows.pieces)
            found = replace(rows, pieces=pieces, is_whole=True)
            whole = found.frame
            dump = pl.concat([d for (_, k), d in self._dumps.items() if k == key])
            wrong = difference(table_of(whole.select(dump.columns)), table_of(dump)) if dump.width else None
            assert wrong is None, f"the increments of {key} make another state: {wrong}"
            self._whole[key] = found
        self.taken.append(replace(snapshot, keyed=dict(self._whole)))
