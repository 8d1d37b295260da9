"""Random plans as simulated jobs: joins, sessions, ranks, OVER, small inputs, look-ups, bad rows, SQL.

They are those of the property tests, whose results are known: from a reference in Python, or from DuckDB.
Here they are crashed, rescaled and restored in the middle of everything. What is committed must never take a
row away that is not there, and in the end it must be the result.

Not here: the plans (tests/property), jobs whose every prefix has a known result (workloads.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import polars as pl

from tests.property.harness import Changelog
from tests.property.laws import expected
from tests.property.pane_plans import pane_case
from tests.property.plans import Case, random_case, random_windows, scan
from tests.property.queries import random_query_case
from tests.property.recording import Table, rows_of, same
from tests.property.reference import Reference
from tests.property.small_plans import side, small_case
from tests.property.test_lookups import looked_up, some_rows
from tests.property.window_plans import window_case
from tests.property.worlds import random_world
from tests.simulation.written import TEXTS, written
from thalweg.checkpoint.history import History
from thalweg.columnar.batch import Batch
from thalweg.connectors.memory import frame_source
from thalweg.job.job import Job
from thalweg.optimizer.optimize import optimize
from thalweg.optimizer.standard import RULES
from thalweg.physical.planner import plan_job
from thalweg.plan import build
from thalweg.plan.lookup import LookupJoin
from thalweg.plan.nodes import AssignWatermark, BadRows, Plan, Scan, Write
from thalweg.protocols.source import Source
from thalweg.runtime.options import RunOptions
from thalweg.testing.programs.collected import Collected, TableSink
from thalweg.testing.simulation.disk import SimulatedDisk
from thalweg.testing.simulation.simulation import WrongError
from thalweg.testing.simulation.source import PacedSource
from thalweg.testing.simulation.world import World

FIRST = 1000
"""Seeds from here on, every other one, are random plans; those before are what `noticed.json` knows."""
ROWS_MAX = 60
_TRIES = 40
_SIGNS = {"+I": 1, "+U": 1, "-U": -1, "-D": -1}


@dataclass(frozen=True)
class PlanCase:
    """Plans, and what they must give.

    Attributes:
        case: the plans.
        wanted: the final tables.
        drift_max: how far a split may be ahead of the slowest, in seconds.
        is_optimized: whether rules change the plans.
        changelog: how changes reach sinks that only take rows that stay; None: they take changes.
    """

    case: Case
    wanted: Sequence[Table]
    drift_max: float | None
    is_optimized: bool
    changelog: Changelog | None = None


def is_plan_seed(seed: int) -> bool:
    """Whether a seed is a random plan."""
    return seed >= FIRST and seed % 2 == 1


def random_plans(seed: int) -> PlanCase:
    """The plans of a seed: the first that are small enough."""
    random = Random(f"{seed} plans")
    make = random.choice(_KINDS)
    for _ in range(_TRIES):
        made = make(random)
        if made is not None and made[0].rows <= ROWS_MAX:
            drift = random.choice([None, None, None, 5.0, 30.0])
            is_optimized = random.random() < 0.7
            return PlanCase(*made, drift, is_optimized, random.choice([None, None, None, "ops", "fold"]))
    return random_plans(seed + 1_000_000_007)


Made = tuple[Case, Sequence[Table]]


def _plain(make: Callable[[Random], Case]) -> Callable[[Random], Made | None]:
    def made(r: Random) -> Made | None:
        case = make(r)
        # the reference is slow, and larger ones are not wanted
        return (case, expected(case)) if case.rows <= ROWS_MAX else None

    return made


def _query(r: Random) -> Made:
    asked = random_query_case(r)
    return asked.case, [asked.answer()]


def _lookup(r: Random) -> Made | None:
    found = some_rows(r, is_punctual=True)
    if found is None or found[0].rows > ROWS_MAX:
        return None
    case, plan, keys = found
    made = Case(case.worlds, (looked_up(r, plan, frame_source(side(r, plan, keys)), keys),))
    return made, Reference(made.roots, judges=True).tables()


def _bad_rows(r: Random) -> Made:
    """Rows without an event time are kept apart, once, and every other row goes on."""
    world = random_world(r, sizes=[r.choice([3, 15]) for _ in range(r.choice([1, 2]))])
    frames = tuple(f.with_columns(t=pl.when(pl.col("id") % 7 != 3).then("t")) for f in world.frames)
    world = replace(world, frames=frames, is_tolerant=True)
    source = scan(world)
    assert isinstance(source, AssignWatermark), "a scan with its watermark"
    good = (build.window(source, "t", random_windows(r)), source)
    places = [(str(n), i) for n, f in enumerate(frames) for i, t in enumerate(f["t"]) if t is None]
    bad = build.select_names(BadRows(source.input), ["split", "position"])
    return Case((world,), (*good, bad)), [*Reference(good, judges=True).tables(), Counter(places)]


def _written(r: Random) -> Made:
    plan, wanted = written(r.randrange(10 * len(TEXTS)))
    return Case((), (plan,)), wanted


_KINDS: tuple[Callable[[Random], Made | None], ...] = (
    *[_plain(random_case)] * 5,
    *[_plain(window_case)] * 2,
    *(_plain(pane_case), _plain(small_case), _plain(small_case)),
    *(_query, _query, _lookup, _bad_rows),
    *[_written] * 10,
)


class SimulatedPlans:
    """See `thalweg.testing.simulation.simulation.Subject`."""

    idle_timeout = None

    def __init__(self, plans: PlanCase) -> None:
        self._plans = plans
        self._tables = [Collected() for _ in plans.case.roots]

    def begin(self, world: World) -> None:
        """Sources have a pace."""
        self._pace = world.stream("pace")

    def adapted(self, options: RunOptions) -> RunOptions:
        """How far a split may be ahead."""
        return replace(options, drift_max=self._plans.drift_max)

    def job(self, disk: SimulatedDisk, parallelism: int) -> Job:
        """The job, over sources at a pace."""
        changelog = self._plans.changelog
        roots = _paced(self._plans.case.roots, self._pace)
        writes: list[Plan] = [
            Write(root, TableSink(table, _unnoticed, takes_updates=changelog is None), changelog)
            for root, table in zip(roots, self._tables, strict=True)
        ]
        rules = RULES if self._plans.is_optimized else ()
        return plan_job(optimize(writes, rules)[0], name="job", parallelism=parallelism)

    def committed(self, history: History) -> None:
        """Whatever is committed can be added up (see `ended`)."""

    def ended(self) -> None:
        """Everything is there, once."""
        for number, (table, wanted) in enumerate(zip(self._tables, self._plans.wanted, strict=True)):
            found = _added_up(table, number, has_ops=self._plans.changelog == "ops")
            same(found, wanted, f"root {number} of\n{self._plans.case!r}\n")


def _unnoticed(number: int) -> None:
    """Where a process begins does not matter here."""


def _added_up(collected: Collected, number: int, *, has_ops: bool) -> Table:
    """The rows, commit by commit: what is taken away was there."""
    table: Table = Counter()
    for frames in collected.commits:
        for frame in frames:
            batch = Batch.unpacked(frame)
            for row, weight in zip(rows_of(batch.frame), batch.weights().to_list(), strict=True):
                if has_ops:
                    table[row[1:]] += _SIGNS[row[0]]
                else:
                    table[row] += weight
        gone = [row for row, count in table.items() if count < 0]
        if gone:
            raise WrongError(f"root {number}: a commit takes a row away that is not there: {gone[0]}")
    return Counter({row: n for row, n in table.items() if n})


def _paced(roots: Sequence[Plan], pace: Random) -> list[Plan]:
    """The plans over sources at a pace; what was shared is shared still, tables that are asked stay."""
    made: dict[int, Plan] = {}
    sources: dict[int, Any] = {}

    def visit(plan: Plan) -> Plan:
        if id(plan) not in made:
            if isinstance(plan, Scan):
                source = sources.setdefault(id(plan.source), _at_a_pace(plan.source, pace))
                made[id(plan)] = replace(plan, source=source)
            elif isinstance(plan, LookupJoin):
                made[id(plan)] = plan.with_inputs((visit(plan.left), plan.right))
            else:
                made[id(plan)] = plan.with_inputs(tuple(map(visit, plan.inputs)))
        return made[id(plan)]

    return [visit(root) for root in roots]


def _at_a_pace(source: Source, pace: Random) -> PacedSource:
    return PacedSource(source, pace, source.is_ordered)
