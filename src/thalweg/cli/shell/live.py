"""Draw a table whose rows come one after the other, without end.

Columns are as wide as the first rows need, and grow while there is room. When more rows come than anybody
can read, some are left out, and how many is said. Pure: the caller brings the time and writes the text.

Not here: running the query (statements.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from thalweg.cli.counters import number
from thalweg.cli.output import printable

if TYPE_CHECKING:
    import polars as pl

ROWS_PER_SECOND = 100.0
_BURST, _CHUNK = 300.0, 50
_TEXT_MAX, _TEXT_MIN, _OTHER_MIN = 80, 12, 6
_RESERVED = {"Int64": 20, "UInt64": 20, "Int32": 11, "Float64": 22, "Datetime": 26, "Date": 10, "Boolean": 5}
"""The room that values of a type may come to need; texts leave it to them."""


class LiveTable:
    """A table that grows.

    Args:
        width: columns of the terminal.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._widths: list[int] = []
        self._limits: list[int] = []
        self._all_columns = 0
        self._budget, self._seen_at = _BURST, 0.0
        self._skipped = 0
        self.shown = self.rows = 0

    def add(self, frame: pl.DataFrame, now: float) -> str:
        """The text for some more rows; `now` is the time in seconds of any steady clock."""
        self._budget = min(_BURST, self._budget + (now - self._seen_at) * ROWS_PER_SECOND)
        self._seen_at = now
        count = min(frame.height, int(self._budget))
        if count < min(frame.height, _CHUNK):
            count = 0
        self.rows += frame.height
        text = ""
        if count:
            rows = [[_text(v) for v in row] for row in frame.head(count).iter_rows()]
            self._budget -= count
            self.shown += count
            text = self._head(frame, rows) + self._gap() + self._body(rows)
        self._skipped += frame.height - count
        return text

    def end(self) -> str:
        """The text that closes the table."""
        if not self._widths:
            return ""
        text = self._gap() + f"└{'┴'.join('─' * (w + 2) for w in self._widths)}┘\n"
        words = []
        if self.shown < self.rows:
            words.append(f"{number(self.shown)} of {number(self.rows)} rows shown; .mode csv writes all")
        if len(self._widths) < self._all_columns:
            words.append(f"{len(self._widths)} of {self._all_columns} columns shown; .mode json writes all")
        return text + (f"({', '.join(words)})\n" if words else "")

    def _head(self, frame: pl.DataFrame, rows: list[list[str]]) -> str:
        if self._widths:
            return ""
        names = frame.columns
        self._all_columns = len(names)
        self._widths, self._limits = _fit(_wanted(names, rows), _reserved(frame), self._width)
        lines = ["─" * (w + 2) for w in self._widths]
        top, under = f"┌{'┬'.join(lines)}┐\n", f"╞{'╪'.join(lines).replace('─', '═')}╡\n"
        return top + self._line(names) + under

    def _body(self, rows: list[list[str]]) -> str:
        room = self._width - sum(self._widths) - _frame_width(len(self._widths))
        for i, width in enumerate(self._widths):
            wanted = min(self._limits[i], max(cell_len(row[i]) for row in rows))
            grown = min(wanted - width, room)
            if grown > 0:
                self._widths[i] += grown
                room -= grown
        return "".join(self._line(row) for row in rows)

    def _line(self, cells: Iterable[str]) -> str:
        parts = (_cut(c, w) for c, w in zip(cells, self._widths, strict=False))
        return f"│ {' ┆ '.join(parts)} │\n"

    def _gap(self) -> str:
        if not self._skipped:
            return ""
        text = f"… {number(self._skipped)} more rows, too many to show\n"
        self._skipped = 0
        return text


def _frame_width(columns: int) -> int:
    return 3 * columns + 1


def _wanted(names: Sequence[str], rows: list[list[str]]) -> list[int]:
    columns = zip(names, zip(*rows, strict=True), strict=True)
    return [max(cell_len(name), *map(cell_len, column)) for name, column in columns]


def _reserved(frame: pl.DataFrame) -> list[int]:
    """For each column the room it may come to need; 0 for texts and nested values, which can be cut."""
    return [2 if name == "op" else _room(kind) for name, kind in frame.schema.items()]


def _room(kind: pl.DataType) -> int:
    is_short = kind.is_numeric() or kind.is_temporal() or kind.base_type().__name__ == "Boolean"
    return _RESERVED.get(kind.base_type().__name__, 12) if is_short else 0


def _fit(wanted: list[int], reserved: list[int], width: int) -> tuple[list[int], list[int]]:
    """Widths that have room, and how far each may grow: texts are cut first, then columns are left out.

    Example:
        >>> _fit([90, 1], [0, 20], 80), _fit([90, 1], [0, 20], 20)
        (([53, 6], [53, 80]), ([12], [12, 20]))
    """
    columns = list(zip(wanted, reserved, strict=True))
    room = width - _frame_width(len(wanted)) - sum(max(w, r) for w, r in columns if r)
    text_max = max(_TEXT_MIN, min(_TEXT_MAX, room // max(reserved.count(0), 1)))
    widths = [max(w, min(r, _OTHER_MIN)) if r else min(w, text_max) for w, r in columns]
    while len(widths) > 1 and sum(widths) + _frame_width(len(widths)) > width:
        widths.pop()
    return widths, [width if r else text_max for r in reserved]


def _cut(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"


def _text(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return str(value.replace(tzinfo=None)) + ("Z" if value.tzinfo else "")
    return printable(str(value))
