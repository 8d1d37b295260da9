"""What is read of a running job is its state at a cut: what a checkpoint of the same cut holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest

import thalweg as tw
from tests.restless import restless
from thalweg.checkpoint import frames
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.connectors.memory import MemorySink
from thalweg.errors import CheckpointError
from thalweg.job.states import KeptState, chosen, states_of
from thalweg.physical.planner import plan_job
from thalweg.plan.nodes import Plan, Write
from thalweg.runtime.aside import Aside
from thalweg.runtime.inline import run_inline
from thalweg.runtime.looks import Look
from thalweg.runtime.options import RunOptions
from thalweg.runtime.run import Run
from thalweg.runtime.threads import run_threads
from thalweg.testing.tables import difference, rows_of, table_of

ROWS, KEYS = 3_000, 40
START = datetime(2026, 1, 1)


class Visits(tw.ProcessFunction):
    """State of every kind: a number, a list, a dict; and timers."""

    pages: dict[str, int]
    last: list[int]
    total: int = 0

    def on_event(self, row: Any) -> Iterator[tuple[int, int]]:
        self.total += row.v
        self.pages[row.name] = self.pages.get(row.name, 0) + 1
        self.last = [*self.last[-2:], row.v]
        if row.v % 7 == 0:
            self.set_timer(timedelta(seconds=5))
        yield row.k, self.total

    def on_timer(self) -> Iterator[tuple[int, int]]:
        self.pages.clear()
        yield self.key.k, -1


class Arrivals(tw.ProcessFunction):
    """Rows as they come."""

    total: int = 0

    def on_event(self, row: Any) -> None:
        self.total = 0 if row.v % 5 == 0 else self.total + row.v


class Limits(tw.BroadcastProcessFunction):
    """State that every task has, beside that of keys."""

    most: tw.Broadcast[int, int]
    spent: int = 0

    def on_broadcast(self, rule: Any) -> None:
        self.most[rule.k] = rule.v

    def on_event(self, row: Any) -> Iterator[tuple[int, int]]:
        self.spent += row.v
        if self.spent > self.most.get(row.k, 100):
            yield row.k, self.spent


def session(seed: int) -> tw.Session:
    made, random = tw.Session(), np.random.default_rng(seed)
    for name in ("e", "d"):
        rows = pl.DataFrame(
            {
                "k": random.integers(0, KEYS, ROWS),
                "v": random.integers(0, 1000, ROWS),
                "name": pl.Series(random.integers(0, 9, ROWS)).cast(pl.String),
                "at": [START + timedelta(milliseconds=20 * n) for n in range(ROWS)],
            }
        )
        made.create_view(name, made.from_polars(rows).assign_watermark("at", "1s"))
    return made


def sql(text: str) -> Callable[[tw.Session], Plan]:
    return lambda made: made.sql(text).plan


def process(function: tw.ProcessFunction, **options: Any) -> Callable[[tw.Session], Plan]:
    return lambda s: s.table("e").key_by("k").process(function, "k BIGINT, total BIGINT", **options).plan


def rules(made: tw.Session) -> Plan:
    keyed, limits = made.table("e").key_by("k"), made.table("d").broadcast()
    return keyed.connect(limits).process(Limits(), "k BIGINT, spent BIGINT").plan


PLANS = {
    "groups": sql("SELECT k, COUNT(*) AS n, MAX(name) AS last, SUM(v) AS s FROM e GROUP BY k"),
    "join": sql("SELECT e.k, e.v, d.v AS w FROM e JOIN d ON e.k = d.k AND e.v = d.v"),
    "join of groups": sql(
        "SELECT a.k, n, s FROM (SELECT k, COUNT(*) AS n FROM e GROUP BY k) a "
        "JOIN (SELECT k, SUM(v) AS s FROM d GROUP BY k) b ON a.k = b.k"
    ),
    "windows": sql(
        "SELECT k, window_end, COUNT(*) AS n, MIN(name) AS first "
        "FROM TABLE(HOP(TABLE e, DESCRIPTOR(at), INTERVAL '2' SECOND, INTERVAL '6' SECOND)) "
        "GROUP BY k, window_start, window_end"
    ),
    "rules": rules,
    "process": process(Visits()),
    "arrivals": process(Arrivals(), order="arrival"),
}


class Reader:
    """Asks a run for all its states at one cut, which is a checkpoint, and compares."""

    def __init__(self, run: Run, taken: dict[int, JobSnapshot], seed: int) -> None:
        self._run, self._taken, self._random = run, taken, Random(seed)
        self._states = states_of(run.job)
        self.cuts: list[int] = []
        self.rows = self.rows_of_keys = 0

    def look_until_it_ends(self) -> None:
        """Again and again."""
        while True:
            try:
                self._look()
            except CheckpointError as error:
                if error.code == "state-job-ended":
                    return
                raise

    def _look(self) -> None:
        run = self._run
        looks = [Look(s, None, Aside(held_bytes=self._random.choice([0, 1 << 20]))) for s in self._states]
        looks += [Look(s, self._key(s), Aside()) for s in self._states if s.keys]
        with run._lock:
            run._coordinator.wish("checkpoint")
            run.ask(*looks)
        cuts = {look.wait(20) for look in looks}
        with run._lock:
            # the snapshot is complete when the lock is free
            snapshot = self._taken[max(cuts)]
        assert len(cuts) == 1, "questions that wait together are answered together"
        self.cuts += cuts
        for look in looks:
            self._compare(look, snapshot)

    def _key(self, state: KeptState) -> pl.DataFrame:
        """A value of the first key column; of a key of several columns a part."""
        name = "k" if "k" in state.keys else next(iter(state.keys))
        dtype = state.keys[name]
        return pl.DataFrame({name: pl.Series([self._random.randrange(KEYS)]).cast(dtype)})

    def _compare(self, look: Look, snapshot: JobSnapshot) -> None:
        state = look.state
        held = frames.shown(snapshot.keyed[state.stage, state.operator, state.name].frame)
        found = pl.concat(look.aside.parts())
        assert found.columns == held.columns
        rows = list(rows_of(held))
        if look.keys is None:
            self.rows += found.height
        else:
            self.rows_of_keys += found.height
            places = [held.columns.index(n) for n in look.keys.columns]
            [wanted] = rows_of(look.keys)
            rows = [row for row in rows if tuple(row[p] for p in places) == wanted]
        wrong = difference(table_of(found), type(table_of(found))(rows))
        assert wrong is None, f"{state} at cut {look.cut}: {wrong}"
        look.aside.close()


def started(
    plan: Plan, parallelism: int, runtime: str
) -> tuple[Run, dict[int, JobSnapshot], threading.Thread]:
    taken: dict[int, JobSnapshot] = {}
    job = plan_job([Write(plan, MemorySink())], name="looked at", parallelism=parallelism)
    options = RunOptions(runtime=runtime, rows_max=25, on_checkpoint=lambda s: taken.update({s.number: s}))
    run = Run(job, options)
    drive = run_inline if runtime == "inline" else run_threads
    thread = threading.Thread(target=drive, args=(run,))
    thread.start()
    return run, taken, thread


@pytest.mark.slow
@pytest.mark.sampled(3, 1)
@pytest.mark.parametrize("parallelism", [1, 2, 3])
@pytest.mark.parametrize("name", PLANS)
def test_live_state_is_that_of_a_checkpoint_of_the_same_cut(name: str, parallelism: int) -> None:
    runtime = "inline" if parallelism == 1 else "threads"
    cuts = rows = rows_of_keys = 0
    # how often a job is looked at before it ends is a matter of which thread gets on
    for _ in range(10):
        with restless(parallelism):
            run, taken, thread = started(PLANS[name](session(parallelism)), parallelism, runtime)
            reader = Reader(run, taken, parallelism)
            reader.look_until_it_ends()
            thread.join(60)
        assert len(set(reader.cuts)) == len(reader.cuts)
        cuts, rows = cuts + len(reader.cuts), rows + reader.rows
        rows_of_keys += reader.rows_of_keys
        if cuts >= 4 and rows and rows_of_keys:
            return
    pytest.fail(f"{cuts} cuts were looked at, {rows} rows, {rows_of_keys} of keys")


def test_a_state_that_cannot_be_read_does_not_stop_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    run, _, thread = started(PLANS["groups"](session(1)), 2, "threads")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Aside, "put", full)
    look = Look(chosen(states_of(run.job), "group1.group"), None, Aside())
    run.ask(look)
    with pytest.raises(CheckpointError, match="no space left") as caught:
        look.wait(20)
    assert caught.value.code == "state-unreadable"
    thread.join(60)
    assert run.is_finished
