"""Check a source that is looked up against its contract: its answers by key, and its versions.

Reads:    the source, through its readers.
Changes:  the table, if the caller says how.
Not here: caches, which are the engine's (runtime/lookups.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from thalweg.connectors.files.select import pruned
from thalweg.protocols.lookup import KeyedSource, VersionedSource
from thalweg.protocols.source import Fields, Source
from thalweg.testing.contract import check
from thalweg.testing.tables import difference, table_of

_THREADS = 4


def check_lookup(
    make_source: Callable[[], Source],
    rows: pl.DataFrame,
    key: Sequence[str],
    change: Callable[[], pl.DataFrame] | None = None,
) -> None:
    """Run a source against K1 to K6 if it can be asked by key, and K7 if it has versions.

    Args:
        make_source: makes the source; each call must mean the same table.
        rows: the rows that are there now.
        key: the columns to ask by.
        change: changes the table, and gives the rows that are there then.

    Raises:
        ConformanceError: names the line that is broken.

    Example:
        >>> from thalweg.connectors.memory_table import MemoryTable
        >>> table = MemoryTable(pl.DataFrame({"k": [1, 2], "v": ["a", "b"]}))
        >>> def changed() -> pl.DataFrame:
        ...     table.replace(pl.DataFrame({"k": [3], "v": ["c"]}))
        ...     return table.frame
        >>> check_lookup(lambda: table, table.frame, ["k"], changed)
    """
    source = make_source()
    if isinstance(source, KeyedSource):
        _check_answers(source, rows, tuple(key))
    before = source.version() if isinstance(source, VersionedSource) else None
    if isinstance(source, VersionedSource):
        same = make_source()
        assert isinstance(same, VersionedSource), "the same source"
        check(source.version() == before, "K7", "version() once more", expected=before)
        check(same.version() == before, "K7", "version() of the source made anew", expected=before)
    if change is None:
        return
    reader = source.open_keys(tuple(key), None) if isinstance(source, KeyedSource) else None
    later = change()
    if isinstance(source, VersionedSource):
        check(source.version() != before, "K7", "version() after a change", found=source.version())
    if reader is not None and isinstance(source, KeyedSource):
        asked = _keys_of(pl.concat([rows, later], how="vertical_relaxed"), tuple(key))
        what = "the same reader after a change"
        _check_rows(reader.ask(asked), _wanted(later, asked, tuple(key)), "K4", what)
        reader.close()


def _check_answers(source: KeyedSource, rows: pl.DataFrame, key: tuple[str, ...]) -> None:
    assert isinstance(source, Source), "a source"
    keys = _keys_of(rows, key)
    reader = source.open_keys(key, None)
    _check_rows(reader.ask(keys), rows.drop_nulls(list(key)), "K1", f"ask for all {keys.height} keys")
    for start in range(min(keys.height, 20)):
        one = keys.slice(start, 1)
        _check_rows(reader.ask(one), _wanted(rows, one, key), "K1", f"ask for {one.row(0)}")
    none = reader.ask(keys.clear())
    check(not none.height, "K3", "ask for no key", found=f"{none.height} rows")
    for fields in _choices(source, key):
        part = source.open_keys(key, fields)
        found, wanted = part.ask(keys), pruned(source.schema, fields).polars
        check(found.schema == wanted, "K2", f"ask for {fields}", expected=wanted, found=found.schema)
        part.close()
    with ThreadPoolExecutor(_THREADS) as pool:
        parts = [keys.gather_every(_THREADS, i) for i in range(_THREADS)]
        for asked, found in zip(parts, pool.map(reader.ask, parts), strict=True):
            _check_rows(found, _wanted(rows, asked, key), "K5", f"{_THREADS} questions at once")
    other = source.open_keys(key, None)
    reader.close()
    reader.close()
    _check_rows(other.ask(keys), rows.drop_nulls(list(key)), "K6", "ask after another reader was closed")
    other.close()


def _choices(source: Source, key: tuple[str, ...]) -> list[Fields | None]:
    """All columns, those of the key, and all in another order."""
    names = source.schema.names
    return [None, tuple((n, None) for n in key), tuple((n, None) for n in reversed(names))]


def _keys_of(rows: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    return rows.select(key).drop_nulls().unique(maintain_order=True)


def _wanted(rows: pl.DataFrame, keys: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    return rows.join(keys, on=list(key), how="semi")


def _check_rows(found: pl.DataFrame, wanted: pl.DataFrame, line: str, what: str) -> None:
    names = wanted.columns
    check(set(found.columns) == set(names), "K2", what, expected=names, found=found.columns)
    problem = difference(table_of(found.select(names)), table_of(wanted))
    check(not problem, line, what, found=problem)
