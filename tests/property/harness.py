"""Run plans in many ways: every way must give the same tables.

A way is a choice on each axis that must not matter: rows per batch, runtime, parallelism, rules, cuts, the
pace of the splits, watermarks held back. What a run publishes is recorded per cut.

Not here: what the tables must be (reference.py), plans (plans.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Any, Literal
from unittest import mock
from zlib import crc32

from tests.property.census import CENSUS
from tests.property.increments import FollowedRun
from tests.property.plans import Case
from tests.property.recording import Log, RecordingSink, Table
from tests.property.worlds import PacedSource
from tests.restless import restless
from thalweg.checkpoint.encoding import checked, encoded
from thalweg.checkpoint.snapshot import InMemory, JobSnapshot, Part
from thalweg.job.job import Job
from thalweg.optimizer.optimize import Rule, optimize
from thalweg.physical.planner import plan_job
from thalweg.plan.nodes import Plan, Scan, Write
from thalweg.protocols.messages import End, Message, Watermark
from thalweg.runtime.breaker import QuarantineLimit
from thalweg.runtime.edge import Channel
from thalweg.runtime.inline import run_inline
from thalweg.runtime.options import MemoryOptions, RocksOptions, RunOptions
from thalweg.runtime.run import Run
from thalweg.runtime.threads import run_threads
from thalweg.session.execute import Execution, Lateness, execute, run_batch

POLLS_MAX = {"inline": 400, "threads": 5000}
"""How often a run may be found where it was before, until it counts as hanging."""
Changelog = Literal["ops", "fold"]
ROWS_FEW = 60


@dataclass(frozen=True)
class Way:
    """How to run a plan; nothing here may change a result."""

    rows_max: int = 4096
    runtime: str = "inline"
    parallelism: int = 1
    is_optimized: bool = False
    cut_batches: int | None = None
    pace: int | None = None
    delays: int | None = None
    """Where it is not None: the seed by which watermarks are held back behind rows that follow them."""
    edge_rows_max: int = 262_144
    has_one_writer: bool = False
    """Whether the sinks take one writer only, so that all tasks send to one."""
    changelog: Changelog | None = None
    """Whether the sinks are append-only, and how changes reach them then."""
    is_rescaled: bool = False
    """Whether the job was planned for one task per stage and then changed."""
    is_mapped: bool = False
    """Whether state lies in files."""
    is_rocks: bool = field(default=False, repr=False)
    """Whether state lies in RocksDB, as far as it is used batch by batch."""


def random_way(r: Random, rows: int) -> Way:
    """Any way to run so many rows; single rows only where they are few."""
    way = Way(
        rows_max=r.choice([1, 7, 30] if rows < ROWS_FEW else [7, 50, 4096]),
        runtime=r.choice(["inline", "inline", "inline", "threads"]),
        parallelism=r.choice([1, 2, 3, 4]),
        is_optimized=r.random() < 0.5,
        cut_batches=r.choice([None, 1, 2, 5]),
        pace=r.choice([None, r.randrange(1000)]),
        delays=r.choice([None, None, r.randrange(1000)]),
        edge_rows_max=r.choice([1, 262_144]),
        has_one_writer=r.random() < 0.2,
        is_rescaled=r.random() < 0.3,
    )
    # not drawn: what a seed means otherwise stays
    return replace(way, is_mapped=crc32(repr(way).encode()) % 5 == 0)


def _memory(way: Way) -> MemoryOptions | None:
    if way.is_rocks:
        return MemoryOptions(rocksdb=RocksOptions(8 << 20))
    return MemoryOptions(smallest=1) if way.is_mapped else None


@cache
def rules() -> tuple[Rule, ...]:
    """The standard rules; none as long as there are none."""
    try:
        from thalweg.optimizer.standard import RULES
    except ImportError:
        return ()
    return tuple(RULES)


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        logs: what each root's sink published.
        snapshots: every checkpoint, oldest first.
    """

    job: Job
    run: Run
    logs: list[Log]
    snapshots: list[JobSnapshot] = field(default_factory=list)

    def tables(self) -> list[Table]:
        """The final tables; every cut on the way is checked."""
        return [log.table() for log in self.logs]


def _sink(log: Log, way: Way) -> RecordingSink:
    log.has_ops = way.changelog == "ops"
    return RecordingSink(log, is_parallel=not way.has_one_writer, takes_updates=way.changelog is None)


