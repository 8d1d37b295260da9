"""Hold logical plans as immutable values.

A plan is a tree (shared parts make it a graph: equal nodes are one node) from sinks down to scans.
Nodes carry resolved expressions only, so that a plan always has a schema. Build them through
`build.py`, which resolves names and types and reports mistakes.

Not here: what a node's output is like over time (properties.py), how it runs (physical/).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from typing import Literal as Choice

import polars as pl

from thalweg.base.durations import shown
from thalweg.base.schema import Schema
from thalweg.base.types import INT64, STRING, TIMESTAMP, Field
from thalweg.errors import Span
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Expr, Named
from thalweg.plan import shapes
from thalweg.plan.shapes import WINDOW_END as WINDOW_END
from thalweg.plan.shapes import WINDOW_START as WINDOW_START
from thalweg.plan.shapes import WINDOW_TIME as WINDOW_TIME
from thalweg.plan.shapes import Stamp, pruned, with_bounds, with_stamp
from thalweg.progress.sessions import SessionSpec
from thalweg.progress.windows import WindowSpec
from thalweg.protocols.conditions import Conditions, FilteringSource
from thalweg.protocols.letters import BAD_ROWS, LETTERS
from thalweg.protocols.sink import Sink
from thalweg.protocols.source import Source


@dataclass(frozen=True)
class Plan:
    """One step of a logical plan; `name` is the user's own name for it, `place` where it was written."""

    name: str | None = field(default=None, compare=False, kw_only=True)
    place: str | None = field(default=None, compare=False, repr=False, kw_only=True)
    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    @property
    def inputs(self) -> tuple[Plan, ...]:
        """The steps directly below."""
        return ()

    def with_inputs(self, inputs: tuple[Plan, ...]) -> Plan:
        """The same step over other inputs."""
        assert not inputs, "a scan has no inputs"
        return self

    @cached_property
    def schema(self) -> Schema:
        """The columns of the output."""
        raise AssertionError("every concrete plan node defines its schema")

    def describe(self) -> str:
        """The node in one line, without its inputs."""
        return type(self).__name__

    @cached_property
    def _hash(self) -> int:
        parts = [getattr(self, k) for k, f in self.__dataclass_fields__.items() if f.compare]
        return hash((type(self).__name__, *parts))


class Unary(Plan):
    """What steps with one input have in common."""

    input: Plan

    @property
    def inputs(self) -> tuple[Plan, ...]:
        return (self.input,)

    def with_inputs(self, inputs: tuple[Plan, ...]) -> Plan:
        return replace(self, input=inputs[0])  # type: ignore[call-arg]  # every subclass has it


@dataclass(frozen=True)
class Scan(Plan):
    """The rows of a source.

    Attributes:
        source: what is read; a value that knows its schema.
        fields: the columns to read, and for struct columns which members (None: all of them);
            None for everything. Set by the optimizer.
        filter: what the source knows of the rows that are wanted; it may leave out others, and the plan
            filters again. Set by the optimizer.
    """

    source: Source
    fields: tuple[tuple[str, tuple[str, ...] | None], ...] | None = None
    filter: Conditions = ()
    is_tolerant: bool = False
    """Whether rows that cannot be read are kept apart (`BadRows`) instead of stopping the job."""
    letters: Sink | None = None
    """What takes rows that cannot be read in whole (`BadRows`), in any job that reads them."""
    has_journal: bool = False
    stamp: Stamp = None

    @cached_property
    def schema(self) -> Schema:
        return with_stamp(self.read, self.stamp)

    @cached_property
    def read(self) -> Schema:
        """The columns that the source gives."""
        whole = self.source.schema
        if self.fields is None:
            return whole
        return Schema(tuple(pruned(whole, name, members) for name, members in self.fields))

    def describe(self) -> str:
        columns = "*" if self.fields is None else ", ".join(shapes.shown(*f) for f in self.fields)
        tail = f" where {' AND '.join(map(str, self.filter))}" if self.filter else ""
        time = "" if self.stamp is None else ", processing time"
        return f"Scan {self.source.describe()} [{columns}{time}]{tail}"

    @property
    def wanted(self) -> Source:
        """The source, told which rows are wanted."""
        if not self.filter:
            return self.source
        assert isinstance(self.source, FilteringSource), "only such a source takes conditions over"
        return self.source.filtered(self.filter)


@dataclass(frozen=True)
class Values(Plan):
    """Constant rows, as a frame that the plan holds."""

    frame: pl.DataFrame = field(compare=False, repr=False)
    key: int = 0
    """Tells frames apart; frames themselves do not hash."""
    stamp: Stamp = None

    @cached_property
    def schema(self) -> Schema:
        return with_stamp(Schema.from_polars(self.frame.schema), self.stamp)

    def describe(self) -> str:
        return f"Values {self.frame.height} rows"


