"""Find the records of a CSV text, and those that are none.

RFC 4180: a field may be quoted, and then hold separators, line ends and doubled quotes. A quote anywhere
else makes a record bad. A bad record ends with its line; so does one whose quote is never closed. What
is a record never depends on where the text was cut into blocks.

Not here: values (csv.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.connectors.text.block import RECORD_MAX

_NEWLINE, _RETURN = 10, 13
_WINDOW = 4096
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Records:
    """The records of a text.

    Attributes:
        starts, ends: where each record starts, and where it ends, its line end included.
        is_broken: which of them are not records.
        separators: how many fields but one each has.
        taken: the end of the last complete record.
    """

    starts: Array
    ends: Array
    is_broken: Array
    separators: Array
    taken: int


@dataclass(frozen=True)
class _Found:
    """What a window of the text holds: ends of good records, places of separators, and perhaps a bad one."""

    ends: Array
    separators: Array
    broken_end: int | None = None


def find_records(data: Array, separator: int, quote: int | None, *, is_last: bool) -> Records:
    """All complete records; with `is_last` the rest is a record too.

    Args:
        data: the text, as uint8.
    """
    ends: list[Array] = []
    separators: list[Array] = []
    broken: list[int] = []
    place, window = 0, len(data)
    while place < len(data):
        piece = data[place : place + window]
        reaches_end = place + window >= len(data)
        found = _window(piece, separator, quote, is_last=is_last and reaches_end)
        good = len(found.ends) and int(found.ends[-1])
        ends.append(found.ends + place)
        separators.append(found.separators[: np.searchsorted(found.separators, good)] + place)
        if found.broken_end is not None:
            ends.append(np.array([found.broken_end + place]))
            broken.append(found.broken_end + place)
            # Around what is broken the text is looked at in small steps, not over and over to its end.
            place, window = place + found.broken_end, _WINDOW
            continue
        if reaches_end:
            place += good
            break
        place, window = place + good, window * 2
    return _joined(ends, separators, broken, place)


def _joined(ends: list[Array], separators: list[Array], broken: list[int], taken: int) -> Records:
    stops = np.concatenate([np.empty(0, dtype=np.int64), *ends])
    starts = np.concatenate([[0], stops[:-1]]) if len(stops) else stops
    places = np.concatenate([np.empty(0, dtype=np.int64), *separators])
    counts = np.diff(np.searchsorted(places, stops), prepend=0)
    return Records(starts, stops, np.isin(stops, broken), counts, taken)


def _window(piece: Array, separator: int, quote: int | None, *, is_last: bool) -> _Found:
    quotes = np.empty(0, dtype=np.int64) if quote is None else np.flatnonzero(piece == quote)
    newlines = np.flatnonzero(piece == _NEWLINE)
    places, ends, stray = np.flatnonzero(piece == separator), newlines + 1, None
    if len(quotes):
        stray = _first_stray(piece, quotes, separator)
        ends = ends[np.searchsorted(quotes, newlines) % 2 == 0]
        places = places[np.searchsorted(quotes, places) % 2 == 0]
    limit = len(piece) if stray is None else stray
    ends = ends[: np.searchsorted(ends, limit, side="right")]
    starts = np.concatenate([[0], ends])
    too_long = np.flatnonzero(np.diff(np.append(starts, limit)) > RECORD_MAX)
    if len(too_long):
        first = int(too_long[0])
        return _broken(len(piece), ends[:first], places, _line_end(newlines, starts[first]), is_last=is_last)
    if stray is not None:
        return _broken(len(piece), ends, places, _line_end(newlines, stray), is_last=is_last)
    rest = int(starts[-1])
    if not is_last or rest == len(piece):
        return _Found(ends, places)
    if len(quotes) % 2 == 1:
        return _broken(len(piece), ends, places, _line_end(newlines, rest), is_last=True)
    return _Found(np.append(ends, len(piece)), places)


def _line_end(newlines: Array, place: int) -> int | None:
    """The end of the line that a place is on, if the piece has it."""
    after = int(np.searchsorted(newlines, place))
    return int(newlines[after]) + 1 if after < len(newlines) else None


def _broken(size: int, ends: Array, places: Array, end: int | None, *, is_last: bool) -> _Found:
    """Good records, and one that ends with the line of its fault, if that line has ended."""
    return _Found(ends, places, size if end is None and is_last else end)


def _first_stray(piece: Array, quotes: Array, separator: int) -> int | None:
    """The first quote that neither opens nor closes a field nor is one of a pair within it."""
    opening, closing = quotes[0::2], quotes[1::2]
    before = piece[np.maximum(opening - 1, 0)]
    is_paired = np.concatenate([[False], opening[1:] - 1 == closing[: len(opening) - 1]])
    opens = (opening == 0) | (before == separator) | (before == _NEWLINE) | is_paired
    last = len(piece) - 1
    after = piece[np.minimum(closing + 1, last)]
    closes = (closing == last) | (after == separator) | (after == _NEWLINE) | (after == piece[quotes[0]])
    is_line_end = (closing + 1 >= last) | (piece[np.minimum(closing + 2, last)] == _NEWLINE)
    closes |= (after == _RETURN) & is_line_end
    strays = [s[~fits][0] for s, fits in ((opening, opens), (closing, closes)) if not fits.all()]
    return int(min(strays)) if strays else None