def batch(case: Case, *, is_optimized: bool = False, changelog: Changelog | None = None) -> list[Table]:
    """The tables of the case as one lazy query."""
    way = Way(is_optimized=is_optimized, changelog=changelog)
    sinks = [_sink(Log(), way) for _ in case.roots]
    run_batch(_writes(case, sinks, way), 0, QuarantineLimit())
    return [s.log.table() for s in sinks]


def judged_batch(case: Case, way: Way) -> list[Table]:
    """The tables of the case as a batch that judges which rows are late as a stream does."""
    return _batch_of_operators(case, way, "as_stream", None)


def mapped_batch(case: Case, way: Way) -> list[Table]:
    """The tables of the case as a batch that keeps to a budget of memory, and accepts every row."""
    return _batch_of_operators(case, way, "ignore", MemoryOptions(smallest=1))


def _batch_of_operators(
    case: Case, way: Way, lateness: Lateness, memory: MemoryOptions | None
) -> list[Table]:
    sinks = [_sink(Log(), way) for _ in case.roots]
    options = RunOptions(
        runtime=way.runtime, rows_max=way.rows_max, edge_rows_max=way.edge_rows_max, memory=memory
    )
    # plans as they are: the standard rules have a law of their own
    how = Execution(mode="batch", lateness=lateness, parallelism=way.parallelism, rules=(), options=options)
    result = execute(_writes(case, sinks, way), how)
    assert result.mode == "batch", "it was asked for"
    for sink in sinks:
        assert all(b.weight is None for _, b in sink.log.entries), "a batch hands over tables, not changes"
    return [s.log.table() for s in sinks]


def through_bytes(snapshot: JobSnapshot) -> JobSnapshot:
    """The snapshot as another process reads it from its files."""
    keyed = {
        key: replace(rows, pieces=[[_as_file(part) for part in piece] for piece in rows.pieces])
        for key, rows in snapshot.keyed.items()
    }
    splits = {place: json.loads(json.dumps(data)) for place, data in snapshot.splits.items()}
    return JobSnapshot(snapshot.number, keyed, splits)


def _as_file(part: Part) -> Part:
    return InMemory(checked(*encoded(part.frame()), "a test").frame())


def stream(
    case: Case,
    way: Way,
    *,
    checkpoint_batches: int | None = None,
    snapshot: JobSnapshot | None = None,
    stop_after: int | None = None,
) -> Outcome:
    """Run the case as a stream, from the beginning or from a snapshot.

    Args:
        case: the plans.
        way: how to run them.
        checkpoint_batches: a checkpoint after so many source batches.
        snapshot: where to go on.
        stop_after: give up, as a crash would, when so many checkpoints are complete.
    """
    first = 1 if snapshot is None else snapshot.number + 1
    sinks = [_sink(Log(first_cut=first), way) for _ in case.roots]
    job = plan_job(
        _writes(case, sinks, way), name="law", parallelism=1 if way.is_rescaled else way.parallelism
    )
    if way.is_rescaled:
        job = job.with_parallelism(way.parallelism)
    followed = FollowedRun({} if snapshot is None else snapshot.keyed)
    options = RunOptions(
        runtime=way.runtime,
        rows_max=way.rows_max,
        cut_batches=way.cut_batches,
        cut_interval=0.002,
        checkpoint_batches=checkpoint_batches,
        increments=True,
        on_checkpoint=followed.take,
        edge_rows_max=way.edge_rows_max,
        memory=_memory(way),
    )
    try:
        run = Run(job, options, None if snapshot is None else through_bytes(snapshot))
        followed.watch(run)
        with held_back(way.delays):
            _drive(run, way, lambda: stop_after is not None and len(followed.taken) >= stop_after)
    except Exception as error:
        error.add_note(f"{way}\n{case!r}")
        raise
    CENSUS.note(run)
    return Outcome(job, run, [s.log for s in sinks], followed.taken)


