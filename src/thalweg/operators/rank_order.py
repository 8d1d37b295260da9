"""Keep the rows of each key in order: in trees, or, for columns that only Polars can order, by sorting again.

Rows are slots of the state that holds them. What is asked for is the beginning of a key's order, up to a
number, and whatever was shown under a number before.

Not here: the numbers, and what is emitted (running_rank.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from thalweg.columnar.allocation import grown
from thalweg.columnar.ascending import ascending
from thalweg.columnar.eager import beside, numbers
from thalweg.columnar.index import KeyIndex
from thalweg.columnar.key_order import KeyOrder, Order
from thalweg.columnar.keys import can_order
from thalweg.columnar.members import Members
from thalweg.columnar.trees import DENSE_RANK, RANK, ROW_NUMBER, Trees
from thalweg.operators.window_rank import WindowRankSpec, ordered_rows, turns_ties
from thalweg.protocols.state import KeyedColumns

if TYPE_CHECKING:
    from thalweg.operators.running_rank import RunningRankSpec

Array = np.ndarray[Any, Any]

ROWS, FIRST, SHOWN = "__rows", "__first", "__shown"
"""Of a row: how often it is there, its (first) number when it was last emitted, and how often it was."""
KINDS = {"row_number": ROW_NUMBER, "rank": RANK, "dense_rank": DENSE_RANK}
_KEY, _TIED, _SLOT = "__key", "__tied", "__slot"
_NO_LIMIT = 1 << 62


class Leading(NamedTuple):
    """Rows in order, key by key.

    Attributes:
        slots: of the rows.
        keys: the number of the key of each.
        ties: equal for neighbours that tie.
    """

    slots: Array
    keys: Array
    ties: Array


class RankOrder(Protocol):
    """The rows of each key in order; keys have numbers."""

    def add_new(self) -> None:
        """The rows that the state has just made slots for."""
        ...

    def keys_of(self, slots: Array) -> Array:
        """The number of the key of each row."""
        ...

    def leading(self, keys: Array) -> Leading:
        """The rows of keys, at least those that have a number within the limit or were shown."""
        ...

    def shown(self, keys: Array, changes: Array) -> None:
        """How many rows more of these keys are shown now; a key may be named often."""
        ...

    def remove(self, slots: Array) -> None:
        """Rows that go, while the state still has them; a key without rows is forgotten."""
        ...


def rank_order(spec: RunningRankSpec, state: KeyedColumns) -> RankOrder:
    """The order of the rows in a state, as fast as their types allow."""
    order = [(k.column, k.descending, k.puts_nulls_first) for k in spec.order]
    is_turned = turns_ties(spec.order)
    ties = [(n, is_turned, not is_turned) for n in spec.ties]
    if all(can_order(spec.columns[name]) for name, *_ in (*order, *ties)):
        return TreeOrder(spec, state, [*order, *ties])
    return SortedOrder(spec, state)


class _Keys:
    """The number of each row's key."""

    def __init__(self, state: KeyedColumns, partition: Sequence[str]) -> None:
        self._state, self._partition = state, list(partition)
        self._index = KeyIndex(1)
        self._of = np.empty(0, np.int64)

    def number(self, fresh: Array) -> Array:
        """Give new rows the number of their key."""
        if len(self._of) < self._state.capacity:
            self._of = grown(self._of, self._state.capacity)
        found = self._index.insert(self._state.words(fresh, self._partition))
        self._of[fresh] = found
        return found

    def of(self, slots: Array) -> Array:
        found: Array = self._of[slots]
        return found

    def forget(self, keys: Array) -> None:
        self._index.free(keys)


class TreeOrder:
    """One tree per key: what is not near the beginning of the order is not looked at."""

    def __init__(self, spec: RunningRankSpec, state: KeyedColumns, order: list[Order]) -> None:
        self._state, self._order = state, order
        limit = _NO_LIMIT if spec.limit is None else spec.limit
        self._stop = (len(spec.order), KINDS[spec.kind], limit)
        self._keys, self._trees = _Keys(state, spec.partition), Trees()
        self._shown = np.zeros(0, np.int64)
        live = state.live()
        if len(live):
            keys = self._added(live)
            self.shown(keys, (state.column(SHOWN)[live] > 0).astype(np.int64))

    def _ordered(self) -> KeyOrder:
        return self._state.order(self._order)

    def _added(self, fresh: Array) -> Array:
        keys = self._keys.number(fresh)
        self._trees.add(fresh, keys, self._ordered())
        most = int(keys.max()) + 1
        if most > len(self._shown):
            self._shown = grown(self._shown, max(2 * len(self._shown), most))
        return keys

    def add_new(self) -> None:
        if len(self._state.last_new):
            self._added(self._state.last_new.copy())

    def keys_of(self, slots: Array) -> Array:
        return self._keys.of(slots)

    def leading(self, keys: Array) -> Leading:
        known = self._state.column(ROWS), self._state.column(SHOWN), self._shown
        return Leading(*self._trees.leading(keys, self._ordered(), self._stop, known))

    def shown(self, keys: Array, changes: Array) -> None:
        np.add.at(self._shown, keys, changes)

    def remove(self, slots: Array) -> None:
        keys = self._keys.of(slots)
        np.subtract.at(self._shown, keys, self._state.column(SHOWN)[slots] > 0)
        self._trees.remove(slots, keys, self._ordered())
        keys = ascending(keys)
        self._keys.forget(keys[self._trees.is_empty(keys)])


class SortedOrder:
    """All rows of a key are put in order whenever one of them changes."""

    def __init__(self, spec: RunningRankSpec, state: KeyedColumns) -> None:
        self._spec, self._state = spec, state
        self._keys, self._members = _Keys(state, spec.partition), Members()
        live = state.live()
        if len(live):
            self._added(live)

    def _added(self, fresh: Array) -> None:
        keys = self._keys.number(fresh)
        self._members.add(fresh, keys, self._state.capacity, int(keys.max()) + 1)

    def add_new(self) -> None:
        if len(self._state.last_new):
            self._added(self._state.last_new.copy())

    def keys_of(self, slots: Array) -> Array:
        return self._keys.of(slots)

    def leading(self, keys: Array) -> Leading:
        slots, owners = self._members.of(keys)
        frame = beside(self._state.keys(slots), [numbers(_KEY, owners), numbers(_SLOT, slots)])
        spec = self._spec
        rank = WindowRankSpec("", spec.columns, (), spec.order, spec.kind, None, None, "", 0, spec.partition)
        ordered = ordered_rows(frame.lazy(), rank, (_KEY,)).select(_SLOT, _KEY, _TIED).collect()
        return Leading(*(c.to_numpy() for c in ordered.get_columns()))

    def shown(self, keys: Array, changes: Array) -> None:
        """All rows are looked at anyway."""

    def remove(self, slots: Array) -> None:
        keys = ascending(self._keys.of(slots))
        self._members.remove(slots)
        self._keys.forget(self._members.without(keys))
