"""Processing time is stamped when rows are read, never goes back, and closes windows while nothing comes."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import polars as pl
import pytest

from tests.unit.runtime.live import SECOND, Clock, LiveSource, Watched, watched
from thalweg.expr.nodes import Aggregate, Call, Column, Named
from thalweg.plan import build
from thalweg.plan.nodes import WINDOW_END, WINDOW_START, Plan, Scan
from thalweg.plan.over import Frame, over
from thalweg.progress.sessions import SessionSpec
from thalweg.progress.windows import WindowSpec
from thalweg.runtime.options import RunOptions

BOUNDS = [Named(n, Column(n)) for n in (WINDOW_START, WINDOW_END)]


@dataclass
class Wall:
    """The time of day, moved by the clock that the test moves."""

    clock: Clock
    shift: float = 0.0

    def __call__(self) -> int:
        return round((self.clock() + self.shift) * SECOND)


def stamped(*sources: LiveSource) -> Plan:
    """The rows of all sources with their processing time."""
    return build.with_columns(
        build.union_all([build.assign_watermark(Scan(s), "t", Column("t")) for s in sources]),
        [Named("p", Call("proctime", ()))],
    )


def counted(rows: Plan) -> Plan:
    """How many rows were read in each ten seconds."""
    windows = build.window(rows, "p", WindowSpec.tumbling(10 * SECOND))
    return build.group_by(windows, BOUNDS, [*BOUNDS, Named("n", Aggregate("count"))])


def test_windows_close_when_the_clock_has_passed_them_and_nothing_comes() -> None:
    clock = Clock()
    source = LiveSource({"a": [(1.0, [500, 7]), (11.0, [3])], "b": [(9.0, [1])]}, clock)
    job = watched([counted(stamped(source))], clock, RunOptions(wall=Wall(clock)))
    job.until(9.9)
    assert job.table() == {}
    job.until(10.5)
    assert job.table() == {0: 3}
    job.until(21.0)
    assert job.table() == {0: 3, 10: 1}


def test_windows_close_while_there_is_no_split() -> None:
    clock = Clock()
    source = LiveSource({"a+0": [(1.0, [5])], "b+13": [(13.0, [6])]}, clock, interval=0.5)
    job = watched([counted(stamped(source))], clock, RunOptions(wall=Wall(clock)), parallelism=1)
    job.until(10.5)
    assert job.table() == {0: 1}
    job.until(21.0)
    assert job.table() == {0: 1, 10: 1}


def test_a_source_that_is_silent_holds_no_other_back() -> None:
    clock = Clock()
    sources = LiveSource({"a": [(1.0, [5])]}, clock, "one"), LiveSource({"b": []}, clock, "other")
    job = watched([counted(stamped(*sources))], clock, RunOptions(wall=Wall(clock)))
    job.until(10.5)
    assert job.table() == {0: 1}


def test_time_stands_while_the_clock_was_set_back() -> None:
    clock = Clock()
    wall = Wall(clock)
    source = LiveSource({"a": [(11.0, [1]), (12.0, [2])]}, clock)
    job = watched([counted(stamped(source))], clock, RunOptions(wall=wall), parallelism=1)
    job.until(11.5)
    wall.shift = -5.0
    job.until(14.0)
    assert job.table() == {}
    job.until(25.5)
    # the second row was read at 7 by the clock, and belongs to the time that was reached before
    assert job.table() == {10: 2}


def test_rows_keep_their_time_when_a_job_is_restored() -> None:
    clock = Clock()
    wall = Wall(clock)
    source = LiveSource({"a": [(1.0, [1]), (3.0, [2])]}, clock)
    job = watched([counted(stamped(source))], clock, RunOptions(wall=wall), parallelism=1)
    job.until(2.0)
    job.run.request_checkpoint()
    job.until(4.0)
    snapshot = job.run.last_snapshot
    assert snapshot is not None
    # the clock goes back by a second: what is read again is not before what was reached
    clock.now, wall.shift = 3.0, -1.5
    later = watched([counted(stamped(source))], clock, RunOptions(wall=wall), 3, snapshot)
    later.until(12.0)
    assert later.table() == {0: 2}
    positions = snapshot.splits["source1", "a"]
    assert positions["stamp"] == 1 * SECOND


def stamps(job: Watched, number: int) -> pl.DataFrame:
    """The rows with the processing time that they got."""
    return job.sinks[number].table().sort("t")


@pytest.mark.parametrize("seed", range(8))
def test_what_was_stamped_is_event_time_from_there(seed: int) -> None:
    """Replayed with the recorded times as event times, in other batches, the results are the same."""
    r = Random(seed)
    clock = Clock()
    script = {
        name: sorted(
            (round(r.uniform(0, 30), 1), [first + 100 * n for n in range(r.randint(1, 4))]) for _ in "abcd"
        )
        for first, name in ((1, "x"), (2, "y"))
    }
    numbered = {
        name: [(at, [base + 10 * i + n for n in range(len(rows))]) for i, (at, rows) in enumerate(found)]
        for base, (name, found) in ((0, ("x", script["x"])), (1000, ("y", script["y"])))
    }
    live = LiveSource(numbered, clock)
    rows = stamped(live)
    job = watched([rows, *results(rows)], clock, RunOptions(wall=Wall(clock)), r.randint(1, 3))
    job.until(45.0)
    job.run.stop(drain=True)
    job.until(46.0)
    recorded = stamps(job, 0)
    assert recorded.height == sum(len(rows) for found in numbered.values() for _, rows in found)

    again = recorded.select("t", "p")
    source = [again.filter(pl.col("t").dt.epoch("s").is_between(*part)) for part in ((0, 999), (1000, 9999))]
    from thalweg.connectors.memory import frame_source

    plan = build.assign_watermark(Scan(frame_source(source)), "p", Column("p"))
    replay = watched(results(plan), Clock(), RunOptions(rows_max=r.randint(1, 5)), r.randint(1, 3))
    replay.until(3.0)
    for number in range(len(replay.sinks)):
        found, wanted = (s.table() for s in (job.sinks[number + 1], replay.sinks[number]))
        assert found.sort(pl.all()).equals(wanted.sort(pl.all()))


def results(rows: Plan) -> list[Plan]:
    """What goes by processing time: windows of every kind, sessions, and sums over the rows before."""
    count = [*BOUNDS, Named("n", Aggregate("count")), Named("least", Aggregate("min", (Column("t"),)))]
    kinds = (
        WindowSpec.tumbling(10 * SECOND),
        WindowSpec.hopping(10 * SECOND, 4 * SECOND),
        WindowSpec.cumulating(9 * SECOND, 3 * SECOND),
    )
    windows = [build.group_by(build.window(rows, "p", kind), BOUNDS, count) for kind in kinds]
    sessions = build.group_by(build.session(rows, "p", SessionSpec(3 * SECOND, ())), BOUNDS, count)
    before = over(rows, [], "p", Frame(False, 5 * SECOND), [Named("n", Aggregate("count"))])
    return [*windows, sessions, build.select_names(before, ["t", "p", "n"])]
