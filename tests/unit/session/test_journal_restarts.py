"""A job that reads what gives its rows once restarts, and loses none: they are in its journal."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import PlanError

ROWS = 120
FAILS_AT = {30, 60, 90}
FAILED: set[int] = set()
"""Where it fails, and has failed; settings of a function are copied for each attempt."""


def generated() -> Iterator[tuple[int]]:
    for n in range(ROWS):
        time.sleep(0.001)
        yield (n,)


async def awaited() -> AsyncIterator[tuple[int]]:
    for n in range(ROWS):
        await asyncio.sleep(0.001)
        yield (n,)


class Emptied:
    """Can be iterated again, and has what is left then."""

    def __init__(self) -> None:
        self.left = deque(range(ROWS))

    def __iter__(self) -> Iterator[tuple[int]]:
        while self.left:
            time.sleep(0.001)
            yield (self.left.popleft(),)


class EmptiedSlowly(Emptied):
    async def __aiter__(self) -> AsyncIterator[tuple[int]]:
        while self.left:
            await asyncio.sleep(0.001)
            yield (self.left.popleft(),)


class Counted(tw.ProcessFunction):
    """Fails at some rows, once each."""

    n: int = 0

    def on_event(self, row: Any) -> Any:
        if row.n in FAILS_AT and row.n not in FAILED:
            FAILED.add(row.n)
            raise ValueError("not yet")
        self.n += 1
        yield row.n, self.n


def outcome(rows: Any, folder: Path, *, journal: bool) -> list[tuple[int, int]]:
    """What is written in the end."""
    FAILED.clear()
    restarts = {"type": "fixed-delay", "fixed-delay.attempts": "10", "fixed-delay.delay": "0"}
    options = {f"restart-strategy.{name}": value for name, value in restarts.items()}
    options["execution.checkpointing.interval"] = "20 ms"
    session = tw.Session(parallelism=1, checkpoint_dir=folder / "kept", options=options)
    read = session.from_iter(rows, "n BIGINT", journal=journal).key_by()
    made = read.process(Counted(), "n BIGINT, nth BIGINT", order="arrival")
    made.write_parquet(folder / "out")
    session.run("once", mode="stream")
    return sorted(pl.read_parquet(folder / "out" / "**" / "*.parquet").rows())


@pytest.mark.slow
@pytest.mark.parametrize("rows", [generated, awaited, Emptied, EmptiedSlowly])
def test_no_row_is_lost(rows: Callable[[], Any], tmp_path: Path) -> None:
    wanted = [(n, n + 1) for n in range(ROWS)]
    assert outcome(rows(), tmp_path, journal=True) == wanted


@pytest.mark.slow
def test_rows_that_are_not_there_any_more_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # most rows have been read by then, so that fewer are left than were read, whatever the checkpoint holds
    monkeypatch.setattr(f"{__name__}.FAILS_AT", {100})
    with pytest.raises(PlanError) as caught:
        outcome(Emptied(), tmp_path, journal=False)
    assert caught.value.code == "source-read-once"