@dataclass(frozen=True)
class AssignWatermark(Unary):
    """Declare `column` an event time, whose watermark is the running maximum of `watermark` per split.

    Attributes:
        lateness_us: for how long rows that the watermark has passed are still taken, and correct results.
        key: of the primary key, as declared: a row is the next version of the one before it with its values.
        is_held: whether the watermark waits for the end of the input, so that no row is late.
    """

    input: Plan
    column: str
    watermark: Expr
    lateness_us: int = 0
    key: tuple[str, ...] = ()
    is_held: bool = False

    @cached_property
    def schema(self) -> Schema:
        return self.input.schema

    def describe(self) -> str:
        tail = f", lateness {shown(self.lateness_us)}" if self.lateness_us else ""
        return f"Watermark for {self.column} as {self.watermark}{tail}"


@dataclass(frozen=True)
class Project(Unary):
    """Compute columns from each row."""

    input: Plan
    items: tuple[Named, ...]

    @cached_property
    def schema(self) -> Schema:
        return Schema(tuple(Field(i.name, type_of(i.expr, self.input.schema)) for i in self.items))

    def describe(self) -> str:
        return f"Project {', '.join(map(str, self.items))}"


@dataclass(frozen=True)
class Filter(Unary):
    """Keep the rows for which the condition is true."""

    input: Plan
    condition: Expr

    @cached_property
    def schema(self) -> Schema:
        return self.input.schema

    def describe(self) -> str:
        return f"Filter {self.condition}"


@dataclass(frozen=True)
class Explode(Unary):
    """One row per item of a list column, the item in its place; empty and null lists give no row."""

    input: Plan
    column: str

    @cached_property
    def schema(self) -> Schema:
        from thalweg.base.types import List

        def item(f: Field) -> Field:
            return Field(f.name, f.type.item) if f.name == self.column and isinstance(f.type, List) else f

        return Schema(tuple(item(f) for f in self.input.schema))

    def describe(self) -> str:
        return f"Explode {self.column}"


@dataclass(frozen=True)
class FrameFunction:
    """A user's function from a frame to a frame, row-wise by contract."""

    name: str
    call: Callable[[pl.DataFrame], pl.DataFrame]
    place: str | None = None


@dataclass(frozen=True)
class MapBatches(Unary):
    """Apply a user's frame function; it may drop or add rows, each by itself, and sees arbitrary cuts."""

    input: Plan
    function: FrameFunction
    result: Schema

    @cached_property
    def schema(self) -> Schema:
        return self.result

    def describe(self) -> str:
        return f"MapBatches {self.function.name}"


@dataclass(frozen=True)
class Union(Plan):
    """All rows of several inputs with the same columns."""

    parts: tuple[Plan, ...]

    @property
    def inputs(self) -> tuple[Plan, ...]:
        return self.parts

    def with_inputs(self, inputs: tuple[Plan, ...]) -> Plan:
        return replace(self, parts=inputs)

    @cached_property
    def schema(self) -> Schema:
        return self.parts[0].schema

    def describe(self) -> str:
        return f"Union of {len(self.parts)}"


JoinKind = Choice["inner", "left", "right", "full", "semi", "anti"]


@dataclass(frozen=True)
class Join(Plan):
    """Rows of two inputs put together where they belong together.

    The inputs have no column name in common. NULL in a key column matches nothing.

    Attributes:
        kind: `left`, `right` and `full` also keep rows without a partner, the other columns NULL; `semi`
            keeps the rows of the left input that have a partner, `anti` those that have none.
        keys: pairs of columns, of the left and of the right input, that must be equal; each pair of one type.
        residual: what else must be true of a pair of rows.
        first: the input that is read to its end before the other one, and held by every task (broadcast.py).
    """

    left: Plan
    right: Plan
    kind: JoinKind
    keys: tuple[tuple[str, str], ...] = ()
    residual: Expr | None = None
    first: Choice["left", "right"] | None = None

    @property
    def inputs(self) -> tuple[Plan, ...]:
        return (self.left, self.right)

    def with_inputs(self, inputs: tuple[Plan, ...]) -> Plan:
        return replace(self, left=inputs[0], right=inputs[1])

    @cached_property
    def both(self) -> Schema:
        """The columns of a pair of rows."""
        return Schema((*self.left.schema.fields, *self.right.schema.fields))

    @cached_property
    def schema(self) -> Schema:
        return self.left.schema if self.kind in ("semi", "anti") else self.both

    def describe(self) -> str:
        parts = [f"{a} = {b}" for a, b in self.keys]
        parts += [] if self.residual is None else [str(self.residual)]
        first = "" if self.first is None else f", {self.first} first, to all tasks"
        return f"Join {self.kind} on {' AND '.join(parts) or 'everything'}{first}"


@dataclass(frozen=True)
class Window(Unary):
    """Give each row the windows that it falls into, as columns; one output row per (row, window)."""

    input: Plan
    column: str
    window: WindowSpec

    @cached_property
    def schema(self) -> Schema:
        return with_bounds(self.input.schema, self.column)

    def describe(self) -> str:
        return f"Window {self.window} on {self.column}"


