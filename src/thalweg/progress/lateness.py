"""Decide which rows come too late for what depends on neighbours in time.

Sessions, interval, temporal and as-of joins, OVER, patterns and ordered functions ask one question per
row: did the watermark of its split, before the row, pass the row's time? Fixed windows judge each
(row, window) pair instead (windows.py).

Reads:    times and watermarks, as int64 arrays of microseconds.
Changes:  nothing; every function returns new arrays.
Not here: how a split's watermark comes about (split_clock.py), what happens to late rows (operators/).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Micros: TypeAlias = npt.NDArray[np.int64]
"""Times or watermarks of the rows of a batch, in microseconds."""

Flags: TypeAlias = npt.NDArray[np.bool_]
"""One boolean per row."""

_LIMITS = np.iinfo(np.int64)
_LOWEST, _HIGHEST = int(_LIMITS.min), int(_LIMITS.max)


def minus(values: Micros, by_us: int) -> Micros:
    """`values - by_us`, held at the ends of the int64 range instead of wrapping around.

    A watermark that wrapped would stand at the end of time and make every later row late.

    Example:
        >>> minus(np.array([100, -(2**63)]), 4).tolist()
        [96, -9223372036854775808]
    """
    if by_us == 0:
        return values
    if by_us > 0:
        return np.maximum(values, _LOWEST + by_us) - by_us
    return np.minimum(values, _HIGHEST + by_us) - by_us


def late_rows(times: Micros, before: Micros, known: Flags | None = None, slack_us: int = 0) -> Flags:
    """Which rows are late for an operator that depends on neighbours in time: `time < w - d`.

    Args:
        times: the time column of the rows.
        before: each row's watermark before it, as carried from its split.
        known: False where there was no watermark yet (the number in `before` then means nothing);
            None if there was one for every row.
        slack_us: the slack d of the time column.

    Example:
        >>> late_rows(np.array([100, 89, 90]), np.array([0, 90, 90])).tolist()
        [False, True, False]
    """
    late = times < minus(before, slack_us)
    return late if known is None else late & known
