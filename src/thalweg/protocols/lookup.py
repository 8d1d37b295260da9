"""The contract of sources that are looked up: their rows are asked for by key, and may change meanwhile.

A join with such a table takes the rows that are there when it asks. What it was answered is a recorded
decision: it stays in the result whatever becomes of the table.

Not here: caches and the clock (runtime/lookups.py), the join (operators/lookup.py).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import polars as pl

from thalweg.protocols.operator import OperatorSpec
from thalweg.protocols.source import Fields, Source
from thalweg.protocols.state import Array, Multimap

Cache = Literal["FULL", "PARTIAL", "NONE"]


@dataclass(frozen=True)
class LookupOptions:
    """How a table is looked up.

    Attributes:
        cache: `FULL` holds the whole table, `PARTIAL` the answers of some keys, `NONE` nothing. None: `NONE`
            for a source that can be asked by key, else `FULL`.
        reload_interval: of a full cache: seconds after which the table is read anew, if it has changed; None:
            as soon as it is seen to have changed.
        rows_max: of a partial cache: the most keys that it holds; None: any number.
        expire_after_write: of a partial cache: seconds for which an answer holds; None: for ever.
        expire_after_access: of a partial cache: seconds after its last use for which an answer holds.
        caches_missing: of a partial cache: whether it also holds which keys have no rows.
        is_async: whether the keys of a batch are asked for in several parts at once.
        batch_keys: the most keys of one question.
    """

    cache: Cache | None = None
    reload_interval: float | None = None
    rows_max: int | None = None
    expire_after_write: float | None = None
    expire_after_access: float | None = None
    caches_missing: bool = True
    is_async: bool = False
    batch_keys: int = 1000


class KeyReader(Protocol):
    """Answers questions by key.

    Contract:
        K1 `ask` gives the rows whose key columns equal a row of `keys`, each as often as it is there, and no
           others.
        K2 the columns are those asked for, in that order and of the declared types.
        K3 it is asked for keys without NULL, each once; for none it gives no rows.
        K4 the rows are those that are there when it is asked; a later question gets what is there later.
        K5 questions may be asked from several threads at once.
        K6 `close` may be called twice; other readers do not notice.

    Checked by: `thalweg.testing.check_lookup`.
    """

    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        """The rows of these keys, given as columns of their names."""
        ...

    def close(self) -> None:
        """Give back what is held open."""
        ...


@runtime_checkable
class KeyedSource(Protocol):
    """A source that can be asked by key, without reading all of it.

    Checked by: `thalweg.testing.check_lookup`.
    """

    def open_keys(self, keys: tuple[str, ...], fields: Fields | None) -> KeyReader:
        """A reader that is asked by these columns, and gives the columns asked for (None: all)."""
        ...


@runtime_checkable
class VersionedSource(Protocol):
    """A source that can say whether its rows have changed.

    Contract:
        K7 while the version is the same, so are the rows; a change of the rows is another version.

    Attributes:
        version_interval: seconds for which nobody need ask again.

    Checked by: `thalweg.testing.check_lookup`.
    """

    version_interval: float

    def version(self) -> Hashable:
        """What the rows of this moment are called."""
        ...


@dataclass(frozen=True)
class LookupTable:
    """A table that rows are looked up in.

    Attributes:
        source: what is read or asked.
        fields: its columns.
        steps: what is done to its rows, each by itself; None: nothing.
        columns: the columns of the rows then, and their types.
        keys: those of them that rows are found by.
        asked: the columns of the source that these are; None where it cannot be asked for them.
        options: how it is looked up.
        is_tolerant: whether rows that cannot be read are left out.
    """

    source: Source
    fields: Fields | None
    steps: OperatorSpec | None
    columns: Mapping[str, pl.DataType]
    keys: tuple[str, ...]
    asked: tuple[str, ...] | None = None
    options: LookupOptions = field(default_factory=LookupOptions)
    is_tolerant: bool = False

    @property
    def cache(self) -> Cache:
        """What is kept of the table."""
        return self.options.cache or ("FULL" if self.asked is None else "NONE")

    def __hash__(self) -> int:
        return hash((self.source.describe(), self.keys))


class Lookup(Protocol):
    """What an operator asks; the runtime hands it in."""

    def ask(self, keys: pl.DataFrame) -> tuple[Multimap, Array]:
        """Where the rows of these keys stand, and the slot of each key (-1: it has none).

        Keys have no NULL. The answer holds until the next question.
        """
        ...


def inner_of(source: object) -> object:
    """The source below those that only look at its rows."""
    while hasattr(source, "inner"):
        source = source.inner
    return source


def options_of(source: object) -> LookupOptions:
    """How a source says that it is to be looked up."""
    found = getattr(inner_of(source), "lookup", None)
    return found if isinstance(found, LookupOptions) else LookupOptions()
