"""Run one job of a program on a simulated machine, over the recorded beginning of its input.

Every process executes the program anew up to its jobs, so that it has objects of its own, as it would have
after a crash. What the job writes is collected; the program's sinks are not touched.

Not here: what is disturbed (disturbances.py), what the results must be (compare.py).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, fields, replace
from functools import partial
from random import Random
from typing import Any

import polars as pl

from thalweg.checkpoint.history import History
from thalweg.connectors.sinks import CallbackSink
from thalweg.errors import InternalError, PlanError
from thalweg.expr.nodes import Expr, PythonCall, walk
from thalweg.job.job import Job
from thalweg.optimizer.optimize import optimize
from thalweg.physical.planner import plan_job
from thalweg.plan.asynchronous import MapAsync
from thalweg.plan.lookup import LookupJoin
from thalweg.plan.nodes import MapBatches, Plan, Scan, Write
from thalweg.runtime.options import RunOptions
from thalweg.session.execute import choose_mode
from thalweg.session.judged import final_writes
from thalweg.session.programs import Look
from thalweg.testing.programs.clocks import user_time
from thalweg.testing.programs.collected import Collected, Deliveries, DeliverySink, TableSink
from thalweg.testing.programs.disturbances import Disturbance
from thalweg.testing.programs.recorded import Pace, RecordedSource, recorded
from thalweg.testing.simulation.disk import SimulatedDisk
from thalweg.testing.simulation.simulation import Simulation
from thalweg.testing.simulation.world import World

_STEPS_MAX = 2_000_000


@dataclass(frozen=True)
class UserJob:
    """One job of a program.

    Attributes:
        load: executes the program, and gives the job anew.
        look: the job as it was loaded first.
        inputs: what its sources gave, in the order in which the plan names them.
    """

    load: Callable[[], Look]
    look: Look
    inputs: tuple[RecordedSource, ...]

    @property
    def writes(self) -> list[Write]:
        """Its sinks."""
        return [root for root in self.look.roots if isinstance(root, Write)]

    @property
    def is_batch(self) -> bool:
        """Whether it would run as a batch."""
        return choose_mode(self.look.roots, self.look.how.mode) == "batch"


def user_job(load: Callable[[], Look], look: Look, rows: int) -> UserJob:
    """A job, with the beginning of its input."""
    sources = dict.fromkeys(s.source for s in scans(look.roots))
    return UserJob(load, look, tuple(recorded(source, rows) for source in sources))


def scans(roots: Sequence[Plan]) -> list[Scan]:
    """What a job reads, but for tables that it asks row by row."""
    return [node for node in _nodes(roots) if isinstance(node, Scan)]


@dataclass
class Outcome:
    """What a run has come to.

    Attributes:
        tables: by sink, the rows that it holds in the end.
        taps: by suspect step, the rows that it has given.
        deliveries: by sink that calls a function, the calls.
        error: what it has failed with.
        steps: how many steps its tasks took.
    """

    tables: list[pl.DataFrame] = field(default_factory=list)
    taps: list[pl.DataFrame] = field(default_factory=list)
    deliveries: dict[int, Deliveries] = field(default_factory=dict)
    error: Exception | None = None
    steps: int = 0


def outcome_of(job: UserJob, disturbance: Disturbance, *, is_tapped: bool = False) -> Outcome:
    """Run a job to its end, disturbed.

    Args:
        job: what is run.
        disturbance: what happens meanwhile.
        is_tapped: whether the rows of suspect steps are collected, too.
    """
    subject = _Subject(job, disturbance, is_tapped=is_tapped)
    simulation = Simulation(
        subject, disturbance.conditions, adapt=subject.adapted, steps_max=_STEPS_MAX, is_thorough=False
    )
    subject.world = simulation.world
    outcome = Outcome(deliveries=subject.deliveries)
    with redirect_stdout(io.StringIO()), user_time(lambda: subject.now() / 1e6):
        try:
            report = simulation.run()
            outcome.steps = report.reached.get("step", 0)
            outcome.tables = [held.table() for held in subject.tables]
            outcome.taps = [held.table() for held in subject.taps]
        except AssertionError as error:
            raise InternalError(
                "the simulated job does not come to its end", code="simulate-stuck", found=str(error)
            ) from error
        except Exception as error:  # noqa: BLE001 - the program is the user's: it may raise anything
            outcome.error = error
    return outcome


class _Subject:
    """See `thalweg.testing.simulation.simulation.Subject`."""

    world: World

    def __init__(self, job: UserJob, disturbance: Disturbance, *, is_tapped: bool) -> None:
        self._job, self._disturbance = job, disturbance
        writes = job.writes
        self.tables = [Collected() for _ in writes]
        self.taps = [Collected() for _ in suspects(job.look.roots)] if is_tapped else []
        self.deliveries = {n: Deliveries() for n, w in enumerate(writes) if isinstance(w.sink, CallbackSink)}
        self._processes = 0
        random = Random(f"{disturbance.conditions.seed} pace")  # noqa: S311 - chance to be repeated
        self._pace = Pace(random, disturbance.is_cut, disturbance.silence)

    @property
    def idle_timeout(self) -> float | None:
        """As the program says."""
        return self._job.look.how.options.idle_timeout

    def now(self) -> int:
        """The time of day, in microseconds: it stands still unless it is what is disturbed."""
        if self._disturbance.time is None:
            return _NOON
        return self.world.wall_us() + int(self._disturbance.time * 1e6)

    def adapted(self, options: RunOptions) -> RunOptions:
        """What the program says, and its own clock."""
        own = self._job.look.how.options
        return replace(options, wall=self.now, drift_max=own.drift_max, quarantine=own.quarantine)

    def begin(self, world: World) -> None:
        """Nothing is to be done."""

    def committed(self, history: History) -> None:
        """Only what is there in the end counts."""

    def ended(self) -> None:
        """Whoever compares looks."""

    def job(self, disk: SimulatedDisk, parallelism: int) -> Job:
        """The job of a new process."""
        self._processes += 1
        began = partial(self._began, self._processes)
        look = self._job.load()
        roots = self._with_inputs(look.roots)
        writes = [r for r in roots if isinstance(r, Write)]
        targets: list[Plan] = [
            Write(w.input, TableSink(held, began)) for w, held in zip(writes, self.tables, strict=True)
        ]
        if self.taps:
            pairs = zip(suspects(roots), self.taps, strict=True)
            targets += [Write(node, TableSink(held, began)) for node, held in pairs]
        targets += [self._delivering(number, writes[number]) for number in self.deliveries]
        plans, _ = optimize(targets, look.how.rules)
        return plan_job(plans, name="job", parallelism=parallelism)

    def _began(self, process: int, number: int) -> None:
        for deliveries in self.deliveries.values():
            deliveries.began[process] = number

    def _delivering(self, number: int, write: Write) -> Write:
        """A sink that notes with what a function would be called."""
        noted, sink = self.deliveries[number], write.sink
        made = replace(write, sink=DeliverySink(noted, self._processes, sink.takes_updates, sink.emit))
        return _as_batch(made) if self._job.is_batch else made

    def _with_inputs(self, roots: Sequence[Plan]) -> list[Plan]:
        """The plans over what was recorded; what was shared is shared still."""
        sources = dict.fromkeys(s.source for s in scans(roots))
        if len(sources) != len(self._job.inputs) or len(roots) != len(self._job.look.roots):
            raise changing(len(sources), len(self._job.inputs))
        inputs = {
            id(source): replace(held, pace=self._pace)
            for source, held in zip(sources, self._job.inputs, strict=True)
        }
        return _replaced(roots, lambda s: replace(s, source=inputs[id(s.source)], has_journal=False))


_NOON = 1_700_049_600_000_000


def _as_batch(write: Write) -> Write:
    made = final_writes([write])[0]
    assert isinstance(made, Write), "a sink stays one"
    return made


def changing(found: int, expected: int) -> PlanError:
    """The error for a program that makes another job when it is executed again."""
    return PlanError(
        "the program makes another job each time that it is executed, so that no two runs can be compared",
        code="simulate-other-job",
        expected=f"{expected} sources, as the first time",
        found=f"{found} sources",
    )


def _replaced(roots: Sequence[Plan], change: Callable[[Scan], Plan]) -> list[Plan]:
    made: dict[int, Plan] = {}

    def visit(plan: Plan) -> Plan:
        if id(plan) not in made:
            if isinstance(plan, Scan):
                made[id(plan)] = change(plan)
            elif isinstance(plan, LookupJoin):
                # its table is asked, and not read
                made[id(plan)] = plan.with_inputs((visit(plan.left), plan.right))
            else:
                made[id(plan)] = plan.with_inputs(tuple(map(visit, plan.inputs)))
        return made[id(plan)]

    return [visit(plan) for plan in roots]


# Suspects ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Suspect:
    """A step that runs code of the user, or reads the clock.

    Attributes:
        name: what it is called.
        place: where its function was written, or the step.
    """

    name: str
    place: str | None

    def __str__(self) -> str:
        return self.name if self.place is None else f"{self.name}, {self.place}"


def suspects(roots: Sequence[Plan]) -> list[Plan]:
    """The steps that may be to blame, in the order of the rows."""
    return [node for node in _nodes(roots) if not isinstance(node, Write) and suspect_of(node)]


def suspect_of(node: Plan) -> list[Suspect]:
    """What is suspect about a step; nothing, if it is the engine's alone."""
    if isinstance(node, (MapAsync, MapBatches)):
        return [Suspect(node.function.name, node.function.place or node.place)]
    if isinstance(node, Scan):
        return [Suspect(f"PROCTIME() of {node.source.describe()}", node.place)] if node.stamp else []
    values = (getattr(node, f.name) for f in fields(node) if f.name not in ("place", "span"))
    calls = [e for value in values for expr in _exprs(value) for e in walk(expr) if isinstance(e, PythonCall)]
    return [Suspect(c.function.name, c.function.place or node.place) for c in dict.fromkeys(calls)]


def _exprs(value: Any) -> Iterator[Expr]:
    if isinstance(value, Expr):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _exprs(item)
    elif hasattr(value, "expr") and isinstance(value.expr, Expr):
        yield value.expr


def _nodes(roots: Sequence[Plan]) -> list[Plan]:
    """All steps, each once, behind those that it reads."""
    found: dict[int, Plan] = {}

    def visit(plan: Plan) -> None:
        if id(plan) in found:
            return
        for below in (plan.left,) if isinstance(plan, LookupJoin) else plan.inputs:
            visit(below)
        found[id(plan)] = plan

    for root in roots:
        visit(root)
    return [*found.values()]
