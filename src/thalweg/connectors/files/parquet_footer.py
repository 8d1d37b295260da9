"""Read what the footer of a Parquet file says: its columns, its row groups, and where their bytes are.

The footer is a Thrift structure (https://github.com/apache/parquet-format, parquet.thrift). Structures
are kept as they were found, so that a footer for a part of the file can be made of them.

Not here: the values (parquet_part.py), what their statistics mean (parquet_statistics.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from thalweg.connectors.files.thrift import Fields, Value, decode
from thalweg.errors import ConnectorError

MAGIC = b"PAR1"
MALFORMED = (LookupError, ValueError, TypeError, AttributeError, RecursionError)
"""What taking apart a damaged footer may end in."""


@dataclass(frozen=True)
class Element:
    """A column, a member of one, or the whole row, with what is in it.

    Attributes:
        raw: the `SchemaElement`.
        leaf: for one with values of its own: the number among those of the file.
    """

    name: str
    raw: Fields = field(repr=False)
    leaf: int | None
    children: tuple[Element, ...] = ()

    @property
    def leaves(self) -> Iterator[int]:
        """The leaves in it, in their order."""
        if self.leaf is not None:
            yield self.leaf
        for child in self.children:
            yield from child.leaves

    def child(self, name: str) -> Element | None:
        """The member of that name."""
        return next((c for c in self.children if c.name == name), None)

    @property
    def is_repeated(self) -> bool:
        """Whether it is the inside of a list or map."""
        return number(self.raw, _REPETITION) == 2

    @property
    def is_row(self) -> bool:
        """Whether it is a group of members, and neither list nor map."""
        return bool(self.children) and not any(c.is_repeated for c in self.children)


@dataclass(frozen=True)
class Leaf:
    """The values of one leaf in one row group: a column chunk, in the words of Parquet.

    Attributes:
        raw: the `ColumnMetaData`.
        start: the first of its bytes in the file.
        size: how many bytes they are.
    """

    raw: Fields = field(repr=False)
    start: int
    size: int


@dataclass(frozen=True)
class RowGroup:
    """Some rows that follow one another.

    Attributes:
        start: the number of the first row in the file.
        rows: how many rows they are.
        raw: the `ColumnChunk` of each leaf.
    """

    start: int
    rows: int
    raw: tuple[Fields, ...] = field(repr=False)

    @property
    def end(self) -> int:
        """The number of the first row behind them."""
        return self.start + self.rows

    def meta(self, leaf: int) -> Fields:
        """The `ColumnMetaData` of a leaf."""
        found: Fields = self.raw[leaf][META].data
        return found

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """Where the values of each leaf are; a ValueError if they are not in this file."""
        return tuple(_leaf(f) for f in self.raw)


@dataclass(frozen=True)
class Footer:
    """What is in a file."""

    raw: Fields = field(repr=False)
    row: Element
    groups: tuple[RowGroup, ...]

    def element(self, path: tuple[str, ...]) -> Element | None:
        """The column, or the member of rows, at a path."""
        found: Element | None = self.row
        for name in path:
            found = found.child(name) if found is not None and found.is_row else None
        return found


# fields of the structures in parquet.thrift
SCHEMA, ROWS, GROUPS = 2, 3, 4
_REPETITION, _NAME, CHILDREN = 3, 4, 5
COLUMNS, GROUP_ROWS = 1, 3
_OTHER_FILE, META = 1, 3
SIZE, DATA_PAGE, DICTIONARY_PAGE = 7, 9, 11


def read_footer(file: str) -> Footer:
    """The footer of a file.

    Raises:
        ConnectorError: the file does not end like a Parquet file.
    """
    with open(file, "rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(max(0, size - 8))
        tail = handle.read(8)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != MAGIC or length + 12 > size:
            raise not_parquet(file, "its last bytes are not those of a Parquet file")
        handle.seek(size - 8 - length)
        data = handle.read(length)
    try:
        return _footer(decode(data))
    except MALFORMED as error:
        raise not_parquet(file, f"its footer cannot be read ({error})") from error


def not_parquet(file: str, why: str) -> ConnectorError:
    """The error for a file that is damaged, unfinished or of another format."""
    return ConnectorError(
        "a Parquet file cannot be read",
        code="source-damaged-file",
        where=file,
        found=why,
        hint="the file is damaged, still being written, or of another format",
    )


def number(fields: Fields, key: int, default: int = 0) -> int:
    """The number in a field."""
    found = fields.get(key)
    return default if found is None else int(found.data)


def _items(fields: Fields, key: int) -> list[Any]:
    found = fields.get(key)
    return [] if found is None else list(found.data.values)


def _footer(raw: Fields) -> Footer:
    elements = iter(_items(raw, SCHEMA))
    row = _element(elements, iter(range(1 << 31)))
    groups: list[RowGroup] = []
    for held in _items(raw, GROUPS):
        start = groups[-1].end if groups else 0
        groups.append(RowGroup(start, number(held, GROUP_ROWS), tuple(_items(held, COLUMNS))))
    leaves = sum(1 for _ in row.leaves)
    if any(len(g.raw) != leaves for g in groups):
        raise ValueError("a row group does not have the columns of the file")
    return Footer(raw, row, tuple(groups))


def _element(elements: Iterator[Fields], leaves: Iterator[int]) -> Element:
    raw = next(elements, None)
    if raw is None:
        raise ValueError("its schema ends too early")
    name = raw.get(_NAME, Value(0, b"")).data.decode("utf-8", "replace")
    count = number(raw, CHILDREN)
    if not count:
        return Element(name, raw, next(leaves))
    return Element(name, raw, None, tuple(_element(elements, leaves) for _ in range(count)))


def _leaf(raw: Fields) -> Leaf:
    if _OTHER_FILE in raw or META not in raw:
        raise ValueError("the values of a column are in another file")
    meta: Fields = raw[META].data
    start = number(meta, DATA_PAGE)
    dictionary = number(meta, DICTIONARY_PAGE)
    return Leaf(meta, min(start, dictionary) if dictionary > 0 else start, number(meta, SIZE))