@dataclass(frozen=True)
class SessionWindow(Unary):
    """Give each row the session that it belongs to, as columns, once the session is complete."""

    input: Plan
    column: str
    window: SessionSpec

    @cached_property
    def schema(self) -> Schema:
        return with_bounds(self.input.schema, self.column)

    def describe(self) -> str:
        return f"Session {self.window} on {self.column}"


@dataclass(frozen=True)
class GroupBy(Unary):
    """One row per distinct key with aggregates over its rows; without keys one row for all.

    `aggregates` hold `expr.Aggregate` nodes only, and `keys` columns of the input only: what is
    computed before and after is in neighbouring projections. `closes` is a time column of the input and a
    slack: once the watermark is beyond both, a key gets no more rows (see keys.py). Set by the optimizer.
    """

    input: Plan
    keys: tuple[str, ...]
    aggregates: tuple[Named, ...]
    closes: tuple[str, int] | None = None

    @cached_property
    def schema(self) -> Schema:
        keys = tuple(Field(k, self.input.schema.type_of(k)) for k in self.keys)
        made = tuple(Field(a.name, type_of(a.expr, self.input.schema)) for a in self.aggregates)
        return Schema((*keys, *made))

    def describe(self) -> str:
        keys = ", ".join(self.keys) or "()"
        until = "" if self.closes is None else f" until {self.closes[0]}"
        return f"GroupBy {keys}{until}: {', '.join(map(str, self.aggregates))}"


@dataclass(frozen=True)
class SortKey:
    """One column to order by; SQL's default puts NULL first when ascending, as Flink does.

    Attributes:
        latest_first: of the last key: whether of rows that tie those come first that arrived last.
    """

    column: str
    descending: bool = False
    nulls_first: bool | None = None
    latest_first: bool = False

    @property
    def puts_nulls_first(self) -> bool:
        """Whether NULL comes before all values."""
        return not self.descending if self.nulls_first is None else self.nulls_first

    def __str__(self) -> str:
        return f"{self.column}{' DESC' if self.descending else ''}"


@dataclass(frozen=True)
class Rank(Unary):
    """Number the rows of each partition in an order, and keep those with `number <= limit`.

    Attributes:
        kind: `row_number` (ties broken by position, upwards or downwards), `rank` (ties share a number, and
            leave a gap behind them) or `dense_rank` (without gaps).
        output: the name of the number's column, or None to leave it out.
        limit: the greatest number to keep; None while the optimizer has not found one.
        closes: as of a `GroupBy`: when a partition gets no more rows.
    """

    input: Plan
    partition: tuple[str, ...]
    order: tuple[SortKey, ...]
    kind: Choice["row_number", "rank", "dense_rank"]
    output: str | None
    limit: int | None = None
    closes: tuple[str, int] | None = None

    @cached_property
    def schema(self) -> Schema:
        added = () if self.output is None else (Field(self.output, INT64),)
        return Schema((*self.input.schema.fields, *added))

    def describe(self) -> str:
        limit = "" if self.limit is None else f" <= {self.limit}"
        order = ", ".join(map(str, self.order))
        until = "" if self.closes is None else f" until {self.closes[0]}"
        return f"Rank {self.kind}{limit} by {', '.join(self.partition) or '()'}{until} order {order}"


@dataclass(frozen=True)
class Limit(Unary):
    """The first rows by position."""

    input: Plan
    count: int
    offset: int = 0

    @cached_property
    def schema(self) -> Schema:
        return self.input.schema

    def describe(self) -> str:
        return f"Limit {self.count}" + (f" offset {self.offset}" if self.offset else "")


@dataclass(frozen=True)
class Late(Unary):
    """The rows that a window step turned away: its input's columns, and window, split and position."""

    input: Plan

    @cached_property
    def schema(self) -> Schema:
        below = self.input.inputs[0].schema
        held = self.input.schema.get(WINDOW_START) or TIMESTAMP
        extra = (Field(WINDOW_START, held), Field(WINDOW_END, held), Field("split", STRING))
        return Schema((*below.fields, *extra, Field("position", INT64)))

    def describe(self) -> str:
        return "Late rows"


@dataclass(frozen=True)
class BadRows(Unary):
    """The rows of a tolerant scan that could not be read: their place and what is wrong, or whole letters."""

    input: Plan
    is_whole: bool = False

    @cached_property
    def schema(self) -> Schema:
        return LETTERS if self.is_whole else BAD_ROWS

    def describe(self) -> str:
        return "Dead letters" if self.is_whole else "Bad rows"


@dataclass(frozen=True)
class Write(Unary):
    """Hand the rows to a sink. `changelog` says how updating results reach an append-only sink."""

    input: Plan
    sink: Sink
    changelog: Choice["append", "ops", "fold"] | None = None

    @cached_property
    def schema(self) -> Schema:
        return self.input.schema

    def describe(self) -> str:
        tail = f" as {self.changelog}" if self.changelog else ""
        return f"Write {self.sink.describe()}{tail}"


def rows(data: dict[str, list[Any]] | pl.DataFrame) -> Values:
    """Constant rows as a plan."""
    frame = data if isinstance(data, pl.DataFrame) else pl.DataFrame(data)
    return Values(frame, id(frame))
