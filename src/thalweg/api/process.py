"""Write functions that are called for the rows of a key, with state and timers: Flink's process functions.

A function is a class. Its annotated attributes are its state: each key has its own, from one row to the next
and over restarts. Rows and timers come in the order of event time.

Not here: how functions are called (operators/process_op.py), functions of rows without state
(frame_functions.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, get_origin, get_type_hints

import polars as pl

from thalweg.api.columns import column_name
from thalweg.api.ordering import Span
from thalweg.api.place import caller, located
from thalweg.api.types import SchemaLike, schema_of
from thalweg.base.codecs import KEPT_TYPES, codec_of, type_name
from thalweg.base.durations import microseconds
from thalweg.base.types import Timestamp
from thalweg.errors import PlanError, TypeMismatch, did_you_mean
from thalweg.expr.python_rows import Row
from thalweg.plan.nodes import Plan
from thalweg.plan.process import Process, ProcessedBy, SideOutput
from thalweg.plan.properties import properties
from thalweg.protocols.process import ColumnTurn, FunctionState, KeyedFunction, Order, Turn
from thalweg.protocols.state import ColumnKind, ColumnSpec

if TYPE_CHECKING:
    from thalweg.api.dataset import Dataset
    from thalweg.api.expressions import IntoColumn

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_PLAIN: dict[Any, ColumnKind] = {int: "int64", float: "float64", bool: "bool"}
_CONTAINERS = (list, dict, set)
_MISSING = object()


@dataclass(frozen=True)
class _Declared:
    """What a class says of one of its states besides its type."""

    begin: Any
    ttl_us: int | None


# Any: it stands for a value of the state's own type
def keep(begin: Any = _MISSING, *, ttl: Span | None = None) -> Any:
    """Say more of a state of a function than what a key begins with.

    Args:
        begin: what a key begins with; lists, dicts and sets need not say it.
        ttl: how long, in event time, it is kept for a key to which nothing happens; then the key begins anew.

    Example:
        >>> import thalweg as tw
        >>> class Visits(tw.ProcessFunction):
        ...     count: int = tw.keep(0, ttl="1 day")
    """
    return _Declared(begin, None if ttl is None else microseconds(ttl))


class ProcessFunction:
    """A function that is called for every row of a key; `Dataset.key_by` says what the key is.

    Annotated attributes of the class are state: every key begins with the value that is written there (lists,
    dicts and sets may be left out: they begin empty), and finds what it has left behind. Anything else on
    `self` is configuration, and does not change. State that is what it began with costs nothing.

    Example:
        >>> import polars as pl
        >>> import thalweg as tw
        >>> class Third(tw.ProcessFunction):
        ...     count: int = 0
        ...
        ...     def on_event(self, row):
        ...         self.count += 1
        ...         if self.count == 3:
        ...             yield row.user, self.time
        >>> schema = {"user": pl.String, "ts": pl.Datetime("us")}
        >>> rows = pl.DataFrame({"user": list("abaa"), "ts": range(4)}, schema)
        >>> clicks = tw.Session().from_polars(rows)
        >>> found = clicks.key_by("user").process(Third(), "user STRING, at TIMESTAMP", time="ts")
        >>> found.collect().rows()
        [('a', datetime.datetime(1970, 1, 1, 0, 0, 0, 3))]
    """

    turn: ClassVar[Turn]
    _zone: ClassVar[bool] = False

    def on_event(self, row: Any) -> Iterable[Row] | None:
        """Take a row, a named tuple; give any number of rows, as dicts or tuples."""
        raise NotImplementedError

    def on_timer(self) -> Iterable[Row] | None:
        """A timer is due: `self.time` says which. Give any number of rows."""
        raise NotImplementedError

    @property
    def time(self) -> datetime:
        """The event time of the row, or of the timer."""
        found = _EPOCH + timedelta(microseconds=self.turn.time_us)
        return found.replace(tzinfo=UTC) if self._zone else found

    @property
    def key(self) -> Any:
        """The values of the key columns, a named tuple."""
        return self.turn.key

    def set_timer(self, at: datetime | timedelta) -> None:
        """Have `on_timer` called for this key once event time has reached a time.

        Set twice for one time, it is called once. Rows of that time come before.

        Args:
            at: the time; or how long after the row or timer that this is.
        """
        self.turn.set_timer(self._micros(at))

    def delete_timer(self, at: datetime | timedelta) -> None:
        """Call off a timer; one that is not set does not matter."""
        self.turn.delete_timer(self._micros(at))

    def emit(self, port: str, row: Row) -> None:
        """Give a row to a side output."""
        self.turn.emit(port, row)

    def _micros(self, at: datetime | timedelta) -> int:
        if isinstance(at, timedelta):
            return self.turn.time_us + at // _MICROSECOND
        naive = at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)
        return (naive - _EPOCH) // _MICROSECOND


class ColumnFunction:
    """A function like a `ProcessFunction` that is called for many keys at once, with one row of each.

    Its state is columns then: numpy arrays beside the rows, one value for each. The rows of a key come one
    after the other, whatever the batches were; the fewer rows a key has, the more keys are in one call.

    Example:
        >>> import polars as pl
        >>> import thalweg as tw
        >>> class Third(tw.ColumnFunction):
        ...     count: int = 0
        ...
        ...     def on_events(self, rows):
        ...         self.count = self.count + 1
        ...         return rows.filter(self.count == 3)
        >>> clicks = tw.Session().from_polars(pl.DataFrame({"user": list("abaa"), "n": range(4)}))
        >>> clicks.key_by("user").process(Third(), clicks.schema, order="arrival").collect().rows()
        [('a', 3)]
    """

    turn: ClassVar[ColumnTurn]
    _zone: ClassVar[bool] = False

    def on_events(self, rows: pl.DataFrame) -> pl.DataFrame | None:
        """Take a row of each of some keys; give any number of rows."""
        raise NotImplementedError

    def on_timers(self) -> pl.DataFrame | None:
        """A timer is due of each of some keys: `self.keys` and `self.times`. Give any number of rows."""
        raise NotImplementedError

    @property
    def times(self) -> pl.Series:
        """The event time of each row, or timer."""
        return pl.Series("time", self.turn.times_us).cast(pl.Datetime("us", "UTC" if self._zone else None))

    @property
    def keys(self) -> pl.DataFrame:
        """The key of each row, or timer."""
        return self.turn.keys

    def set_timers(self, at: pl.Series | timedelta, where: pl.Series | None = None) -> None:
        """Have `on_timers` called for these keys once event time has reached a time of each.

        Args:
            at: the times, or how long after the row or timer they are.
            where: for which of the rows; None: for all.
        """
        self.turn.set_timers(self._micros(at), self._places(where))

    def delete_timers(self, at: pl.Series | timedelta, where: pl.Series | None = None) -> None:
        """Call off timers; those that are not set do not matter."""
        self.turn.delete_timers(self._micros(at), self._places(where))

    def emit(self, port: str, rows: pl.DataFrame) -> None:
        """Give rows to a side output."""
        self.turn.emit(port, rows)

    def _micros(self, at: pl.Series | timedelta) -> Any:
        if isinstance(at, timedelta):
            return self.turn.times_us + at // _MICROSECOND
        if isinstance(at.dtype, pl.Duration):
            return self.turn.times_us + at.dt.total_microseconds().to_numpy()
        return at.cast(pl.Datetime("us", at.dtype.time_zone)).to_physical().to_numpy()  # type: ignore[attr-defined]

    def _places(self, where: pl.Series | None) -> Any:
        if where is None:
            return slice(None)
        return where.fill_null(value=False).to_numpy()


class CoProcessFunction(ProcessFunction):
    """A `ProcessFunction` over two inputs whose rows of equal keys meet; see `KeyedDataset.connect`.

    Rows of both come in the order of event time, of one time those of the left input first.
    """

    def on_left(self, row: Any) -> Iterable[Row] | None:
        """Take a row of the left input; give any number of rows."""
        raise NotImplementedError

    def on_right(self, row: Any) -> Iterable[Row] | None:
        """Take a row of the right input; give any number of rows."""
        raise NotImplementedError


class CoColumnFunction(ColumnFunction):
    """A `ColumnFunction` over two inputs whose rows of equal keys meet; see `KeyedDataset.connect`."""

    def on_left(self, rows: pl.DataFrame) -> pl.DataFrame | None:
        """Take a row of the left input for each of some keys; give any number of rows."""
        raise NotImplementedError

    def on_right(self, rows: pl.DataFrame) -> pl.DataFrame | None:
        """Take a row of the right input for each of some keys; give any number of rows."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, repr=False)
