"""Compute, filter and unfold rows, each by itself.

Neighbouring row-wise steps of a stage are one operator, so that a batch goes through them without
being sent anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import INT64, Field
from thalweg.columnar.batch import OFFSET, OTHER_OFFSET, OTHER_SPLIT, SPLIT, SYSTEM_COLUMNS, WEIGHT, Batch
from thalweg.columnar.eager import pick, without
from thalweg.errors import PlanError
from thalweg.expr.evaluate import Predicate, Projection
from thalweg.expr.nodes import Expr, Named, PythonCall, columns_of, walk
from thalweg.expr.python import unwrap
from thalweg.plan.nodes import FrameFunction
from thalweg.protocols.operator import Context, Output, Step
from thalweg.protocols.state import StateSpec


@dataclass(frozen=True)
class ProjectStep:
    """Compute columns."""

    items: tuple[Named, ...]
    schema: Schema

    def describe(self) -> str:
        """One line."""
        return "project " + ", ".join(map(str, self.items))


@dataclass(frozen=True)
class FilterStep:
    """Keep rows."""

    condition: Expr
    schema: Schema

    def describe(self) -> str:
        """One line."""
        return f"filter {self.condition}"


@dataclass(frozen=True)
class ExplodeStep:
    """One row per item of a list."""

    column: str

    def describe(self) -> str:
        """One line."""
        return f"explode {self.column}"


@dataclass(frozen=True)
class MapStep:
    """Apply a user's frame function."""

    function: FrameFunction
    schema: Schema
    result: Schema

    def describe(self) -> str:
        """One line."""
        return f"map {self.function.name}"


@dataclass(frozen=True)
class StripStep:
    """Leave only the user's columns."""

    columns: tuple[str, ...]

    def describe(self) -> str:
        """One line."""
        return "strip"


@dataclass(frozen=True)
class UnplaceStep:
    """Forget positions, which only some of the rows carry."""

    def describe(self) -> str:
        """One line."""
        return "unplace"


RowStep = ProjectStep | FilterStep | ExplodeStep | MapStep | StripStep | UnplaceStep


@dataclass(frozen=True)
class RowwiseSpec:
    """Row-wise steps, in order."""

    id: str
    steps: tuple[RowStep, ...]

    @property
    def calls_functions(self) -> bool:
        """Whether one of the steps is a function of the user, or has one in an expression."""
        return any(isinstance(s, MapStep) or _has_call(_exprs(s)) for s in self.steps)

    def states(self) -> Iterable[StateSpec]:
        """None: every row is dealt with by itself."""
        return ()

    def build(self, context: Context) -> RowwiseOp:
        """The operator."""
        wanted = _wanted_behind(self.steps)
        compiled = [_compile(s, w) for s, w in zip(self.steps, wanted, strict=True)]
        return RowwiseOp(compiled, context.rows_max)

    def describe(self) -> str:
        """One line per step."""
        return (
            " | ".join(s.describe() for s in self.steps if not isinstance(s, (StripStep, UnplaceStep)))
            or "pass"
        )


class RowwiseOp(Step):
    """Apply row-wise steps to each batch.

    Emits:      the rows that the steps make, with the weights of the rows they come from.
    State:      none.
    Late rows:  pass like any other; their watermark column travels along.
    Batch mode: the same expressions in one lazy query.
    """

    def __init__(self, steps: list[Callable[[Batch], Batch]], rows_max: int) -> None:
        self._steps, self._rows_max = steps, rows_max

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Rows through all steps; a batch that became empty goes no further."""
        del port
        for step in self._steps:
            batch = step(batch)
            if len(batch) == 0:
                return
        # a step may have made many rows of one
        yield from batch.slices(self._rows_max)


def _wanted_behind(steps: Sequence[RowStep]) -> list[frozenset[str] | None]:
    """The columns that the steps behind each step read; None for all of them."""
    found: list[frozenset[str] | None] = []
    wanted: frozenset[str] | None = None
    for step in reversed(steps):
        found.append(wanted)
        if isinstance(step, ProjectStep):
            wanted = _read([i.expr for i in step.items], step.schema)
        elif isinstance(step, FilterStep):
            wanted = None if wanted is None else wanted | _read([step.condition], step.schema)
        elif isinstance(step, StripStep):
            wanted = frozenset(step.columns)
        elif isinstance(step, ExplodeStep):
            wanted = None if wanted is None else wanted | {step.column}
        elif isinstance(step, MapStep):
            wanted = frozenset(step.schema.names)
    return found[::-1]


def _read(exprs: Sequence[Expr], schema: Schema) -> frozenset[str]:
    """The columns that expressions read; a user's function also how many rows there are."""
    read = {n for e in exprs for n in columns_of(e)}
    if _has_call(exprs):
        read.update(schema.names[:1])
    return frozenset(read)


