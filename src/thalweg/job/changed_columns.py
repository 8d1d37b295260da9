"""Decide what becomes of the columns of a state whose types a changed program has changed.

A column that is new begins with its initial value. One of another type goes through the function that the
program has for it, or is read as it is where that is possible (base/changed_types.py); else nothing goes on.
One that is gone has to be given up by its name.

Used by: upgrade.py. Not here: changing the values (state/migration.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from thalweg.base.changed_types import shown, unfit
from thalweg.job.shape import KeptColumn

Fate = Literal["begins", "gone", "read", "function", "refused"]


@dataclass(frozen=True)
class ChangedColumn:
    """A column that is not what it was.

    Attributes:
        state, name: which one.
        fate: it begins; it is gone; it is read as it is, or through the program's function, or cannot be.
        why: in words.
    """

    state: str
    name: str
    fate: Fate
    why: str


Changes: TypeAlias = tuple[ChangedColumn, ...]


def changes(before: Sequence[KeptColumn], after: Sequence[KeptColumn]) -> Changes:
    """What is another than it was."""
    return tuple(_changes(before, after))


def _changes(before: Sequence[KeptColumn], after: Sequence[KeptColumn]) -> Iterator[ChangedColumn]:
    old = {(c.state, c.name): c for c in before}
    new = {(c.state, c.name): c for c in after}
    for key, column in new.items():
        if key not in old:
            yield ChangedColumn(*key, "begins", f"is new: {shown(column.type)}")
        elif old[key].type != column.type:
            yield _changed(old[key], column)
    for key, column in old.items():
        if key not in new:
            yield ChangedColumn(*key, "gone", f"is gone: {shown(column.type)}")


def _changed(old: KeptColumn, new: KeptColumn) -> ChangedColumn:
    key = (new.state, new.name)
    # whoever has written a function wants it called
    if new.is_migrated:
        return ChangedColumn(*key, "function", f"was {shown(old.type)}: by its function")
    why = unfit(old.type, new.type)
    if why is None:
        return ChangedColumn(*key, "read", f"was {shown(old.type)}, and is read as {shown(new.type)}")
    return ChangedColumn(*key, "refused", why)


def lines_of(changed: Iterable[ChangedColumn]) -> Iterator[str]:
    """A line for each."""
    for column in changed:
        yield f"{column.name} {column.why}"
