"""Turn an optimized plan into a job: stages, exchanges, operators.

Neighbouring steps share a stage until rows must change tasks. The structure of the job depends on
the plan alone, never on the parallelism, so that a checkpoint fits at any parallelism.

Reads:    the plan and its properties.
Not here: rewriting plans (optimizer/), running bounded plans with Polars (lazy.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from thalweg.base.schema import STAMP, SYSTEM_PREFIX, Schema
from thalweg.errors import PlanError
from thalweg.expr.nodes import Column, Expr, substitute
from thalweg.job.job import Edge, EventTime, Job, ScanSpec, Stage, WriteSpec
from thalweg.operators.behind import BehindSpec
from thalweg.operators.rowwise import (
    ExplodeStep,
    FilterStep,
    MapStep,
    ProjectStep,
    RowStep,
    RowwiseSpec,
    StripStep,
    UnplaceStep,
)
from thalweg.operators.split_names import SplitNamesSpec
from thalweg.physical import (
    asynchronous,
    grouping,
    joining,
    lookups,
    needs,
    over,
    processing,
    ranking,
    sessions,
    sharing,
    sorting,
)
from thalweg.physical.common_panes import find_common_panes
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.asynchronous import MapAsync
from thalweg.plan.keys import DeclaredKey
from thalweg.plan.late import Behind
from thalweg.plan.lookup import LookupJoin
from thalweg.plan.nodes import (
    AssignWatermark,
    BadRows,
    Explode,
    Filter,
    GroupBy,
    Join,
    Late,
    Limit,
    MapBatches,
    Plan,
    Project,
    Rank,
    Scan,
    SessionWindow,
    Union,
    Values,
    Window,
    Write,
)
from thalweg.plan.over import Over
from thalweg.plan.process import Process, SideOutput
from thalweg.plan.properties import properties
from thalweg.plan.sort import Sort
from thalweg.protocols.operator import BAD, OperatorSpec


@dataclass
class OpenStage:
    """A stage while it is put together.

    Attributes:
        origin: for the stages of a source, each column as an expression over the scan's columns;
            None once rows have been through something that hides where columns come from.
    """

    id: str
    parallelism: int
    scan: ScanSpec | None = None
    steps: list[RowStep] = field(default_factory=list)
    operators: list[OperatorSpec] = field(default_factory=list)
    write: WriteSpec | None = None
    origin: dict[str, Expr] | None = None

    def flush(self) -> None:
        """Make one operator of the row-wise steps so far."""
        if self.steps:
            number = len(self.operators)
            self.operators.append(RowwiseSpec(f"{self.id}.rows{number}", tuple(self.steps)))
            self.steps = []

    def add(self, operator: OperatorSpec) -> None:
        """Append an operator behind what is there."""
        self.flush()
        self.operators.append(operator)
        self.origin = None

    def closed(self) -> Stage:
        """The finished stage."""
        self.flush()
        return Stage(self.id, self.parallelism, tuple(self.operators), self.scan, self.write)


class Planner:
    """Builds one job from the plans of its sinks."""

    def __init__(self, roots: Sequence[Plan], parallelism: int) -> None:
        self.parallelism = parallelism
        self.needs = needs.find(roots)
        self.stages: list[OpenStage] = []
        self.edges: list[Edge] = []
        self._names: dict[str, int] = {}
        self._placed: dict[Plan, OpenStage] = {}
        self.window_ports: dict[Plan, tuple[OpenStage, str]] = {}
        self.common_panes = find_common_panes(roots, self.needs, grouping.shares_panes)
        self.panes_placed: dict[int, sharing.Placed] = {}

    def job(self, roots: Sequence[Plan], name: str) -> Job:
        """The job of all roots."""
        # late outputs hang on a window step that another root has placed
        for root in sorted(roots, key=needs.reads_late):
            self.place(root)
        return Job(name, tuple(s.closed() for s in self.stages), tuple(self.edges))

    def place(self, plan: Plan) -> OpenStage:
        """The stage that makes the plan's rows."""
        stage = self._placed.get(plan)
        if stage is None:
            stage = self._place(plan)
            self._placed[plan] = stage
        return stage

    def _place(self, plan: Plan) -> OpenStage:
        if isinstance(plan, Scan):
            return self._scan(plan)
        if isinstance(plan, Values):
            return self._values(plan)
        if isinstance(plan, AssignWatermark):
            return self._watermark(plan)
        if isinstance(plan, (Project, Filter, Explode, MapBatches)):
            return self._rowwise(plan)
        if isinstance(plan, Union):
            return self._union(plan)
        if isinstance(plan, Window):
            return grouping.place_window(self, plan, shares_panes=False)
        if isinstance(plan, SessionWindow):
            return sessions.place_session(self, plan)
        if isinstance(plan, GroupBy):
            return grouping.place_group_by(self, plan)
        if isinstance(plan, LookupJoin):
            return lookups.place_lookup(self, plan)
        if isinstance(plan, Join):
            return joining.place_join(self, plan)
        if isinstance(plan, AsOfJoin):
            return joining.place_as_of_join(self, plan)
        if isinstance(plan, Rank):
            return ranking.place_rank(self, plan)
        if isinstance(plan, Over):
            return over.place_over(self, plan)
        if isinstance(plan, MapAsync):
            return asynchronous.place_map_async(self, plan)
        if isinstance(plan, SideOutput):
            return processing.place_side(self, plan)
        if isinstance(plan, Process):
            return processing.place_process(self, plan)
        if isinstance(plan, Sort):
            return sorting.place_sort(self, plan)
        if isinstance(plan, DeclaredKey):
            return self.chained(plan.input)
        if isinstance(plan, Limit):
            return grouping.place_limit(self, plan)
        if isinstance(plan, Late):
            return self._late(plan)
        if isinstance(plan, Behind):
            return self._behind(plan)
        if isinstance(plan, BadRows):
            stage = self.new_stage("letters" if plan.is_whole else "bad")
            self.edges.append(Edge(self.place(plan.input).id, stage.id, output=BAD))
            if not plan.is_whole:
                stage.steps.append(StripStep(tuple(plan.schema.names)))
            return stage
        assert isinstance(plan, Write), f"no way to run {type(plan).__name__}"
        return self._write(plan)

    # -- building blocks -----------------------------------------------------------------------

    def new_stage(self, kind: str, *, parallelism: int | None = None) -> OpenStage:
        """An empty stage with a name that depends on its place in the plan only."""
        number = self._names[kind] = self._names.get(kind, 0) + 1
        stage = OpenStage(f"{kind}{number}", self.parallelism if parallelism is None else parallelism)
        self.stages.append(stage)
        return stage

    def chained(self, plan: Plan) -> OpenStage:
        """A stage behind `plan` to append to: its own, or a new one if others read it too."""
        stage = self.place(plan)
        if self.needs.readers(plan) <= 1:
            return stage
        follower = self.new_stage("branch", parallelism=stage.parallelism)
        follower.origin = None
        self.edges.append(Edge(stage.id, follower.id))
        return follower

    def exchanged(self, stage: OpenStage, keys: Sequence[str], kind: str) -> OpenStage:
        """A new stage that gets the rows by key; without keys, one task gets them all."""
        target = self.new_stage(kind, parallelism=self.parallelism if keys else 1)
        how = "hash" if keys else "gather"
        self.edges.append(Edge(stage.id, target.id, how, tuple(keys)))  # type: ignore[arg-type]
        return target

    # -- sources -------------------------------------------------------------------------------

    def _scan(self, plan: Scan) -> OpenStage:
        stage = self.new_stage("source")
        number = sum(1 for s in self.stages if s.scan is not None)
        stage.scan = ScanSpec(
            stage.id,
            plan.wanted,
            plan.fields,
            plan.schema,
            filter=plan.filter,
            wants_position=plan in self.needs.positions,
            number=number,
            is_tolerant=plan.is_tolerant,
            has_journal=plan.has_journal,
            stamp=plan.stamp,
        )
        if plan.stamp == "clock":
            stamp = Column(STAMP)
            stage.scan = replace(stage.scan, time=EventTime(STAMP, stamp, stamp, wants_verdict=False))
        stage.origin = {f.name: Column(f.name) for f in plan.schema}
        return stage

    def _values(self, plan: Values) -> OpenStage:
        from thalweg.physical.values import ValuesSource

        scan = Scan(ValuesSource(plan.frame), stamp=plan.stamp)
        if plan in self.needs.positions:
            self.needs.positions.add(scan)
        return self._scan(scan)

    def _watermark(self, plan: AssignWatermark) -> OpenStage:
        stage = self.chained(plan.input)
        if stage.scan is None or stage.origin is None or stage.scan.time is not None:
            raise PlanError(
                f'the watermark of "{plan.column}" cannot be found here',
                code="plan-watermark-place",
                where=plan.span or plan.place,
                expected="a watermark on the way from a source to the first grouping, window or union",
                hint="declare it in the table, or right after reading",
            )
        time = substitute(Column(plan.column), stage.origin)
        mark = substitute(plan.watermark, stage.origin)
        wanted = plan in self.needs.verdicts and not plan.is_held
        stage.scan = replace(stage.scan, time=EventTime(plan.column, time, mark, wanted, plan.is_held))
        return stage

    # -- row-wise steps ------------------------------------------------------------------------

    def _rowwise(self, plan: Project | Filter | Explode | MapBatches) -> OpenStage:
        stage = self.chained(plan.input)
        schema = plan.input.schema
        if isinstance(plan, Project):
            self._trace(stage, plan)
            stage.steps.append(ProjectStep(plan.items, schema))
        elif isinstance(plan, Filter):
            stage.steps.append(FilterStep(plan.condition, schema))
        elif isinstance(plan, Explode):
            if stage.origin is not None:
                stage.origin.pop(plan.column, None)
            stage.steps.append(ExplodeStep(plan.column))
        else:
            stage.origin = None
            stage.steps.append(MapStep(plan.function, schema, plan.result))
        return stage

    def _trace(self, stage: OpenStage, plan: Project) -> None:
        if stage.origin is None:
            return
        known = stage.origin
        from thalweg.expr.nodes import columns_of

        stage.origin = {
            i.name: substitute(i.expr, known) for i in plan.items if columns_of(i.expr) <= known.keys()
        }

    def _union(self, plan: Union) -> OpenStage:
        below = [self.place(p) for p in plan.parts]
        stage = self.new_stage("union")
        for part in below:
            self.edges.append(Edge(part.id, stage.id))
        placed = [needs.has_positions(p, self.needs) for p in plan.parts]
        if (any(placed) or self.needs.pairs) and not all(placed):
            stage.steps.append(UnplaceStep())
        return stage

    # -- ends ----------------------------------------------------------------------------------

    def _late(self, plan: Late) -> OpenStage:
        window = plan.input
        if window not in self.window_ports:
            self.place(window)
        source, port = self.window_ports[window]
        stage = self.new_stage("late")
        self.edges.append(Edge(source.id, stage.id, output=port))
        stage.add(SplitNamesSpec(f"{stage.id}.splits", "split"))
        return stage

    def _behind(self, plan: Behind) -> OpenStage:
        below = self.place(plan.input)
        stage = self.new_stage("late", parallelism=below.parallelism)
        self.edges.append(Edge(below.id, stage.id))
        stage.add(
            BehindSpec(f"{stage.id}.behind", plan.column, plan.slack_us, tuple(plan.input.schema.names))
        )
        stage.add(SplitNamesSpec(f"{stage.id}.splits", "split"))
        return stage

    def _write(self, plan: Write) -> OpenStage:
        from thalweg.physical.results import changelog_step, check_sink

        check_sink(plan)
        below = self.place(plan.input)
        single = not plan.sink.is_parallel or plan.changelog is not None
        if not single and self.needs.readers(plan.input) <= 1 and below.write is None:
            stage = below
        else:
            stage = self.new_stage("sink", parallelism=1 if single else below.parallelism)
            self.edges.append(Edge(below.id, stage.id, "gather" if single else "forward"))
        schema = plan.input.schema
        if plan.changelog in ("ops", "fold"):
            operator, schema = changelog_step(plan, f"{stage.id}.{plan.changelog}")
            stage.add(operator)
        elif not isinstance(plan.input, GroupBy):
            # a grouping has no system columns
            self._strip(stage, schema)
        stage.write = WriteSpec(stage.id, plan.sink, schema)
        return stage

    def _strip(self, stage: OpenStage, schema: Schema) -> None:
        """System columns do not reach a sink."""
        stage.steps.append(StripStep(tuple(n for n in schema.names if not n.startswith(SYSTEM_PREFIX))))


def plan_job(roots: Sequence[Plan], *, name: str, parallelism: int) -> Job:
    """The job that runs the roots (each a `Write`) together; what they share runs once."""
    for root in roots:
        properties(root)
    return Planner(roots, parallelism).job(roots, name)