def _exprs(step: RowStep) -> Sequence[Expr]:
    if isinstance(step, ProjectStep):
        return [i.expr for i in step.items]
    return [step.condition] if isinstance(step, FilterStep) else []


def _has_call(exprs: Sequence[Expr]) -> bool:
    """Whether expressions call a function of the user."""
    return any(isinstance(part, PythonCall) for e in exprs for part in walk(e))


def _compile(step: RowStep, wanted: frozenset[str] | None) -> Callable[[Batch], Batch]:
    if isinstance(step, ProjectStep):
        return _projector(step)
    if isinstance(step, FilterStep):
        predicate = Predicate(step.condition, step.schema)
        return lambda b: Batch(_narrowed(b.frame, wanted), b.weight).filter(predicate.mask(b.frame))
    if isinstance(step, ExplodeStep):
        column = step.column
        return lambda b: _through_frame(b, lambda f: explode(f, column))
    if isinstance(step, UnplaceStep):
        return lambda b: b.with_frame(without(b.frame, SPLIT, OFFSET, OTHER_SPLIT, OTHER_OFFSET))
    if isinstance(step, StripStep):
        kept = list(step.columns)
        return lambda b: b if b.frame.columns == kept else Batch(pick(b.frame, kept), b.weight)
    function, result = step.function, step.result
    names = list(step.schema.names)
    return lambda b: _through_frame(b, lambda f: apply_frame_function(f, function, result, names))


def _narrowed(frame: pl.DataFrame, wanted: frozenset[str] | None) -> pl.DataFrame:
    """The columns that are still read, and the engine's own; one at least, which holds the number of rows."""
    if wanted is None:
        return frame
    kept = [n for n in frame.columns if n in wanted or n in SYSTEM_COLUMNS]
    return frame if len(kept) == frame.width else pick(frame, kept or frame.columns[:1])


def _projector(step: ProjectStep) -> Callable[[Batch], Batch]:
    """The projection; which system columns travel along may differ from batch to batch."""
    made: dict[tuple[str, ...], Projection] = {}

    def apply(batch: Batch) -> Batch:
        keep = system_columns(batch.frame)
        projection = made.get(keep)
        if projection is None:
            projection = made[keep] = projection_with(step.items, step.schema, keep)
        return Batch(projection.apply(batch.frame), batch.weight)

    return apply


def projection_with(items: Sequence[Named], schema: Schema, keep: Sequence[str]) -> Projection:
    """A projection that hands on system columns as well."""
    whole = Schema((*schema.fields, *(Field(n, INT64) for n in keep)))
    return Projection(items, whole, keep=keep)


def system_columns(frame: pl.DataFrame) -> tuple[str, ...]:
    """The engine's own columns that travel with the rows."""
    return tuple(c for c in frame.columns if c in SYSTEM_COLUMNS)


def _through_frame(batch: Batch, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Batch:
    """A change of the number of rows: weights travel as a column."""
    if batch.weight is None:
        return Batch(change(batch.frame))
    return Batch.unpacked(change(batch.packed()))


def explode(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """One row per item; empty and null lists give none."""
    return frame.filter(pl.col(column).list.len() > 0).explode(column)


def apply_frame_function(
    frame: pl.DataFrame, function: FrameFunction, result: Schema, names: list[str]
) -> pl.DataFrame:
    """The user's function on the user's columns; what it gives is checked against the declared schema.

    Of the system columns only the weight follows, and only when the function keeps the number of rows.
    """
    try:
        made = function.call(frame.select(names))
    except Exception as error:
        raise user_error(function, error) from error
    if not isinstance(made, pl.DataFrame) or made.schema != result.polars:
        found = made.schema if isinstance(made, pl.DataFrame) else type(made).__name__
        raise PlanError(
            f'the function "{function.name}" gave other columns than declared',
            code="plan-function-result",
            where=function.place,
            expected=str(result),
            found=str(found),
        )
    if WEIGHT not in frame.columns:
        # positions and watermarks end here in every batch, not only in those that lost or gained rows
        return made
    if made.height != frame.height:
        raise PlanError(
            f'the function "{function.name}" changes the number of rows of an updating input',
            code="plan-function-updates",
            where=function.place,
            hint="filter and explode before it",
        )
    return made.with_columns(frame.get_column(WEIGHT))


def user_error(function: FrameFunction, error: Exception) -> BaseException:
    """What to raise for an exception of the user's own function."""
    from thalweg.errors import DataError

    known = unwrap(error)
    if known is not error:
        return known
    return DataError(
        f'the function "{function.name}" raised {type(error).__name__}: {error}',
        code="data-python-function",
        where=function.place,
    )
