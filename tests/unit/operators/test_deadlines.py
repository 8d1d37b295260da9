"""Deadlines against a dictionary that does the same slowly."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from thalweg.operators.deadlines import Deadlines


@pytest.mark.parametrize("seed", range(30))
def test_rows_are_due_once_and_in_time(seed: int) -> None:
    r = Random(seed)
    deadlines, times = Deadlines(), np.zeros(4000, np.int64)
    due: dict[int, int] = {}
    now, free = 0, list(range(4000))
    span = r.choice([10, 5_000, 10_000_000, 10**13])
    for _ in range(30):
        rows = [free.pop() for _ in range(min(len(free), r.randrange(200)))]
        for row in rows:
            due[row] = times[row] = r.choice([-(2**63), now + r.randrange(-span, span), now + span * 3])
        deadlines.add(np.array(rows, np.int64), times[np.array(rows, np.int64)])
        for row in r.sample(sorted(due), len(due) // 10):
            # taken back: its number goes to another row, which is due when nothing is any more
            times[row] = due[row] = 2**62
            deadlines.add(np.array([row]), times[[row]])
        now += r.randrange(span)
        wanted = sorted(row for row, time in due.items() if time < now)
        assert deadlines.passed(now, times).tolist() == wanted
        for row in wanted:
            del due[row]
            free.append(row)
        if r.random() < 0.2:
            anew = np.full(4000, -1, np.int64)
            anew[sorted(due)] = np.arange(len(due))
            times[: len(due)] = times[sorted(due)]
            due = {int(anew[row]): time for row, time in due.items()}
            free = list(range(len(due), 4000))
            deadlines.renumber(anew)


def test_buckets_stay_few() -> None:
    deadlines = Deadlines()
    times = np.arange(0, 10**12, 10**7)
    for part in np.split(np.arange(len(times)), 100):
        deadlines.add(part, times[part])
    assert len(deadlines.passed(5 * 10**11 + 1, times)) == 50_001
    assert len(deadlines._buckets) <= 1024
