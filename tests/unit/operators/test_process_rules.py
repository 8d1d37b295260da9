"""Many rows for all keys within a second hold from their time on, whatever of the second was taken before."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

import thalweg as tw
from thalweg.testing.harness import JobHarness

START = datetime(2026, 1, 1)


class Known(tw.BroadcastProcessFunction):
    """Tells of each row which rules it has met."""

    rules: tw.Broadcast[int, int]

    def on_broadcast(self, rule: Any) -> None:
        self.rules[rule.v] = 1

    def on_event(self, row: Any) -> Any:
        yield row.v, len(self.rules), self.time


def moments(r: Random, count: int) -> list[tuple[int, datetime]]:
    """Numbered rows within three seconds, often of the same time."""
    return [(v, START + timedelta(milliseconds=r.randrange(0, 3000, 10))) for v in range(count)]


@pytest.mark.parametrize("seed", range(4))
def test_a_rule_holds_from_its_time_on(seed: int) -> None:
    r = Random(seed)
    rows, rules = moments(r, 200), moments(r, 100)
    wanted = {(v, sum(since <= at for _, since in rules), at) for v, at in rows}
    with JobHarness() as job:
        left = job.source("v BIGINT, at TIMESTAMP", time="at", bound="1 h", name="rows")
        right = job.source("v BIGINT, at TIMESTAMP", time="at", bound="1 h", name="rules")
        both = left.rows.key_by("v").connect(right.rows.broadcast())
        job.watch(both.process(Known(), "v BIGINT, met BIGINT, at TIMESTAMP"))
        left.push(rows)
        right.push(rules)
        found: list[tuple[Any, ...]] = []
        # in the midst of seconds, so that what is left of one waits in the state, and is restored from it
        for at in (START + timedelta(milliseconds=n) for n in (705, 1250, 1255, 2990)):
            left.advance_to(at)
            right.advance_to(at)
            found += job.take()
            assert set(found) == {row for row in wanted if row[2] < at}
            job.checkpoint()
            job.crash()
        left.end()
        right.end()
        found += job.take()
    assert (set(found), len(found)) == (wanted, len(rows))
