"""Describe a job as plain data that a checkpoint keeps: its stages, steps, state and edges.

A user's function cannot be written down, so that a shape does not run; it says which job a checkpoint is of,
so that the same one goes on, and another one knows what it can take over.

Not here: what is taken over (upgrade.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from thalweg.job.fingerprint import declared, fingerprint
from thalweg.job.job import Job, Stage, described, stage_contents
from thalweg.protocols.state import ColumnsSpec, StateSpec


@dataclass(frozen=True)
class KeptColumn:
    """A column of state whose type another program may change.

    Attributes:
        state, name: which one.
        type: see `thalweg.base.changed_types`.
        is_migrated: whether the program has a function for values of other types.
    """

    state: str
    name: str
    type: Any
    is_migrated: bool


@dataclass(frozen=True)
class StepShape:
    """An operator: its id and kind, what it does in words, its state, and what may change of that."""

    id: str
    kind: str
    text: str
    states: tuple[str, ...] = ()
    columns: tuple[KeptColumn, ...] = ()


@dataclass(frozen=True)
class InputShape:
    """Where a stage has its rows from: the stage and its output, the port, and how they are shared out."""

    stage: str
    output: str
    port: int
    exchange: str


@dataclass(frozen=True)
class StageShape:
    """A stage.

    Attributes:
        source, sink: what it reads and writes, in words.
        contents: all that it does, a line for each thing.
    """

    id: str
    parallelism: int
    steps: tuple[StepShape, ...] = ()
    inputs: tuple[InputShape, ...] = ()
    source: str | None = None
    sink: tuple[str, str] | None = None
    contents: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobShape:
    """A job; without stages: one that has no state."""

    stages: tuple[StageShape, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Program:
    """What a job does: a hash that tells whether it is the same, and its shape.

    Example:
        >>> program_of(Job("a", (), ())) == program_of(Job("b", (), ()))
        True
    """

    fingerprint: str
    shape: JobShape = field(default_factory=JobShape)


def program_of(job: Job) -> Program:
    """The program of a stream."""
    return Program(fingerprint(job), JobShape(tuple(_stage(job, stage) for stage in job.stages)))


def _stage(job: Job, stage: Stage) -> StageShape:
    inputs = (InputShape(e.source, e.output, e.port, e.describe()) for e in job.inputs_of(stage.id))
    return StageShape(
        stage.id,
        stage.parallelism,
        tuple(_steps(stage)),
        tuple(sorted(inputs, key=lambda i: (i.port, i.stage, i.output))),
        None if stage.scan is None else stage.scan.source.describe(),
        None if stage.write is None else (stage.write.id, stage.write.sink.describe()),
        tuple(stage_contents(stage, has_checkpoints=True)),
    )


def _steps(stage: Stage) -> Iterator[StepShape]:
    for operator in stage.operators:
        kind = type(operator).__name__.removesuffix("Spec")
        declarations = tuple(operator.states())
        states = tuple(declared(state, to_match=True) for state in declarations)
        columns = tuple(column for state in declarations for column in _changeable(state))
        yield StepShape(operator.id, kind, described(operator), states, columns)


def _changeable(state: StateSpec) -> Iterator[KeptColumn]:
    if isinstance(state, ColumnsSpec) and state.may_change:
        for name, column in state.columns.items():
            # what the engine itself keeps is no concern of the user's
            if not name.startswith("__"):
                yield KeptColumn(state.name, name, column.shape, column.migrate is not None)


def shape_of(plain: Mapping[str, Any]) -> JobShape:
    """The shape that `plain` wrote down."""
    return JobShape(tuple(_stage_of(stage) for stage in plain.get("stages", ())))


def _stage_of(plain: Mapping[str, Any]) -> StageShape:
    steps = tuple(_step_of(step) for step in plain["steps"])
    sink = plain["sink"]
    return StageShape(
        plain["id"],
        plain["parallelism"],
        steps,
        tuple(InputShape(**i) for i in plain["inputs"]),
        plain["source"],
        None if sink is None else (sink[0], sink[1]),
        tuple(plain["contents"]),
    )


def _step_of(plain: Mapping[str, Any]) -> StepShape:
    # checkpoints of earlier versions do not say which columns may change: they have none
    columns = tuple(KeptColumn(**c) for c in plain.get("columns", ()))
    return StepShape(plain["id"], plain["kind"], plain["text"], tuple(plain["states"]), columns)
