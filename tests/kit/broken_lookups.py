"""A shelf of tables that are asked by key: one that keeps its contract, and some that break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from thalweg.connectors.files.select import expressions, pruned
from thalweg.connectors.memory_table import MemoryTable
from thalweg.protocols.source import Fields

FRAME = pl.DataFrame({"k": [1, 2, 2, None, 4], "s": ["a", "b", "b", "c", None], "v": [1, 2, 2, 3, None]})
LATER = pl.DataFrame({"k": [2, 5], "s": ["x", "y"], "v": [7, 8]})


class KeyTwin(MemoryTable):
    """Answers as it should."""

    def __init__(self) -> None:
        super().__init__(FRAME)
        self.closed = 0

    def open_keys(self, keys: tuple[str, ...], fields: Fields | None) -> KeyTwinReader:
        return self.reader(self, keys, fields)

    @property
    def reader(self) -> Any:
        return KeyTwinReader


class KeyTwinReader:
    def __init__(self, source: KeyTwin, keys: tuple[str, ...], fields: Fields | None) -> None:
        self.source, self.keys, self.fields = source, keys, fields

    def frame(self) -> pl.DataFrame:
        return self.source.frame

    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        target = pruned(self.source.schema, self.fields)
        found = self.frame().join(keys, on=list(self.keys), how="semi")
        return found.select(expressions(target, found.schema))

    def close(self) -> None:
        self.source.closed += 1


class _Extra(KeyTwinReader):
    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        return super().ask(keys.select(pl.all() + 0).vstack(keys[:1].select(pl.all() * 0 + 4)).unique())


class _Once(KeyTwinReader):
    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        return super().ask(keys).unique()


class _AllColumns(KeyTwinReader):
    def __init__(self, source: KeyTwin, keys: tuple[str, ...], fields: Fields | None) -> None:
        super().__init__(source, keys, None)


class _AllForNone(KeyTwinReader):
    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        return super().ask(keys) if keys.height else self.frame().drop_nulls("k")


class _Frozen(KeyTwinReader):
    def __init__(self, source: KeyTwin, keys: tuple[str, ...], fields: Fields | None) -> None:
        super().__init__(source, keys, fields)
        self.held = source.frame

    def frame(self) -> pl.DataFrame:
        return self.held


class _OneThread(KeyTwinReader):
    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        import threading

        is_first = threading.current_thread() is threading.main_thread()
        return super().ask(keys if is_first else keys[:0])


class _ClosesAll(KeyTwinReader):
    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        return super().ask(keys[:0] if self.source.closed > 3 else keys)


def twin(kind: type[KeyTwinReader]) -> Callable[[], KeyTwin]:
    """A table whose readers are of that kind."""
    return type(f"Table{kind.__name__}", (KeyTwin,), {"reader": property(lambda self: kind)})


class _OldVersion(KeyTwin):
    def version(self) -> int:
        return 0


@dataclass(frozen=True)
class Broken:
    """A table, and the line that it breaks."""

    line: str
    make: Callable[[], KeyTwin]

    def __repr__(self) -> str:
        return f"{self.line}: {getattr(self.make, '__name__', 'table')}"


SHELF = [
    Broken("K1", twin(_Extra)),
    Broken("K1", twin(_Once)),
    Broken("K2", twin(_AllColumns)),
    Broken("K3", twin(_AllForNone)),
    Broken("K4", twin(_Frozen)),
    Broken("K5", twin(_OneThread)),
    Broken("K6", twin(_ClosesAll)),
    Broken("K7", _OldVersion),
]
