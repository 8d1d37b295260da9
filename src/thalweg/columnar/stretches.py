"""Gather the rows of a batch into stretches of time of their keys, which sessions are made of.

Not here: how stretches become sessions (sessions.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thalweg.columnar.compiled import kernel

Array = np.ndarray[Any, Any]


class Runs(NamedTuple):
    """Rows of a batch as stretches of time of their keys.

    Attributes:
        ids: the stretch of each row.
        rows: a row of each stretch.
        firsts, lasts: the times of its first and last row.
    """

    ids: Array
    rows: Array
    firsts: Array
    lasts: Array


def find_runs(groups: Array, count: int, times: Array, gap_us: int) -> Runs:
    """Gather the rows of each group into stretches of time without a gap.

    Rows that are in order make as few as there are. Others may make more, which touch or overlap.

    Args:
        groups: the group of each row, less than `count`.
        times: of the rows.

    Example:
        >>> runs = find_runs(np.array([0, 1, 0, 0]), 2, np.array([5, 7, 9, 30]), 10)
        >>> runs.ids.tolist(), runs.firsts.tolist(), runs.lasts.tolist()
        ([0, 1, 0, 2], [5, 7, 30], [9, 7, 30])
    """
    found = np.empty((4, len(groups)), np.int64)
    made = _find_runs(groups, times, gap_us, np.full(count, -1, np.int64), found)
    return Runs(found[0], found[1, :made], found[2, :made], found[3, :made])


@kernel("int64(int64[::1], int64[::1], int64, int64[::1], int64[:, ::1])")
def _find_runs(groups: Array, times: Array, gap: int, current: Array, found: Array) -> int:
    count = np.int64(0)
    for i in range(len(groups)):
        group, time = groups[i], times[i]
        run = current[group]
        if run < 0 or time > found[3, run] + gap or time < found[2, run] - gap:
            run = count
            count += 1
            current[group] = run
            found[1, run], found[2, run], found[3, run] = i, time, time
        else:
            found[2, run] = min(found[2, run], time)
            found[3, run] = max(found[3, run], time)
        found[0, i] = run
    return count  # type: ignore[return-value]
