"""Put the rows of keys into windows that are said in Python: any assigner, trigger, evictor and function.

A window keeps its rows until its trigger has it give something. All of it is a keyed function, so that rows
come in the order of event time, and windows are in checkpoints.

Not here: windows of a query, which keep sums instead of rows (grouped.py), what windows there are
(window_kinds.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, make_dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from thalweg.api.process_functions import ProcessFunction
from thalweg.api.python_types import python_type
from thalweg.api.types import SchemaLike
from thalweg.api.window_kinds import (
    Assigner,
    AtEnd,
    Bounds,
    Count,
    Delta,
    Evictor,
    Facts,
    Fired,
    Global,
    Trigger,
)
from thalweg.base.schema import Schema
from thalweg.errors import PlanError
from thalweg.expr.python_rows import GivenRows, Row, maker
from thalweg.protocols.process import Order

if TYPE_CHECKING:
    from thalweg.api.dataset import Dataset
    from thalweg.api.process import KeyedDataset

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)

# Any: rows are named tuples of the user's own columns
WindowCall = Callable[[Any, Bounds, Sequence[Any]], Iterable[Row] | None]
"""A function of a whole window: of the key, the window, and its rows in the order of event time."""


@dataclass
class Pane:
    """A window of a key, and its rows.

    Attributes:
        start, end: in microseconds; None: the global window.
        rows: the time in microseconds and the values of each row.
        memory: what the trigger keeps.
        wakes: the times at which the trigger is to be asked.
    """

    start: int | None
    end: int | None
    rows: list[tuple[int, tuple[Any, ...]]] = field(default_factory=list)
    memory: dict[str, float] = field(default_factory=dict)
    wakes: list[int] = field(default_factory=list)


@dataclass(frozen=True, eq=False, repr=False)
class KeyedWindows:
    """Rows by a key, in windows; made with `KeyedDataset.window`."""

    _keyed: KeyedDataset
    _assigner: Assigner
    _trigger: Trigger
    _evictor: Evictor | None

    def __repr__(self) -> str:
        return f"{self._keyed!r} in windows {self._assigner}; process(…) or reduce(…) follows"

    def process(
        self, function: WindowCall, schema: SchemaLike, *, time: str | None = None, order: Order = "time"
    ) -> Dataset:
        """What a function gives for each window when that gives its result.

        Args:
            function: takes the key, the window and its rows; gives rows.
            schema: the columns of the rows that it gives.
            time: the column of event time, where it is not the only one.
            order: whether rows are taken in the order of event time, or as they arrive.
        """
        made = _as_function(self, function)
        return self._keyed.process(made, schema, time=time, order=order)

    def reduce(
        self, function: Callable[[Any, Any], Any], *, time: str | None = None, order: Order = "time"
    ) -> Dataset:
        """One row for each window, of the same columns: what a function makes of its rows, two at a time.

        Args:
            function: takes what it has made so far and the next row, named tuples; gives a row.
            time: the column of event time, where it is not the only one.
            order: whether rows are taken in the order of event time, or as they arrive.
        """
        schema = self._keyed._rows.schema
        to_row = maker("Row", schema.names)
        given = GivenRows(schema, getattr(function, "__name__", type(function).__name__))

        def whole(key: Any, window: Bounds, rows: Sequence[Any]) -> Iterable[Row]:
            del key, window
            found = rows[0]
            for row in rows[1:]:
                found = to_row(given.values(function(found, row)))
            return [tuple(found)]

        return self.process(whole, schema, time=time, order=order)


def _as_function(windows: KeyedWindows, function: WindowCall) -> ProcessFunction:
    """The keyed function that these windows are."""
    rows = windows._keyed._rows.schema
    # types that are made, of which no checker of types can know
    values: Any = tuple.__class_getitem__(tuple(python_type(f.type) for f in rows))
    each: Any = list.__class_getitem__(tuple.__class_getitem__((int, values)))
    kept: Any = make_dataclass("Pane", [("rows", each, field(default_factory=list))], bases=(Pane,))
    members = {"__annotations__": {"panes": list.__class_getitem__(kept)}, "__module__": __name__}
    name = getattr(function, "__name__", type(function).__name__)
    needs_no_time = isinstance(windows._assigner, Global) and isinstance(windows._trigger, (Count, Delta))
    kind = type(name, (_Windows if needs_no_time else _TimedWindows,), members)
    found: ProcessFunction = kind(windows, function, rows, kept)
    return found


class _Windows(ProcessFunction):
    panes: list[Any]

    def __init__(self, windows: KeyedWindows, function: WindowCall, rows: Schema, pane: type[Pane]) -> None:
        self._assigner, self._trigger = windows._assigner, windows._trigger
        self._evictor, self._function = windows._evictor, function
        self._to_row, self._pane = maker("Row", rows.names), pane

    def on_event(self, row: Any) -> Iterable[Row]:
        """Put the row into its windows, and ask the trigger of each."""
        now = self.turn.time_us
        assigned = list(self._assigner.assign(_time(now), row))
        if not assigned:
            raise PlanError(
                "an assigner gives every row at least one window",
                code="plan-window-assigner",
                found=f"no window for {row!r}"[:200],
            )
        for bounds in assigned:
            pane = self._merged(bounds) if self._assigner.merges else self._found(bounds)
            pane.rows.append((now, tuple(row)))
            facts = self._facts(pane, now)
            yield from self._answered(pane, facts, self._trigger.on_row(row, facts))

    @property
    def _ahead(self) -> int:
        """A row of the time of its end is no row of a window, but of a session it is."""
        return 0 if self._assigner.merges else 1

    def _facts(self, pane: Pane, now: int) -> Facts:
        return Facts(_bounds(pane), _time(now), len(pane.rows), pane.memory)

    def _found(self, bounds: Bounds) -> Pane:
        start, end = _micros(bounds.start), _micros(bounds.end)
        for pane in self.panes:
            if pane.start == start and pane.end == end:
                found: Pane = pane
                return found
        return self._new(start, end)

    def _new(self, start: int | None, end: int | None) -> Pane:
        made = self._pane(start, end)
        self.panes.append(made)
        if end is not None:
            self.turn.set_timer(end - self._ahead)
        return made

    def _merged(self, bounds: Bounds) -> Pane:
        """The window that this one and all those that it meets are together."""
        start, end = _micros(bounds.start), _micros(bounds.end)
        assert start is not None and end is not None, "windows that merge have bounds"  # noqa: PT018 - of one thing
        met = [p for p in self.panes if p.start <= end and start <= p.end]
        if not met:
            return self._new(start, end)
        first: Pane = met[0]
        for pane in met[1:]:
            first.rows.extend(pane.rows)
            first.wakes.extend(pane.wakes)
            self.panes.remove(pane)
        first.rows.sort(key=lambda each: each[0])
        ends = [p.end for p in met if p.end is not None]
        latest = max(end, *ends)
        for each in ends:
            if each != latest:
                self.turn.delete_timer(each)
        first.start, first.end = min(start, *(p.start for p in met if p.start is not None)), latest
        self.turn.set_timer(latest)
        return first

    def _answered(self, pane: Pane, facts: Facts, fired: Fired) -> Iterable[Row]:
        """Do what the trigger says."""
        for at in facts.timers:
            time = _micros(at)
            assert time is not None, "a time"
            if time not in pane.wakes:
                pane.wakes.append(time)
                self.turn.set_timer(time - self._ahead)
        if fired.fires:
            yield from self._result(pane)
        if fired.purges:
            pane.rows.clear()
            if pane.end is None:
                self.panes.remove(pane)

    def _result(self, pane: Pane) -> Iterable[Row]:
        rows = [(_time(at), self._to_row(values)) for at, values in pane.rows]
        if self._evictor is not None:
            kept = self._evictor.keep(rows)
            if len(kept) < len(rows):
                pane.rows[:] = [((at - _EPOCH) // _MICROSECOND, tuple(row)) for at, row in kept]
            rows = list(kept)
        return self._function(self.key, _bounds(pane), [row for _, row in rows]) or () if rows else ()


class _TimedWindows(_Windows):
    """Windows that time ends, or whose trigger waits for a time."""

    def on_timer(self) -> Iterable[Row]:
        """The end of some windows, or a time that a trigger has asked for."""
        now = self.turn.time_us + self._ahead
        for pane in [p for p in self.panes if p.end == now or now in p.wakes]:
            if now in pane.wakes:
                pane.wakes.remove(now)
            facts = self._facts(pane, now)
            yield from self._answered(pane, facts, self._trigger.on_time(facts))
            if pane.end == now and pane in self.panes:
                self.panes.remove(pane)


def _bounds(pane: Pane) -> Bounds:
    return Bounds(
        None if pane.start is None else _time(pane.start), None if pane.end is None else _time(pane.end)
    )


def _time(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def _micros(time: datetime | None) -> int | None:
    if time is None:
        return None
    naive = time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
    return (naive - _EPOCH) // _MICROSECOND


def keyed_windows(
    keyed: KeyedDataset, assigner: Assigner, trigger: Trigger | None, evictor: Evictor | None
) -> KeyedWindows:
    """The rows of keys in windows."""
    return KeyedWindows(keyed, assigner, trigger or AtEnd(), evictor)
