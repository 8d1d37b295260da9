"""Compare two checkpoints: which keys of a state only one of them has, and which have other values.

Not here: reading checkpoints (history.py), how a difference is shown (cli/).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from thalweg.checkpoint.snapshot import JobSnapshot, StateRows
from thalweg.protocols.increments import ROW, TASK

_COUNT = "__difference_count"
_OTHER = "_other"


@dataclass(frozen=True)
class StateDifference:
    """One state in two checkpoints.

    Attributes:
        stage, operator, state: which.
        key: the columns that tell rows apart; none: rows have no key, and are the same or not.
        only_here: rows whose key only the first has.
        only_there: rows whose key only the second has.
        changed: of keys that both have, those with other values: the key, and each value twice, that of the
            second as `NAME_other`.
        same_count: how many rows are the same in both.
    """

    stage: str
    operator: str
    state: str
    key: tuple[str, ...]
    only_here: pl.DataFrame
    only_there: pl.DataFrame
    changed: pl.DataFrame
    same_count: int

    @property
    def is_same(self) -> bool:
        """Whether there is no difference."""
        return not (self.only_here.height or self.only_there.height or self.changed.height)


def differences(here: JobSnapshot, there: JobSnapshot) -> Iterator[StateDifference]:
    """What tells the states of two checkpoints apart; a state that one of them has not is empty there."""
    for key in sorted({*here.keyed, *there.keyed}):
        first, second = here.keyed.get(key), there.keyed.get(key)
        yield _difference(key, first, second)


def _difference(
    key: tuple[str, str, str], first: StateRows | None, second: StateRows | None
) -> StateDifference:
    known = first or second
    assert known is not None, "one of them has the state"
    here, there = (known.frame.clear() if s is None else s.frame for s in (first, second))
    here, there = (f.drop(TASK, ROW, strict=False) for f in (here, there))
    identity = known.identity
    has_keys = identity.change == "row" and not identity.is_of_task
    names = identity.columns if has_keys else ()
    if here.schema != there.schema:
        # of changed programs: the columns are others, so that no row can be the same
        return StateDifference(*key, names, here, there, here.clear(), 0)
    if has_keys:
        made = _by_key(here, there, list(names))
    else:
        made = _by_row(here, there)
    return StateDifference(key[0], key[1], key[2], names, *made)


def _by_key(
    here: pl.DataFrame, there: pl.DataFrame, names: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, int]:
    """Rows that are told apart by their keys; without key columns there is one row."""
    values = [n for n in here.columns if n not in names]
    suffix = _OTHER
    while any(f"{n}{suffix}" in here.columns for n in values):
        suffix += "_"
    other = there.rename({n: f"{n}{suffix}" for n in values})
    if names:
        on = list(names)
        only_here = here.join(there, on=on, how="anti", nulls_equal=True, maintain_order="left")
        only_there = there.join(here, on=on, how="anti", nulls_equal=True, maintain_order="left")
        both = here.join(other, on=on, how="inner", nulls_equal=True, maintain_order="left")
    else:
        is_in_both = bool(here.height and there.height)
        only_here, only_there = (f.clear() if is_in_both else f for f in (here, there))
        both = here.hstack(other) if is_in_both else here.clear().hstack(other.clear())
    differs = [pl.col(n).ne_missing(pl.col(f"{n}{suffix}")) for n in values]
    changed = both.filter(pl.any_horizontal(differs)) if differs else both.clear()
    pairs = [column for n in values for column in (n, f"{n}{suffix}")]
    return only_here, only_there, changed.select(*names, *pairs), both.height - changed.height


def _by_row(here: pl.DataFrame, there: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, int]:
    """Rows without keys: each as often as one has it and the other not."""
    first, second = _more(here, there), _more(there, here)
    return first, second, here.clear(), here.height - first.height


def _more(here: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """The rows of one frame that the other has not, or has less often."""
    names = here.columns
    if not names:
        return here.clear()
    numbered = [
        f.with_columns(pl.int_range(pl.len()).over(names).alias(_COUNT))
        if f.height
        else f.with_columns(pl.lit(0, pl.Int64).alias(_COUNT))
        for f in (here, there)
    ]
    found = numbered[0].join(
        numbered[1], on=[*names, _COUNT], how="anti", nulls_equal=True, maintain_order="left"
    )
    return found.drop(_COUNT)
