"""Follow the increments of states, and compare what they make with what is there.

Not here: which calls are made in between (states.py, row_states.py, stand.py).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from thalweg.checkpoint.increments import composed, of_task
from thalweg.checkpoint.snapshot import InMemory, JobSnapshot, StateRows, TaskSnapshot, gather
from thalweg.job.job import Job, Stage
from thalweg.protocols.increments import ROW, TASK
from thalweg.protocols.operator import OperatorSpec
from thalweg.protocols.state import StateSpec
from thalweg.runtime.restore import states_of
from thalweg.testing.tables import difference, table_of

States = Mapping[tuple[str, str], Any]
"""The states of one task, by step and name."""


class Followed:
    """The increments of one state since it was made or loaded.

    Example:
        >>> from thalweg.protocols.state import RowsSpec
        >>> from thalweg.state.rows import Rows
        >>> spec = RowsSpec("rows", {"id": pl.Int64(), "at": pl.Int64()}, "at")
        >>> state = Rows(spec)
        >>> followed = Followed(state, spec)
        >>> state.add(pl.DataFrame({"id": [7], "at": [0]}))
        >>> followed.wrong(), followed.last.height
        (None, 1)
    """

    def __init__(self, state: Any, spec: StateSpec) -> None:
        self._state, self._identity = state, spec.identity
        self._whole: pl.DataFrame | None = None
        self.last = pl.DataFrame()
        state.track(whole=True)

    def wrong(self) -> str | None:
        """Take the next increment; says where all so far make something else than the state."""
        self.last = of_task(self._state.changes(), self._identity, 0)
        self._whole = composed(self._identity, [f for f in (self._whole, self.last) if f is not None])
        return _difference(self._whole, self._state.dump())


class Taken:
    """The increments of all states of some tasks, as checkpoints take them, restore them and go on.

    Args:
        specs: the steps of the tasks, whose states these are.
    """

    def __init__(self, specs: Sequence[OperatorSpec]) -> None:
        self._specs = tuple(specs)
        self._declared = {(s.id, d.name): d for s in specs for d in s.states()}
        self._everywhere = {key for key, d in self._declared.items() if d.scope == "broadcast"}
        self._kept: dict[tuple[str, str, str], StateRows] = {}
        self._waiting: list[list[TaskSnapshot]] = []
        self._whole: set[tuple[str, str]] = set()

    def restored(self, tasks: int) -> list[States]:
        """The states of so many tasks, as the last increments have left them; new ones at first."""
        job = Job("kit", (Stage("kit", tasks, self._specs),), ())
        self._gather()
        read = {
            key: replace(rows, pieces=[[InMemory(_through_bytes(p.frame())) for p in q] for q in rows.pieces])
            for key, rows in self._kept.items()
        }
        found = states_of(job, JobSnapshot(1, read, {}))
        made = [found[f"kit[{task}]"] for task in range(tasks)]
        self._whole = {key for states in made for key, state in states.items() if not state.is_known}
        for states in made:
            for key, state in states.items():
                state.state.track(whole=key in self._whole)
        return [{key: state.state for key, state in states.items()} for states in made]

    def take(self, states: Sequence[States]) -> None:
        """The next increment of every state."""
        tasks = []
        for task, own in enumerate(states):
            mine = [(key, s) for key, s in own.items() if not task or key not in self._everywhere]
            keyed = {key: self._rows(key, state, task, len(states)) for key, state in mine}
            tasks.append(TaskSnapshot("kit", task, keyed))
        self._whole = set()
        self._waiting.append(tasks)

    def wrong(self, states: Sequence[States]) -> Iterator[tuple[tuple[str, str], str | None]]:
        """For each state where its increments make something else than what is there, if they do."""
        self._gather()
        for key in self._declared:
            # what every task has is taken from one
            mine = states[:1] if key in self._everywhere else states
            dump = pl.concat([own[key].dump() for own in mine])
            yield key, _difference(self._kept["kit", *key].frame, dump)

    def _gather(self) -> None:
        """Put the increments of all tasks together, as checkpoints have them."""
        waiting, self._waiting = self._waiting, []
        for tasks in waiting:
            for key, rows in gather(1, tasks).keyed.items():
                before = () if rows.is_whole else self._kept[key].pieces
                self._kept[key] = replace(rows, pieces=(*before, *rows.pieces), is_whole=True)

    def _rows(self, key: tuple[str, str], state: Any, task: int, tasks: int) -> StateRows:
        identity = self._declared[key].identity
        frame = of_task(state.changes(), identity, task)
        return StateRows(((InMemory(frame),),), identity, tasks, state.count, key in self._whole)


def _difference(whole: pl.DataFrame, dump: pl.DataFrame) -> str | None:
    """Where the increments put together are something else than the state is."""
    if not dump.width:
        return None
    missing = [n for n in dump.columns if n not in whole.columns]
    if missing:
        return f"increments have no column {missing[0]}"
    extra = set(whole.columns) - {*dump.columns, TASK, ROW}
    if extra:
        return f"increments have another column, {min(extra)}"
    return difference(table_of(whole.select(dump.columns)), table_of(dump))


def _through_bytes(frame: pl.DataFrame) -> pl.DataFrame:
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    buffer.seek(0)
    return pl.read_ipc(buffer)
