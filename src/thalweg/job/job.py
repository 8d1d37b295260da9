"""Describe a job as plain data: stages, edges, and what each stage needs.

A stage is a chain of operators between exchanges; it runs as `parallelism` tasks. The job is what
a runtime executes and what a checkpoint contains.

Not here: how a plan becomes a job (physical/), how tasks run (runtime/).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.expr.nodes import Expr
from thalweg.protocols.conditions import Conditions
from thalweg.protocols.operator import MAIN, OperatorSpec, ReadsFirst
from thalweg.protocols.sink import Sink
from thalweg.protocols.source import Fields, Source

PARTITIONS = 256
"""How many partitions the keys of a job fall into; fixed when the job is created."""

ExchangeKind = Literal["forward", "hash", "gather", "broadcast"]


@dataclass(frozen=True)
class EventTime:
    """How a source finds event time: both expressions read the columns of the scan."""

    column: str
    time: Expr
    watermark: Expr
    wants_verdict: bool
    """Whether an operator judges lateness, so that rows must carry their watermark."""
    is_held: bool = False
    """Whether event time stands until all rows have been read: a batch accepts every row."""


@dataclass(frozen=True)
class ScanSpec:
    """What a source stage reads."""

    id: str
    source: Source
    fields: Fields | None
    schema: Schema
    filter: Conditions = ()
    """What the source was told of the rows that are wanted."""
    time: EventTime | None = None
    wants_position: bool = False
    is_tolerant: bool = False
    has_journal: bool = False
    """Whether what the source gives is written down, so that it can be read again."""
    number: int = 1
    """Which source of the job it is; keeps positions of different sources apart."""
    stamp: Literal["column", "clock"] | None = None
    """Whether rows get the time at which they are read, and whether that is the watermark."""


@dataclass(frozen=True)
class WriteSpec:
    """Where a sink stage writes, and the columns that it is given."""

    id: str
    sink: Sink
    schema: Schema


@dataclass(frozen=True)
class Stage:
    """A chain of operators that run in one task."""

    id: str
    parallelism: int
    operators: tuple[OperatorSpec, ...] = ()
    scan: ScanSpec | None = None
    write: WriteSpec | None = None

    @property
    def first_port(self) -> int | None:
        """The port that is read to its end before the others, if one is."""
        first = self.operators[0] if self.operators else None
        return first.first_port if isinstance(first, ReadsFirst) else None


@dataclass(frozen=True)
class Edge:
    """Rows from an output of one stage to a port of another."""

    source: str
    target: str
    exchange: ExchangeKind = "forward"
    keys: tuple[str, ...] = ()
    output: str = MAIN
    port: int = 0

    def describe(self) -> str:
        """The exchange in a few words."""
        return f"hash({', '.join(self.keys)})" if self.exchange == "hash" else self.exchange


@dataclass(frozen=True)
class Job:
    """Stages in an order in which every edge goes forward."""

    name: str
    stages: tuple[Stage, ...]
    edges: tuple[Edge, ...]
    partitions: int = PARTITIONS

    @cached_property
    def by_id(self) -> dict[str, Stage]:
        """The stages by their ids."""
        return {s.id: s for s in self.stages}

    def inputs_of(self, stage: str) -> list[Edge]:
        """The edges that end at a stage, in a fixed order."""
        return [e for e in self.edges if e.target == stage]

    def outputs_of(self, stage: str) -> list[Edge]:
        """The edges that start at a stage, in a fixed order."""
        return [e for e in self.edges if e.source == stage]

    def with_parallelism(self, parallelism: int) -> Job:
        """The same job with every parallel stage at another parallelism."""
        from dataclasses import replace

        stages = tuple(s if _is_single(self, s) else replace(s, parallelism=parallelism) for s in self.stages)
        return replace(self, stages=stages)


def _is_single(job: Job, stage: Stage) -> bool:
    gathered = any(e.exchange == "gather" for e in job.inputs_of(stage.id))
    return gathered or (stage.write is not None and not stage.write.sink.is_parallel)


def describe(job: Job, *, has_checkpoints: bool = False) -> str:
    """The job as text: stages in order, each with its inputs and operators.

    Args:
        job: the job.
        has_checkpoints: whether checkpoints are taken, without which no sink is better than at least once.
    """
    lines = (_stage_lines(job, stage, has_checkpoints=has_checkpoints) for stage in job.stages)
    return "\n".join(line for part in lines for line in part)


def _stage_lines(job: Job, stage: Stage, *, has_checkpoints: bool) -> Iterable[str]:
    yield f"stage {stage.id}  parallelism {stage.parallelism}"
    for edge in job.inputs_of(stage.id):
        output = "" if edge.output == MAIN else f".{edge.output}"
        waits = ", spilling until the other input has ended" if _waits(stage, edge) else ""
        yield f"  from {edge.source}{output} by {edge.describe()}{waits}"
    yield from (f"  {line}" for line in stage_contents(stage, has_checkpoints=has_checkpoints))


def _waits(stage: Stage, edge: Edge) -> bool:
    return stage.first_port is not None and edge.port != stage.first_port


def stage_contents(stage: Stage, *, has_checkpoints: bool = False) -> Iterable[str]:
    """What a stage does, one line for each thing, in order."""
    if stage.scan is not None:
        fields = stage.scan.fields
        names = "*" if fields is None else ", ".join(_field(f) for f in fields)
        yield f"read {stage.scan.source.describe()} [{names}]"
        if stage.scan.filter:
            yield f"taken over by the source: {' AND '.join(map(str, stage.scan.filter))}"
        if stage.scan.stamp == "clock":
            yield "watermark from the clock"
        elif stage.scan.time is not None:
            yield f"watermark for {stage.scan.time.column} as {stage.scan.time.watermark}"
        if stage.scan.has_journal and stage.scan.source.replay != "exact":
            yield "a journal of what is read"
    for operator in stage.operators:
        yield described(operator)
    if stage.write is not None:
        sink = stage.write.sink
        is_less = sink.delivery == "transactional" and not has_checkpoints
        yield f"write {sink.describe()}  ({'at_least_once' if is_less else sink.delivery})"


def described(operator: OperatorSpec) -> str:
    """One line about a step, without the names of columns that the engine made for arguments."""
    # rows that are counted under a condition have no argument
    text = operator.describe().replace(f"{SYSTEM_PREFIX}arg  if", "* if")
    return text.replace(f"{SYSTEM_PREFIX}arg ", "").replace(f"{SYSTEM_PREFIX}distinct ", "")


def _field(field: tuple[str, tuple[str, ...] | None]) -> str:
    name, members = field
    return name if members is None else f"{name}{{{', '.join(members)}}}"


__all__ = [
    *("PARTITIONS", "Edge", "EventTime", "Job", "Named", "ScanSpec", "Stage", "WriteSpec"),
    *("describe", "described", "stage_contents"),
]
