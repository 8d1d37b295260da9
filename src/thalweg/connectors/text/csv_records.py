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
    places = np.flatnonzero(piece == separator)
    if len(quotes):
        stray = _first_stray(piece, quotes, separator, is_last=is_last)
        outside = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
        places = places[np.searchsorted(quotes, places) % 2 == 0]
        if stray is not None:
            return _broken(piece, outside[outside < stray] + 1, places, stray, newlines, is_last=is_last)
    else:
        outside = newlines
    ends = outside + 1
    starts = np.concatenate([[0], ends])
    lengths = np.diff(np.append(starts, len(piece)))
    too_long = np.flatnonzero(lengths > RECORD_MAX)
    if len(too_long):
        first = int(too_long[0])
        return _broken(piece, ends[:first], places, int(starts[first]), newlines, is_last=is_last)
    return _with_rest(piece, ends, places, newlines, is_open=len(quotes) % 2 == 1, is_last=is_last)


def _with_rest(
    piece: Array, ends: Array, places: Array, newlines: Array, *, is_open: bool, is_last: bool
) -> _Found:
    start = int(ends[-1]) if len(ends) else 0
    if not is_last or start == len(piece):
        return _Found(ends, places)
    if is_open:
        return _broken(piece, ends, places, start, newlines, is_last=True)
    return _Found(np.append(ends, len(piece)), places)


def _broken(
    piece: Array, ends: Array, places: Array, fault: int, newlines: Array, *, is_last: bool
) -> _Found:
    """Good records up to a fault, and the record with the fault, up to the end of that line."""
    after = newlines[np.searchsorted(newlines, fault) :]
    if len(after):
        return _Found(ends, places, int(after[0]) + 1)
    return _Found(ends, places, len(piece)) if is_last else _Found(ends, places)


def _first_stray(piece: Array, quotes: Array, separator: int, *, is_last: bool) -> int | None:
    """The first quote that neither opens nor closes a field nor is one of a pair within it."""
    opening, closing = quotes[0::2], quotes[1::2]
    before = piece[np.maximum(opening - 1, 0)]
    is_paired = np.concatenate([[False], opening[1:] - 1 == closing[: len(opening) - 1]])
    fits = (opening == 0) | (before == separator) | (before == _NEWLINE) | is_paired
    after_place = np.minimum(closing + 1, len(piece) - 1)
    after = piece[after_place]
    is_end = closing + 1 == len(piece)
    closes = is_end | (after == separator) | (after == _NEWLINE) | (after == piece[quotes[0]])
    closes |= (after == _RETURN) & _followed_by_newline(piece, after_place, is_last=is_last)
    strays = [s[~ok][0] for s, ok in ((opening, fits), (closing, closes)) if not ok.all()]
    return int(min(strays)) if strays else None


def _followed_by_newline(piece: Array, places: Array, *, is_last: bool) -> Array:
    following = np.minimum(places + 1, len(piece) - 1)
    is_end = places + 1 == len(piece)
    followed: Array = np.where(is_end, True, piece[following] == _NEWLINE)
    return followed
