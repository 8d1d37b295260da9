"""Fit a frame into the terminal: as many columns as have room, and a word about what is left out.

Not here: the other formats (output.py), rows that come one after the other (live.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thalweg.cli.counters import number
from thalweg.cli.output import drawn

if TYPE_CHECKING:
    import polars as pl

_TEXT_LENGTHS = (80, 40, 24)
"""Texts are cut shorter before columns are left out."""


def fitted(frame: pl.DataFrame, *, rows: int, height: int, width: int) -> str:
    """The first rows as a table no wider than the terminal.

    Args:
        frame: the rows there are to show.
        rows: how many of them to show.
        height: how many rows the result has.
        width: columns of the terminal.
    """
    shown = frame.head(rows)
    text, columns = _drawn_to_width(shown, width)
    words = []
    if height > shown.height:
        words.append(f"the first {number(shown.height)} of {number(height)} rows")
    if columns < frame.width:
        words.append(f"{columns} of {frame.width} columns")
    if not words:
        return text
    how = ".rows N shows more, .mode csv all" if columns == frame.width else ".mode json shows all"
    return f"{text}\n({', '.join(words)}; {how})"


def _drawn_to_width(frame: pl.DataFrame, width: int) -> tuple[str, int]:
    """The table, and how many columns it has."""
    text = ""
    for length in _TEXT_LENGTHS:
        text = drawn(frame, text_length=length)
        if len(text.split("\n", 1)[0]) <= width:
            return text, frame.width
    fits, too_many = 1, frame.width
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        text = drawn(frame.select(frame.columns[:middle]), text_length=_TEXT_LENGTHS[-1])
        fits, too_many = (middle, too_many) if len(text.split("\n", 1)[0]) <= width else (fits, middle)
    part = frame.select(frame.columns[:fits])
    return drawn(part, text_length=_TEXT_LENGTHS[-1], width=width), fits
