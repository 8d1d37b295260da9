"""A second with very many rows is taken in parts, and only how many are objects at once is different."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any
from unittest import mock

import polars as pl
import pytest

import thalweg as tw
from thalweg.operators.process_calls import RowCalls

START = datetime(2026, 1, 1)
GIVEN = "k BIGINT, what STRING, n BIGINT, at TIMESTAMP"
FEW = 16


class Told(tw.ProcessFunction):
    """Tells of each row, and of a timer a little later that each row moves."""

    n: int = 0
    until: datetime | None = None

    def on_event(self, row: Any) -> Any:
        self.n += 1
        if self.until is not None:
            self.delete_timer(self.until)
        self.until = self.time + timedelta(milliseconds=row.v % 3)
        self.set_timer(self.until)
        yield row.k, f"row {row.v}", self.n, self.time

    def on_timer(self) -> Any:
        yield self.key.k, "timer", self.n, self.time
        self.until = None


class ToldOfBoth(tw.CoProcessFunction):
    n: int = 0

    def on_left(self, row: Any) -> Any:
        self.n += 1
        self.set_timer(timedelta(milliseconds=row.v % 3))
        yield row.k, f"left {row.v}", self.n, self.time

    def on_right(self, row: Any) -> Any:
        self.n = self.n * 2 % 997
        yield row.k, f"right {row.v}", self.n % 1000, self.time

    def on_timer(self) -> Any:
        yield self.key.k, "timer", self.n % 1000, self.time


def rows(seed: int, *, moments: int) -> pl.DataFrame:
    """Most of one key and all within two seconds, at so many moments."""
    r = Random(seed)
    made = [(r.choice([0, 0, 0, 1, 2]), v, r.randrange(moments) * 1_000) for v in range(300)]
    at = [START + timedelta(microseconds=t * 2_000 // max(1, moments)) for _, _, t in made]
    return pl.DataFrame({"k": [k for k, _, _ in made], "v": [v for _, v, _ in made], "ts": at})


def given(frames: list[pl.DataFrame], batch_rows: int) -> tuple[list[Any], int]:
    """What a function gives, in order by key, and the most rows of one call."""
    session = tw.Session(parallelism=1, options={"execution.batch-rows": str(batch_rows)})
    keyed = [session.from_polars(f).assign_watermark("ts", "1 s").key_by("k") for f in frames]
    most, real = [0], RowCalls.run

    def watched(self: RowCalls, work: Any, kept: Any, rows_max: int) -> Any:
        most[0] = max(most[0], len(work.order))
        return real(self, work, kept, rows_max)

    with mock.patch.object(RowCalls, "run", watched):
        if len(keyed) == 1:
            made = keyed[0].process(Told(), GIVEN)
        else:
            made = keyed[0].connect(keyed[1]).process(ToldOfBoth(), GIVEN)
        found = made.collect(mode="stream").rows()
    # keys are independent of each other; what one gives comes in order
    return sorted(found, key=lambda row: row[0]), most[0]


@pytest.mark.parametrize("moments", [1, 2, 40, 1000])
@pytest.mark.parametrize("inputs", [1, 2])
def test_parts_change_nothing(inputs: int, moments: int) -> None:
    frames = [rows(seed, moments=moments) for seed in range(inputs)]
    whole, all_rows = given(frames, 65_536)
    parts, most = given(frames, FEW)
    assert parts == whole
    assert all_rows > 3 * FEW
    if inputs == 1 or moments == 1000:
        assert most <= 2 * FEW
