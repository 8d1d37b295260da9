"""Call a user's functions for the rows of keys: the steps that hold them.

Not here: the functions (process_functions.py), how they are called (operators/process_op.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from thalweg.api.columns import column_name
from thalweg.api.function_states import Takes, TakesTwo, described_function
from thalweg.api.place import caller
from thalweg.api.plain_functions import RowCall, as_object, is_plain
from thalweg.api.process_functions import ColumnFunction, ProcessFunction
from thalweg.api.types import SchemaLike, schema_of
from thalweg.api.windowing.assigners import Assigner
from thalweg.api.windowing.evictors import Evictor
from thalweg.api.windowing.functions import Results
from thalweg.api.windowing.keyed import KeyedWindows, keyed_windows
from thalweg.api.windowing.triggers import Trigger
from thalweg.base.types import DataType, Timestamp
from thalweg.errors import PlanError, TypeMismatch, did_you_mean
from thalweg.plan.asynchronous import MapAsync
from thalweg.plan.nodes import Plan
from thalweg.plan.process import Failed, Process, ProcessedBy, SideOutput
from thalweg.plan.properties import properties
from thalweg.protocols.process import KeyedFunction, Order

if TYPE_CHECKING:
    from thalweg.api.dataset import Dataset
    from thalweg.api.expressions import IntoColumn


@dataclass(frozen=True, eq=False, repr=False)
class BroadcastDataset:
    """Rows for all keys; made with `Dataset.broadcast`."""

    _rows: Dataset

    def __repr__(self) -> str:
        return f"rows of ({self._rows.schema}) for all keys"


@dataclass(frozen=True, eq=False, repr=False)
class KeyedDataset:
    """Rows with the key by which functions keep their state; made with `Dataset.key_by`."""

    _rows: Dataset
    _keys: tuple[IntoColumn, ...]

    def __repr__(self) -> str:
        return f"rows of ({self._rows.schema}) by {', '.join(map(str, self._keys))}; process(…) follows"

    def connect(self, other: KeyedDataset | BroadcastDataset) -> ConnectedDataset:
        """These rows and others, for a function that takes both: those of equal keys meet.

        With rows that are `broadcast()` the function is a `BroadcastProcessFunction`.

        Example:
            >>> import polars as pl
            >>> import thalweg as tw
            >>> class Paid(tw.CoProcessFunction):
            ...     amount: int = 0
            ...
            ...     def on_left(self, order):
            ...         self.amount = order.amount
            ...
            ...     def on_right(self, payment):
            ...         yield self.key.id, self.amount == payment.paid
            >>> session = tw.Session()
            >>> orders = session.from_polars(pl.DataFrame({"id": [1, 2], "amount": [5, 7], "at": [0, 1]}))
            >>> paid = session.from_polars(pl.DataFrame({"order": [2, 1], "paid": [7, 4], "at": [2, 3]}))
            >>> at = tw.call("TO_TIMESTAMP_LTZ", tw.col("at"), 3)
            >>> both = orders.with_columns(at=at), paid.with_columns(at=at)
            >>> connected = both[0].key_by("id").connect(both[1].key_by("order"))
            >>> made = connected.process(Paid(), "id BIGINT, is_right BOOLEAN", times=("at", "at"))
            >>> made.collect().sort("id").rows()
            [(1, False), (2, True)]
        """
        return ConnectedDataset(self, other)

    def window(
        self,
        assigner: Assigner,
        *,
        trigger: Trigger | None = None,
        evictor: Evictor | None = None,
        results: Results = "accumulating",
    ) -> KeyedWindows:
        """Rows in windows that are said in Python; `Dataset.window` is faster where it can say them.

        Args:
            assigner: which windows a row falls into: `Fixed`, `Cumulating`, `Sessions`, `Calendar`, `Counts`
                or `Global` of `tw.windowing`, or one of your own.
            trigger: when a window gives its result; by default at its end, and for every late row.
            evictor: which of its rows count then; by default all.
            results: what a window gives that has given something before: `accumulating`, the result of all of
                its rows as one more; `discarding`, that of the rows since then; `retracting`, that of all
                of them in place of the old one, which is taken back.

        Example:
            >>> import polars as pl
            >>> import thalweg as tw
            >>> rows = tw.Session().from_polars(pl.DataFrame({"k": list("aabab"), "v": [1, 2, 3, 4, 5]}))
            >>> pairs = rows.key_by("k").window(tw.windowing.Global(), trigger=tw.windowing.Count(2))
            >>> def total(key, window, rows):
            ...     yield key.k, sum(row.v for row in rows)
            >>> sums = pairs.process(total, "k STRING, v BIGINT", order="arrival")
            >>> sorted(sums.collect().rows())
            [('a', 3), ('b', 8)]
        """
        return keyed_windows(self, assigner, trigger, evictor, results)

    def process(
        self,
        function: ProcessFunction | ColumnFunction | RowCall,
        schema: SchemaLike,
        *,
        on_timer: RowCall | None = None,
        time: str | None = None,
        sides: Mapping[str, SchemaLike] | None = None,
        order: Order = "time",
    ) -> Dataset:
        """What a function gives for the rows of each key, in the order of their event time.

        So the result depends on the rows alone. With `order="arrival"` rows are taken at once and as they
        come, late ones too; then it may depend on when they do, on the number of tasks, and on restarts.

        Args:
            function: an object of a class of yours; its attributes that are state have a value per key. Or a
                plain function of a row and its state, a dataclass, and of the turn (a `ProcessFunction`).
            schema: the columns of the rows that it gives.
            on_timer: of a plain function: what is called when a timer is due, with state and turn.
            time: the column of event time, where it is not the only one.
            sides: the columns of its side outputs, by their names.
            order: `time`, or `arrival`.

        Raises:
            PlanError: `plan-process-changes`, `plan-process-time`, `plan-state-type`.
        """
        place = caller()

        def make() -> Plan:
            if on_timer is not None and not is_plain(function):
                raise PlanError(
                    "on_timer goes with a plain function; an object has a method of that name",
                    code="plan-process-function",
                    found=type(function).__name__,
                )
            made = as_object(function, on_timer) if is_plain(function) else function
            what = _Wanted(made, schema, sides or {}, order, place)  # type: ignore[arg-type]  # or it is refused
            return what.plan([(self._rows.plan, self._keys, time)])

        return self._rows._step(make)


@dataclass(frozen=True, eq=False, repr=False)
class ConnectedDataset:
    """Two inputs for one function; made with `KeyedDataset.connect`."""

    _left: KeyedDataset
    _right: KeyedDataset | BroadcastDataset

    def __repr__(self) -> str:
        return f"{self._left._rows.schema} and {self._right._rows.schema}; process(…) follows"

    def process(
        self,
        function: TakesTwo,
        schema: SchemaLike,
        *,
        times: tuple[str | None, str | None] = (None, None),
        sides: Mapping[str, SchemaLike] | None = None,
        order: Order = "time",
    ) -> Dataset:
        """What a function gives for the rows of both inputs; see `KeyedDataset.process`.

        Args:
            function: an object of a class of yours.
            schema: the columns of the rows that it gives.
            times: the columns of event time, where they are not the only ones.
            sides: the columns of its side outputs, by their names.
            order: `time`, or `arrival`.

        Raises:
            PlanError: `plan-process-changes`, `plan-process-time`, `plan-process-keys`, `plan-state-type`.
        """
        what = _Wanted(function, schema, sides or {}, order, caller())
        keys = None if isinstance(self._right, BroadcastDataset) else self._right._keys

        def make() -> Plan:
            left = self._left._rows.plan, self._left._keys, times[0]
            return what.plan([left, (self._right._rows.plan, keys, times[1])])

        return self._left._rows._step(make, self._right._rows)


@dataclass(frozen=True)
class _Wanted:
    """What was asked for of a function."""

    function: ProcessFunction | ColumnFunction
    schema: SchemaLike
    sides: Mapping[str, SchemaLike]
    order: Order
    place: str | None

    def plan(self, inputs: Sequence[tuple[Plan, tuple[IntoColumn, ...] | None, str | None]]) -> Plan:
        """The step over these inputs, with their keys and times."""
        if self.order not in get_args(Order):
            raise PlanError(
                f'there is no order "{self.order}"', code="plan-process-function", choices=[*get_args(Order)]
            )
        parts = tuple(plan for plan, _, _ in inputs)
        by = tuple(self._taken(*each) for each in inputs)
        check_keys(parts, by)
        check_times(parts, by)
        outputs = tuple((port, schema_of(held)) for port, held in self.sides.items())
        first = by[0].time
        held = None if first is None else parts[0].schema.type_of(first)
        is_zoned = isinstance(held, Timestamp) and held.zone is not None
        names = tuple(port for port, _ in outputs)
        kind: Takes = "one" if len(parts) == 1 else "broadcast" if by[-1].is_broadcast else "two"
        described = described_function(self.function, names, self.place, is_zoned=is_zoned, takes=kind)
        if first is None and (described.forgets or described.has_timers):
            raise _needs_time(described)
        return Process(parts, by, described, schema_of(self.schema), outputs, self.order)

    def _taken(self, plan: Plan, given: tuple[IntoColumn, ...] | None, time: str | None) -> ProcessedBy:
        keys = tuple(map(column_name, given or ()))
        for place, key in enumerate(keys):
            plan.schema.type_of(key)
            if key in keys[:place]:
                raise PlanError(
                    f'the key "{key}" is named twice', code="plan-process-keys", found=", ".join(keys)
                )
        found = _time(plan, time, is_optional=self.order == "arrival")
        return ProcessedBy(keys, found, is_broadcast=given is None)


def check_keys(parts: Sequence[Plan], by: Sequence[ProcessedBy]) -> None:
    """Refuse keys of two inputs that cannot be equal.

    Raises:
        PlanError: `plan-process-keys`.
    """
    held = [[p.schema.type_of(k) for k in b.keys] for p, b in zip(parts, by, strict=True)]
    for types, taken in zip(held[1:], by[1:], strict=True):
        if types != held[0] and not taken.is_broadcast:
            raise PlanError(
                "the keys of both inputs are of other types",
                code="plan-process-keys",
                expected=", ".join(f"{k} {t}" for k, t in zip(by[0].keys, held[0], strict=True)) or "no key",
                found=", ".join(f"{k} {t}" for k, t in zip(by[1].keys, types, strict=True)) or "no key",
                hint="a CAST makes them one",
            )


def check_times(parts: Sequence[Plan], by: Sequence[ProcessedBy]) -> None:
    """Refuse event times of which some have a time zone and others none: a function sees all of them alike.

    Raises:
        PlanError: `plan-process-time`.
    """
    held = [str(p.schema.type_of(b.time)) for p, b in zip(parts, by, strict=True) if b.time is not None]
    zoned = {isinstance(t, Timestamp) and t.zone is not None for t in _types(parts, by)}
    if len(zoned) > 1:
        raise PlanError(
            "the event times of the inputs are of other types",
            code="plan-process-time",
            found=", ".join(held),
            hint="a CAST makes them one",
        )


def _types(parts: Sequence[Plan], by: Sequence[ProcessedBy]) -> Iterator[DataType]:
    return (p.schema.type_of(b.time) for p, b in zip(parts, by, strict=True) if b.time is not None)


def side_output(plan: Plan, port: str) -> Plan:
    """A side output of the function that is the last step of a plan.

    Raises:
        PlanError: `plan-side-output`.
    """
    if not isinstance(plan, Process):
        raise PlanError(
            "the last step is no keyed function, and has no side outputs",
            code="plan-side-output",
            found=plan.describe(),
            hint="side(…) comes right behind process(…)",
        )
    names = [name for name, _ in plan.sides]
    if port not in names:
        raise PlanError(
            f'{plan.function.name} has no side output "{port}"',
            code="plan-side-output",
            found=port,
            choices=names or None,
            hint=did_you_mean(port, names) or 'process(…, sides={"name": columns}) declares them',
        )
    return SideOutput(plan, port)


def failed_rows(plan: Plan) -> Plan:
    """The rows that the function of the last step of a plan fails on.

    Raises:
        PlanError: `plan-no-function`.
    """
    if not isinstance(plan, (MapAsync, Process)):
        raise PlanError(
            "the last step is no keyed or asynchronous function, and no row is kept apart",
            code="plan-no-function",
            found=plan.describe(),
            hint="failed() comes right behind process(…) or map_async(…)",
        )
    if isinstance(plan, MapAsync) and properties(plan.input).is_updating:
        raise PlanError(
            "rows that may be taken back are not kept apart when a function fails on them",
            code="plan-async-function",
            found=plan.describe(),
            hint="the function can give a row that says what went wrong",
        )
    return Failed(plan)


def _needs_time(function: KeyedFunction) -> PlanError:
    what = "timers" if function.has_timers else "state with a time to live"
    return PlanError(
        f"{function.name} has {what}, and no column is an event time",
        code="plan-process-time",
        hint="a watermark makes a column an event time",
    )


def _time(plan: Plan, asked: str | None, *, is_optional: bool) -> str | None:
    """The column of event time."""
    if properties(plan).is_updating:
        raise PlanError(
            "a keyed function is called for rows that stay, and these may be taken back",
            code="plan-process-changes",
            hint="group in windows: their results stay",
        )
    times = [*properties(plan).times]
    if asked is None:
        if len(times) == 1 or is_optional:
            return times[0] if len(times) == 1 else None
        raise PlanError(
            "rows are taken in the order of their event time, and "
            + ("no column is one" if not times else "several columns are"),
            code="plan-process-time",
            choices=times or None,
            hint="a watermark makes a column an event time" if not times else 'time="…" says which',
        )
    held = plan.schema.type_of(asked)
    if not isinstance(held, Timestamp):
        raise TypeMismatch(
            f'"{asked}" has the type {held}, and is no time',
            code="plan-process-time",
            expected="TIMESTAMP or TIMESTAMP_LTZ",
            choices=times or None,
        )
    return asked