def interrupted(case: Case, ways: Sequence[Way], r: Random) -> tuple[list[Log], int]:
    """Run the case under one way after the other, each from a checkpoint of the one before.

    Half of the runs stop at the checkpoint; the others go on, and what they did after it is forgotten, as
    after a crash. Returns what stays published, and how often the run was restored.
    """
    logs: list[Log] | None = None
    snapshot: JobSnapshot | None = None
    restored = 0
    for way in ways[:-1]:
        every = r.choice([1, 2, 3, 7])
        stop_after = r.choice([None, 1, 2, 4])
        outcome = stream(case, way, checkpoint_batches=every, snapshot=snapshot, stop_after=stop_after)
        if not outcome.snapshots:
            break
        snapshot = outcome.snapshots[-1] if stop_after else r.choice(outcome.snapshots)
        logs = _joined(logs, [log.until(snapshot.number) for log in outcome.logs])
        restored += 1
    return _joined(logs, stream(case, ways[-1], snapshot=snapshot).logs), restored


def _joined(before: list[Log] | None, logs: list[Log]) -> list[Log]:
    return logs if before is None else [a.followed_by(b) for a, b in zip(before, logs, strict=True)]


def _drive(run: Run, way: Way, until: Callable[[], bool]) -> None:
    """Run to the end; a job that comes no further is a failure."""
    seen: list[object] = []

    def stop() -> bool:
        now = _progress(run)
        if seen and seen[-1] != now:
            seen.clear()
        seen.append(now)
        assert len(seen) < POLLS_MAX[way.runtime], f"the job comes no further: {run.why()}"
        return until()

    if way.runtime == "inline":
        run_inline(run, until=stop)
    else:
        # else the first thread would go alone through so few rows
        with restless(way.rows_max):
            run_threads(run, until=stop, poll=0.002)
    assert run.is_finished or until(), f"the job stopped before its end: {run.why()}"


def _progress(run: Run) -> object:
    """How far a run is. No clock: a machine that is busy with other things is not a failure."""
    finished = sum(t.state == "finished" for t in run.tasks)
    batches = sum(c.batches for t in run.tasks for c in t.chain.counts.values())
    return run.rows_read, finished, batches, run.watermark


def _writes(case: Case, sinks: Sequence[RecordingSink], way: Way) -> list[Plan]:
    roots = paced(case.roots, way.pace)
    made: list[Plan] = [Write(root, sink, way.changelog) for root, sink in zip(roots, sinks, strict=True)]
    return optimize(made, rules())[0] if way.is_optimized else made


def paced(roots: Sequence[Plan], pace: int | None) -> list[Plan]:
    """The plans with all sources read at a pace; what was shared is shared still."""
    if pace is None:
        return list(roots)
    made: dict[int, Plan] = {}

    def visit(plan: Plan) -> Plan:
        if id(plan) not in made:
            if isinstance(plan, Scan) and not isinstance(plan.source, PacedSource):
                # a table that rows are looked up in
                made[id(plan)] = plan
            elif isinstance(plan, Scan):
                source: Any = _paced_source(plan.source, pace)
                made[id(plan)] = replace(plan, source=source)
            else:
                made[id(plan)] = (
                    plan.with_inputs(tuple(visit(p) for p in plan.inputs)) if plan.inputs else plan
                )
        return made[id(plan)]

    return [visit(root) for root in roots]


_paced: dict[tuple[PacedSource, int], PacedSource] = {}


def _paced_source(source: PacedSource, pace: int) -> PacedSource:
    """One source for one pace, so that two scans of it remain one."""
    return _paced.setdefault((source, pace), replace(source, pace=pace))


@contextmanager
def held_back(seed: int | None) -> Iterator[None]:
    """Let watermarks fall behind rows, barriers and later watermarks that follow them on their edge."""
    if seed is None:
        yield
        return
    r = Random(seed)
    waiting: dict[int, Watermark] = {}
    put = Channel.put

    def delayed(channel: Channel, message: Message) -> None:
        kept = waiting.pop(id(channel), None)
        if isinstance(message, Watermark) and r.random() < 0.7:
            waiting[id(channel)] = message
            return
        if kept is not None and not isinstance(message, End) and r.random() < 0.7:
            waiting[id(channel)] = kept
            kept = None
        put(channel, message)
        if kept is not None and not isinstance(message, (End, Watermark)):
            put(channel, kept)

    with mock.patch.object(Channel, "put", delayed):
        yield


__all__ = ["ROWS_FEW", "Outcome", "Way", "batch", "interrupted", "paced", "random_way", "stream"]
