"""The kinds of state that an operator may declare, and what it may do with each.

An operator declares its state as plain values; the runtime makes the state and hands it in. Slots are
dense numbers that stand for keys; they never leave the process.

Not here: how a kind is kept (state/), how it reaches a checkpoint (checkpoint/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
import polars as pl

from thalweg.base.changed_types import Shape
from thalweg.base.codecs import Codec
from thalweg.protocols.increments import ROW, TASK, Identity

if TYPE_CHECKING:
    # The dictionary's module loads the compiler, which reading declarations must not.
    from thalweg.columnar.dictionary import Dictionary
    from thalweg.columnar.key_order import KeyOrder, Order

Array = np.ndarray[Any, Any]
Scope = Literal["keyed", "split", "broadcast", "list"]
"""How state moves when the number of tasks changes."""
ColumnKind = Literal["int64", "float64", "bool", "bytes", "object"]


WEIGHT, COUNTER = "__state_weight", "__state_counter "
"""In rows of a multimap: the column of weights, and what names of counters begin with."""


@runtime_checkable
class StateSpec(Protocol):
    """The declaration of one state: a plain value."""

    @property
    def name(self) -> str:
        """Unique within the operator."""
        ...

    @property
    def scope(self) -> Scope:
        """How the state moves at a rescale."""
        ...

    @property
    def identity(self) -> Identity:
        """What makes a row of one increment the same as one of another."""
        ...


@dataclass(frozen=True)
class ColumnSpec:
    """One column of accumulators.

    Attributes:
        kind: what the array holds; `bytes` columns hold codes into a dictionary of their own, -1 is NULL;
            `object` columns hold values of Python, and bytes in a dump.
        initial: the value in a new slot: an int, float or bool; for `bytes` a bytes object or None; for
            `object` None.
        codec: of an `object` column: how values become bytes.
        migrate: makes a value of one that was kept as another type.
        taken_over: the value for keys of an earlier program that had no such column; None: the initial one.
    """

    kind: ColumnKind
    initial: int | float | bool | bytes | None = 0
    codec: Codec | None = None
    migrate: Callable[[Any], Any] | None = field(default=None, compare=False, repr=False)
    taken_over: int | None = None

    @property
    def shape(self) -> Shape:
        """Its type, as plain data."""
        return self.kind.removesuffix("64") if self.codec is None else self.codec.shape


@dataclass(frozen=True)
class ColumnsSpec:
    """Columns of accumulators per key.

    Attributes:
        name: unique within the operator.
        key: the key columns and their types; none at all means one single slot.
        columns: the accumulators by name.
        scope: moves by the partition of the key.
        partition: the key columns that decide the partition, in the order of the exchange; None: all of them.
        may_change: whether a changed program may take over columns of other types (see `ColumnSpec.migrate`).
        is_brief: whether the operator uses it as `BriefColumns` only, so that not all rows need be in memory.

    Example:
        >>> spec = ColumnsSpec("counts", {"user": pl.String()}, {"n": ColumnSpec("int64")})
        >>> spec.stored("n"), spec.stored("user")
        ('n', '__state_user')
    """

    name: str
    key: Mapping[str, pl.DataType]
    columns: Mapping[str, ColumnSpec] = field(default_factory=dict)
    scope: Scope = "keyed"
    partition: tuple[str, ...] | None = None
    may_change: bool = False
    is_brief: bool = False

    def stored(self, column: str) -> str:
        """The name of a column in `dump`: its own, unless a key column has that name."""
        while column in self.key:
            column = f"__state_{column}"
        return column

    @property
    def identity(self) -> Identity:
        """A key has one row."""
        key = tuple(self.key)
        return Identity("row", key, key if self.partition is None else self.partition)


@dataclass(frozen=True)
class RowsSpec:
    """Whole rows, grouped by a number such as the end of their window.

    Attributes:
        name: unique within the operator.
        columns: the columns of the rows and their types; one of them is `group`, of type Int64.
        group: the column that groups them.
        partition: the columns that decide the partition, in the order of the exchange.
        scope: moves by the partition of the row.
    """

    name: str
    columns: Mapping[str, pl.DataType]
    group: str
    partition: tuple[str, ...] = ()
    scope: Scope = "keyed"

    @property
    def identity(self) -> Identity:
        """The rows of a group go together, in each task by itself."""
        return Identity("group", (TASK, self.group))


@dataclass(frozen=True)
class MultimapSpec:
    """Whole rows, found by key; a key may have many.

    Attributes:
        name: unique within the operator.
        columns: the columns of the rows and their types, key columns included.
        key: the columns by which rows are found, never NULL; none at all: all rows are found together.
        is_updating: whether equal rows are one row with a weight; else rows are only added, and kept apart.
        counters: names of int64 columns that are kept for each row, 0 in a new one.
        partition: the columns that decide the partition, in the order of the exchange.
        scope: moves by the partition of the row.
    """

    name: str
    columns: Mapping[str, pl.DataType]
    key: tuple[str, ...]
    is_updating: bool = True
    counters: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()
    forgets: bool = True
    """Whether rows are freed; where they never are, there is no weight and no owner of a row to ask for."""
    scope: Scope = "keyed"

    @property
    def identity(self) -> Identity:
        """Rows that can be taken back are known by their values, others by a number."""
        if self.is_updating:
            return Identity("row", tuple(self.columns), self.partition)
        return Identity("row", (TASK, ROW)) if self.forgets else Identity("added")


class Multimap(Protocol):
    """Rows by key, each with a number, a weight and counters.

    Arrays may be replaced whenever rows are added: fetch them afterwards, never keep them. Row numbers hold
    until `compact`; those of freed rows may be given again.
    """

    def slots(self, keys: pl.DataFrame) -> Array:
        """The slot of each key, given as columns in the order of `key`; a key without one gets one."""
        ...

    def find(self, keys: pl.DataFrame) -> Array:
        """The slot of each key, or -1."""
        ...

    def add(self, frame: pl.DataFrame, slots: Array, weights: Array) -> Array:
        """Add rows to keys (no weights: all 1), and give their numbers; equal rows may share one."""
        ...

    def pairs(self, slots: Array, rows_max: int) -> Iterator[tuple[Array, Array]]:
        """(place in `slots`, row) for each row of each key, in bounded parts; -1 has no rows."""
        ...

    def frame(self, rows: Array, names: Sequence[str] | None = None) -> pl.DataFrame:
        """The columns of rows, in this order; only those of some names, in their order."""
        ...

    def weights(self, rows: Array) -> Array:
        """The weights of rows."""
        ...

    def counter(self, name: str) -> Array:
        """A counter by row number; who writes to it names the rows to `touch`."""
        ...

    def touch(self, rows: Array) -> None:
        """The counters of these rows change, or may."""
        ...

    def owners(self, rows: Array) -> Array:
        """The slots of the keys of rows."""
        ...

    def keys(self, slots: Array) -> pl.DataFrame:
        """The keys of slots, as columns in the order of `key`."""
        ...

    @property
    def capacity(self) -> int:
        """More than any row number."""
        ...

    @property
    def count(self) -> int:
        """How many rows there are."""
        ...

    @property
    def totals(self) -> Array:
        """The sum of weights by slot."""
        ...

    def free(self, rows: Array) -> None:
        """Forget rows, each named once; a key without rows is forgotten too."""
        ...

    def live(self) -> Array:
        """The numbers of all rows, ascending."""
        ...

    def compact(self) -> Array | None:
        """Give back memory of rows that have gone; where that pays, rows are numbered anew.

        Returns:
            The new number of each row by the old one, -1 for those that have gone; None if numbers hold.
        """
        ...


class RowStore(Protocol):
    """Whole rows, in groups.

    Contract:
        S11 `groups` lists the groups that have rows, ascending.
        S12 `rows` gives the rows added to a group, each as often as it was added, and changes nothing.
        S13 `take` gives the same rows and forgets the group, and no other.
        S14 what was added is kept: later changes of the frame or of what was read do not reach it.

    Checked by: `thalweg.testing.check_state`, with S6 and S7.
    """

    def add(self, frame: pl.DataFrame) -> None:
        """Keep rows; they are copied where they would pin much more memory."""
        ...

    def groups(self) -> list[int]:
        """The groups that have rows, ascending."""
        ...

    def take(self, group: int) -> pl.DataFrame:
        """Remove a group and give its rows."""
        ...

    def rows(self, group: int) -> pl.DataFrame:
        """The rows of a group."""
        ...


class Columns(Protocol):
    """Accumulators as arrays, one place per group."""

    def column(self, name: str) -> Array:
        """The array of a column."""
        ...

    @property
    def addresses(self) -> Array:
        """Where each column begins in memory (uint64): one 64-bit word per place, also for booleans."""
        ...

    def dictionary(self, name: str) -> Dictionary:
        """The dictionary of a `bytes` column."""
        ...


class BriefColumns(Columns, Protocol):
    """Accumulators as arrays, by slots that hold until the next call of `slots`, or the next of the `parts`.

    Whatever `find` gives does not outlive them either. So not all rows need be in memory at once.

    Contract:
        S1 to S5, S9, S16 as of `KeyedColumns`; S8 but for `live`.
        S21 `parts` gives the slots of every key once, in parts of at most so many. Those of a part may be
            freed and touched before the next one is asked for; no slots are made meanwhile.

    Checked by: `thalweg.testing.check_state`, with S6, S7, S19 and S20.
    """

    def slots(self, frame: pl.DataFrame) -> Array:
        """The slot (int64) of the key of each row; a key without one gets a slot with initial values."""
        ...

    def find(self, frame: pl.DataFrame) -> Array:
        """The slot of the key of each row, or -1."""
        ...

    def touch(self, slots: Array) -> None:
        """The columns of slots change, or may, that `slots` has not just given."""
        ...

    def free(self, slots: Array) -> None:
        """Forget keys, each at most once."""
        ...

    def keys(self, slots: Array) -> pl.DataFrame:
        """The key columns of slots."""
        ...

    def parts(self, count: int) -> Iterator[Array]:
        """The slots of all keys, so many at a time."""
        ...

    @property
    def last_new(self) -> Array:
        """The slots that the last call of `slots` made, in the order of first appearance."""
        ...

    def compact(self) -> None:
        """Give back memory of what is no longer in use."""
        ...

    @property
    def capacity(self) -> int:
        """How long the arrays are."""
        ...

    @property
    def count(self) -> int:
        """How many keys there are."""
        ...

    @property
    def nbytes(self) -> int:
        """The memory held."""
        ...


class KeyedColumns(BriefColumns, Protocol):
    """Accumulators as arrays, indexed by the slot of a key.

    Arrays may be replaced whenever slots are made: fetch them after `slots`, never keep them.

    Contract:
        S1 `slots` gives equal keys one slot and different keys different ones; NULL = NULL, NaN = NaN,
           -0.0 = 0.0.
        S2 `find` gives the slot of a key, or -1, and makes none.
        S3 a new slot holds initial values, also one that was free in between.
        S4 arrays are at least `capacity` long, and values stay while slots are made.
        S5 `free` forgets those keys and no others.
        S8 `keys`, `live`, `count` and `last_new` tell the truth: the keys of slots, the slots in use
           ascending, their number, the slots just made in order of first appearance.
        S9 memory of keys that have gone is given back by `compact`.
        S10 the order of a dump depends on its rows alone, not on their history.
        S15 `words` are equal where those key columns are, and an Int64 that is not NULL is its own word.
        S16 at `addresses` the columns lie, in the order of their declaration, until slots are made.
        S17 `slots_of` words is `slots` of the keys that they stand for.
        S18 by `order` live slots compare as their keys do, until slots are made.
        S23 `add` is `slots` of keys that are not there, each given once; it is for states whose keys are
            hardly ever looked for.

    Checked by: `thalweg.testing.check_state`, with S6 and S7.
    """

    def slots_of(self, words: Array) -> Array:
        """As `slots`, for keys as `KeyCodec.encode` gives them; without texts, `KeyCells.can_hold` them."""
        ...

    def add(self, frame: pl.DataFrame) -> Array:
        """Slots (int64) of keys that are not there, each given once."""
        ...

    def touch(self, slots: Array) -> None:
        """The columns of slots change, or may, that `slots`, `slots_of` or `add` have not just given."""
        ...

    def words(self, slots: Array, names: Sequence[str]) -> Array:
        """Some key columns of live slots as int64[slots, width]; what they mean ends with the call."""
        ...

    def order(self, order: Sequence[Order]) -> KeyOrder:
        """How slots compare by key columns of which `can_order` holds."""
        ...

    def live(self) -> Array:
        """Every slot in use, ascending."""
        ...


class StoredState(Protocol):
    """What the runtime alone does with state.

    Contract:
        S6 `dump` gives every live row once; loaded in any parts and any order, it makes the same state.
        S7 `compact` changes nothing that can be seen.
        S19 since `track`, the increments that `changes` gave, put together, are what `dump` gives.
        S20 an increment has no row that was neither added nor removed, nor got from `slots`, nor touched.
        S22 `read` gives the rows of `dump`, in any order, in parts of at most so many; of some keys those
           that equal them; and changes nothing.
    """

    def dump(self) -> pl.DataFrame:
        """Every live row: keys, then columns. The order depends on the rows alone."""
        ...

    def load(self, frame: pl.DataFrame) -> None:
        """Add rows that `dump` gave, or that increments make."""
        ...

    @property
    def count(self) -> int:
        """How many rows `dump` would give."""
        ...

    def read(self, keys: pl.DataFrame | None, rows_max: int) -> Iterator[pl.DataFrame]:
        """The rows that `dump` would give, in parts; there is at least one part.

        Args:
            keys: values of some or all key columns, of which only the rows are wanted.
            rows_max: the most rows of a part.
        """
        ...

    def track(self, *, whole: bool) -> None:
        """Note what changes from now on; with `whole`, what is there already counts as changed."""
        ...

    def changes(self) -> pl.DataFrame:
        """The increment since the last call, or since `track`."""
        ...
