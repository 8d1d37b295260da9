"""Tell whether two jobs do the same, as far as their state is concerned.

Not here: what becomes of the state of a job that has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from thalweg.job.job import Job, describe
from thalweg.protocols.state import ColumnsSpec, MultimapSpec, RowsSpec, StateSpec


def fingerprint(job: Job) -> str:
    """A hash of the steps, their state and their edges; parallelism is not part of it.

    Example:
        >>> fingerprint(Job("a", (), ())) == fingerprint(Job("b", (), ()))
        True
    """
    lines = [*describe(job.with_parallelism(1)).splitlines(), *_states(job)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _states(job: Job) -> Iterable[str]:
    for stage in job.stages:
        for operator in stage.operators:
            for state in operator.states():
                yield f"{stage.id} {operator.id} {declared(state)}"


def declared(state: StateSpec, *, to_match: bool = False) -> str:
    """A state in words: kind, name, columns and their types; to match it, without what may change."""
    if isinstance(state, ColumnsSpec):
        told = "" if state.may_change and to_match else f" {dict(state.columns)}"
        return f"columns {state.name} {dict(state.key)}{told}"
    if isinstance(state, MultimapSpec):
        return f"multimap {state.name} {dict(state.columns)} {state.key} {state.counters} {state.is_updating}"
    assert isinstance(state, RowsSpec), "the kinds of state are a closed list"
    return f"rows {state.name} {dict(state.columns)} {state.group}"