class KeyedDataset:
    """Rows with the key by which functions keep their state; made with `Dataset.key_by`."""

    _rows: Dataset
    _keys: tuple[IntoColumn, ...]

    def __repr__(self) -> str:
        return f"rows of ({self._rows.schema}) by {', '.join(map(str, self._keys))}; process(…) follows"

    def connect(self, other: KeyedDataset) -> ConnectedDataset:
        """These rows and others, for a function that takes both: those of equal keys meet.

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

    def process(
        self,
        function: ProcessFunction | ColumnFunction,
        schema: SchemaLike,
        *,
        time: str | None = None,
        sides: Mapping[str, SchemaLike] | None = None,
        order: Order = "time",
    ) -> Dataset:
        """What a function gives for the rows of each key, in the order of their event time.

        So the result depends on the rows alone. With `order="arrival"` rows are taken at once and as they
        come, late ones too; then it may depend on when they do, on the number of tasks, and on restarts.

        Args:
            function: an object of a class of yours; its attributes that are state have a value per key.
            schema: the columns of the rows that it gives.
            time: the column of event time, where it is not the only one.
            sides: the columns of its side outputs, by their names.
            order: `time`, or `arrival`.

        Raises:
            PlanError: `plan-process-changes`, `plan-process-time`, `plan-state-type`.
        """
        what = _Wanted(function, schema, sides or {}, order, caller())
        return self._rows._step(lambda: what.plan([(self._rows.plan, self._keys, time)]))


@dataclass(frozen=True, eq=False, repr=False)
class ConnectedDataset:
    """Two inputs for one function; made with `KeyedDataset.connect`."""

    _left: KeyedDataset
    _right: KeyedDataset

    def __repr__(self) -> str:
        return f"{self._left._rows.schema} and {self._right._rows.schema}; process(…) follows"

    def process(
        self,
        function: CoProcessFunction | CoColumnFunction,
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
        both = (self._left, self._right)

        def make() -> Plan:
            return what.plan([(d._rows.plan, d._keys, t) for d, t in zip(both, times, strict=True)])

        return self._left._rows._step(make, self._right._rows)


@dataclass(frozen=True)
class _Wanted:
    """What was asked for of a function."""

    function: ProcessFunction | ColumnFunction
    schema: SchemaLike
    sides: Mapping[str, SchemaLike]
    order: Order
    place: str | None

    def plan(self, inputs: Sequence[tuple[Plan, tuple[IntoColumn, ...], str | None]]) -> Plan:
        """The step over these inputs, with their keys and times."""
        parts = tuple(plan for plan, _, _ in inputs)
        by = tuple(self._taken(*each) for each in inputs)
        check_keys(parts, by)
        outputs = tuple((port, schema_of(held)) for port, held in self.sides.items())
        first = by[0].time
        held = None if first is None else parts[0].schema.type_of(first)
        is_zoned = isinstance(held, Timestamp) and held.zone is not None
        names = tuple(port for port, _ in outputs)
        described = described_function(
            self.function, names, self.place, is_zoned=is_zoned, takes_two=len(parts) > 1
        )
        if first is None and (described.forgets or described.has_timers):
            raise _needs_time(described)
        return Process(parts, by, described, schema_of(self.schema), outputs, self.order)

    def _taken(self, plan: Plan, given: tuple[IntoColumn, ...], time: str | None) -> ProcessedBy:
        keys = tuple(map(column_name, given))
        for key in keys:
            plan.schema.type_of(key)
        return ProcessedBy(keys, _time(plan, time, is_optional=self.order == "arrival"))


def check_keys(parts: Sequence[Plan], by: Sequence[ProcessedBy]) -> None:
    """Refuse keys of two inputs that cannot be equal.

    Raises:
        PlanError: `plan-process-keys`.
    """
    held = [[p.schema.type_of(k) for k in b.keys] for p, b in zip(parts, by, strict=True)]
    for types in held[1:]:
        if types != held[0]:
            raise PlanError(
                "the keys of both inputs are of other types",
                code="plan-process-keys",
                expected=", ".join(f"{k} {t}" for k, t in zip(by[0].keys, held[0], strict=True)) or "no key",
                found=", ".join(f"{k} {t}" for k, t in zip(by[1].keys, types, strict=True)) or "no key",
                hint="a CAST makes them one",
            )


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


def described_function(
    function: ProcessFunction | ColumnFunction,
    sides: tuple[str, ...],
    place: str | None,
    *,
    is_zoned: bool,
    takes_two: bool = False,
) -> KeyedFunction:
    """A function as a value in a plan.

    Raises:
        PlanError: `plan-state-type`, `plan-process-function`.
    """
    kind = type(function)
    name = kind.__name__
    _check_function(function, takes_two=takes_two)
    with located(place):
        states = tuple(_state(name, attribute, hint, kind) for attribute, hint in _hints(kind))

    def new() -> Any:
        made = copy(function)
        vars(made)["_zone"] = is_zoned
        return made

    if isinstance(function, ColumnFunction):
        has_timers = type(function).on_timers is not ColumnFunction.on_timers
        handlers = ("on_left", "on_right") if takes_two else ("on_events",)
        return KeyedFunction(name, states, new, has_timers, handlers, "column", sides, place)
    has_timers = type(function).on_timer is not ProcessFunction.on_timer
    handlers = ("on_left", "on_right") if takes_two else ("on_event",)
    return KeyedFunction(name, states, new, has_timers, handlers, "row", sides, place)


def _check_function(function: object, *, takes_two: bool) -> None:
    """Refuse what is no function, or one for another number of inputs."""
    wanted = (CoProcessFunction, CoColumnFunction) if takes_two else (ProcessFunction, ColumnFunction)
    is_right = isinstance(function, wanted) and (
        takes_two or not isinstance(function, (CoProcessFunction, CoColumnFunction))
    )
    if is_right:
        return
    raise PlanError(
        f"a function of {'two inputs' if takes_two else 'one input'} is an object of a class that is a "
        f"{wanted[0].__name__} or a {wanted[1].__name__}",
        code="plan-process-function",
        found=repr(function)[:200],
        hint=f"{function.__name__}() makes one" if isinstance(function, type) else None,
    )


def _hints(kind: type) -> Iterable[tuple[str, Any]]:
    """The annotated attributes of a class and of those that it inherits from, down to ours."""
    try:
        hints = get_type_hints(kind)
    except NameError as error:
        raise PlanError(
            f"a type that {kind.__name__} is annotated with cannot be found: {error}",
            code="plan-state-type",
            hint="types of state are defined in the module, and not inside a function",
        ) from None
    own = {*get_type_hints(ProcessFunction), *get_type_hints(ColumnFunction)}
    return [(n, h) for n, h in hints.items() if n not in own and get_origin(h) is not ClassVar]


def _state(function: str, name: str, hint: Any, kind: type) -> FunctionState:
    try:
        codec = codec_of(hint)
    except TypeError as error:
        raise PlanError(
            f'the state "{name}" of {function} cannot be kept',
            code="plan-state-type",
            found=f"{type_name(hint)}"
            if str(error) == type_name(hint)
            else f"{type_name(hint)}, with {error}",
            expected=KEPT_TYPES,
        ) from None
    begin: Any = getattr(kind, name, _MISSING)
    ttl_us = begin.ttl_us if isinstance(begin, _Declared) else None
    begin = begin.begin if isinstance(begin, _Declared) else begin
    if begin is _MISSING and (get_origin(hint) or hint) in _CONTAINERS:
        begin = (get_origin(hint) or hint)()
    if begin is _MISSING:
        raise PlanError(
            f'the state "{name}" of {function} does not say what a key begins with',
            code="plan-state-type",
            found=f"{name}: {type_name(hint)}",
            hint=f"{name}: {type_name(hint)} = …",
        )
    if hint in _PLAIN:
        return FunctionState(name, ColumnSpec(_PLAIN[hint], begin), None, ttl_us)
    return FunctionState(name, ColumnSpec("object", None, codec), _fresh(begin), ttl_us)


def _fresh(begin: Any) -> Callable[[], Any]:
    """Makes the value that a key begins with: no two keys share one."""
    if begin is None or isinstance(begin, (str, bytes, int, float)):
        return lambda: begin
    return lambda: deepcopy(begin)


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
