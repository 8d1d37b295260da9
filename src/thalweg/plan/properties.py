"""Say what a plan's output is like over time.

For every node: whether it ends, whether rows may be retracted, its unique keys, and which columns
are event times and how far they may lag behind the watermark (their *slack*).

A column has slack d (microseconds) if every future row that is not late has `column >= w - d`. The
source has slack 0; constants shift it; a closed window's end has the slack of its input. Where rows are
allowed to be late, the slack is that much greater; how far rows lag that are in time is kept beside it, so
that windows can be emitted then and corrected afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from thalweg.base.schema import STAMP
from thalweg.expr.nodes import Call, Column, Expr, Literal, Named
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.asynchronous import MapAsync
from thalweg.plan.keys import Closing, DeclaredKey, closings_of_pairs, projected
from thalweg.plan.late import Behind
from thalweg.plan.lookup import LookupJoin
from thalweg.plan.nodes import (
    WINDOW_END,
    WINDOW_START,
    WINDOW_TIME,
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
from thalweg.plan.sort import Sort
from thalweg.plan.time_bounds import SideBound, output_times, side_bounds
from thalweg.plan.window_columns import Bound, WindowColumns, copies

WINDOW_TIME_US = 1000
"""`window_time` is one millisecond before the window's end, as in Flink."""

_ADDED = WindowColumns.named(WINDOW_START, WINDOW_END, WINDOW_TIME)


def bound_type(bound: Bound, time: pl.DataType) -> pl.DataType:
    """The type of a column of a window, over rows whose time has this type: its bounds are local times."""
    return pl.Datetime("us") if isinstance(time, pl.Datetime) and bound != "time" else time


def bound_types(time: pl.DataType) -> dict[str, pl.DataType]:
    """The types of a window's columns, by the names that these have at first."""
    return {name: bound_type(bound, time) for name, bound in _ADDED.bounds.items()}


UNTIL_END = 1 << 61
"""The slack of a time that nothing is known about: bounded input, whose windows close at its end."""


_KEPT = "_properties"


@dataclass(frozen=True)
class Properties:
    """What is known of a node's output.

    Attributes:
        is_bounded: whether it ends.
        is_updating: whether rows may be retracted.
        times: slack in microseconds of each event time column.
        punctual: the same without the lateness that is allowed, where some is.
        keys: sets of columns that are unique at every cut.
        windows: the columns of each window that rows lie in, on an input that is final, or becomes so.
        settles: whether rows that are taken back keep to the slack too, so that the past becomes final.
        unique: sets of columns in which no two rows ever agree, as the user has declared.
        closings: when rows with the same key can come no more.
    """

    is_bounded: bool
    is_updating: bool = False
    times: dict[str, int] = field(default_factory=dict)
    keys: frozenset[frozenset[str]] = frozenset()
    windows: tuple[WindowColumns, ...] = ()
    punctual: dict[str, int] = field(default_factory=dict)
    settles: bool = False
    unique: frozenset[frozenset[str]] = frozenset()
    closings: frozenset[Closing] = frozenset()

    def lag(self, column: str, default: int) -> int:
        """How far a time may lag in rows that are in time; `default` if it is no event time."""
        return self.punctual.get(column, self.times.get(column, default))

    @property
    def is_final(self) -> bool:
        """Whether rows stay, or at least settle when time has passed them."""
        return not self.is_updating or self.settles

    def __hash__(self) -> int:
        return id(self)


def properties(plan: Plan) -> Properties:
    """The properties of a plan; they are kept with it, and with nothing that would keep its rows alive."""
    kept = vars(plan)
    if _KEPT not in kept:
        kept[_KEPT] = _properties(plan)
    found: Properties = kept[_KEPT]
    return found


def _properties(plan: Plan) -> Properties:
    below = [properties(p) for p in plan.inputs]
    if isinstance(plan, Scan):
        return Properties(plan.source.is_bounded, times=_clock(plan))
    if isinstance(plan, Values):
        return Properties(is_bounded=True, times=_clock(plan))
    if isinstance(plan, Union):
        return _union(below)
    if isinstance(plan, LookupJoin):
        # rows go on when they come; those that may be taken back wait for the cut
        left = below[0]
        # a row may have several answers
        several = replace(left, keys=frozenset(), unique=frozenset())
        return Properties(left.is_bounded, True) if left.is_updating else several
    if isinstance(plan, Join) and plan.first is not None:
        return _passing(plan, below[1 if plan.first == "left" else 0])
    if isinstance(plan, Join):
        return _join(plan, below[0], below[1])
    if isinstance(plan, AsOfJoin):
        return _as_of_join(plan, below[0], below[1])
    if isinstance(plan, Process):
        return Properties(all(b.is_bounded for b in below), plan.function.retracts)
    assert len(below) == 1, "every other node has one input"
    return _unary(plan, below[0])


def reads_endless(plan: Plan) -> bool:
    """Whether some source below never ends; the plan may end all the same, after a LIMIT."""
    if isinstance(plan, Scan):
        return not plan.source.is_bounded
    if isinstance(plan, LookupJoin):
        return reads_endless(plan.left)
    return any(reads_endless(below) for below in plan.inputs)


def can_replay(plan: Plan, *, with_journals: bool = False) -> bool:
    """Whether the plan's rows can be read more than once; from journals too, where there are some."""
    if isinstance(plan, Scan):
        return plan.source.replay != "none" or (with_journals and plan.has_journal)
    return all(can_replay(below, with_journals=with_journals) for below in plan.inputs)


def _unary(plan: Plan, below: Properties) -> Properties:
    if isinstance(plan, AssignWatermark):
        punctual = {**below.punctual, plan.column: 0} if plan.lateness_us else below.punctual
        times = {**below.times, plan.column: plan.lateness_us}
        return replace(below, times=times, punctual=punctual)
    if isinstance(plan, Project):
        return _project(plan.items, below)
    if isinstance(plan, MapAsync):
        return _map_async(plan, below)
    if isinstance(plan, Window):
        return _window(plan, below)
    if isinstance(plan, SessionWindow):
        return _session(plan, below)
    if isinstance(plan, GroupBy):
        return _group_by(plan, below)
    if isinstance(plan, Rank):
        return _rank(plan, below)
    if isinstance(plan, Over):
        if recomputes(plan):
            return Properties(below.is_bounded, is_updating=True, keys=below.keys)
        # rows are held back until the watermark passes this one of their times
        times = {n: s for n, s in below.times.items() if n == plan.order}
        return Properties(below.is_bounded, False, times, below.keys)
    if isinstance(plan, Sort):
        # rows that end come at the end; others are held back until the watermark passes their time
        times = (
            {} if below.is_bounded else {n: s for n, s in below.times.items() if n == plan.order[0].column}
        )
        return Properties(below.is_bounded, times=times, keys=below.keys)
    if isinstance(plan, Limit):
        # a row of an earlier split displaces one of a later split, whenever it comes, until there are enough
        return Properties(is_bounded=True, is_updating=True, times=below.times)
    if isinstance(plan, MapBatches):
        return Properties(below.is_bounded, below.is_updating)
    if isinstance(plan, (Late, Behind, BadRows, SideOutput)):
        return Properties(below.is_bounded)
    if isinstance(plan, Explode):
        times = {k: v for k, v in below.times.items() if k != plan.column}
        none: frozenset[frozenset[str]] = frozenset()
        punctual = _sooner(times, below.punctual)
        return replace(below, times=times, punctual=punctual, keys=none, unique=none, closings=frozenset())
    if isinstance(plan, DeclaredKey):
        if below.is_updating:
            # a row that changes is another row with the same key
            return below
        return replace(below, unique=below.unique | {frozenset(plan.columns)})
    assert isinstance(plan, (Filter, Write)), f"no rule for {type(plan).__name__}"
    return below


def _clock(plan: Scan | Values) -> dict[str, int]:
    """When a row was read, where that is the watermark of its source."""
    return {STAMP: 0} if plan.stamp == "clock" else {}


def _union(below: list[Properties]) -> Properties:
    is_bounded = all(b.is_bounded for b in below)
    windows = list(below[0].windows)
    for other in below[1:]:
        windows = list(dict.fromkeys(w.meet(o) for w in windows for o in other.windows))
    known = [name for name in below[0].times if all(name in b.times for b in below)]
    times = {name: max(b.times[name] for b in below) for name in known}
    return Properties(
        is_bounded=is_bounded,
        is_updating=any(b.is_updating for b in below),
        times=times,
        windows=_complete(windows, times, is_bounded=is_bounded),
        punctual=_sooner(times, {name: max(b.lag(name, 0) for b in below) for name in known}),
        settles=all(b.is_final for b in below),
    )


def _complete(
    windows: Iterable[WindowColumns], times: Mapping[str, int], *, is_bounded: bool
) -> tuple[WindowColumns, ...]:
    """Those windows of which the bounds are known, and that time completes, or else the end of the input."""
    if not is_bounded:
        windows = [replace(w, ends=w.ends & times.keys()) for w in windows]
    return tuple(w for w in windows if w.is_whole)


def _sooner(times: Mapping[str, int], lags: Mapping[str, int]) -> dict[str, int]:
    """The lags of rows that are in time, where they differ from the slack."""
    return {name: lag for name, lag in lags.items() if name in times and lag != times[name]}


def _lags(below: Properties) -> dict[str, int]:
    """The lag of each event time in rows that are in time."""
    return {**below.times, **below.punctual}


def join_bounds(plan: Join) -> tuple[SideBound, SideBound]:
    """For how long the rows of both inputs can find partners; for ever, if any may yet be taken back."""
    left, right = (properties(p) for p in plan.inputs)
    if not (left.is_final and right.is_final) or isinstance(plan, LookupJoin) or plan.first is not None:
        return SideBound(), SideBound()
    return side_bounds(plan, left.times, right.times)


def emits_once(plan: Join) -> bool:
    """Whether rows without a partner are emitted when time says that they never get one, and stay."""
    if any(properties(p).is_updating for p in plan.inputs) or plan.kind in ("inner", "semi"):
        return False
    bounds = join_bounds(plan)
    judged = {"left": bounds[:1], "anti": bounds[:1], "right": bounds[1:]}.get(plan.kind, bounds)
    return all(bound.until is not None for bound in judged)


def _passing(plan: Join, below: Properties) -> Properties:
    """Rows pass one by one, each with all of its partners: those were there before the first row."""
    if plan.kind in ("semi", "anti"):
        return below
    # a row may have many partners
    return replace(below, keys=frozenset(), unique=frozenset(), closings=frozenset())


def _join(plan: Join, left: Properties, right: Properties) -> Properties:
    """A partner may come at any time: rows without one may change until then."""
    stays = plan.kind in ("inner", "semi") or emits_once(plan)
    changes = left.is_updating or right.is_updating or not stays
    keys = left.keys if plan.kind in ("semi", "anti") else frozenset()
    # pairs are emitted when their second row comes; everything else waits for a cut, behind the watermark
    is_timed = plan.kind == "inner" and not changes
    times = output_times(plan, left.times, right.times) if is_timed else {}
    lags = output_times(plan, _lags(left), _lags(right)) if is_timed else {}
    windows = _complete((*left.windows, *right.windows), times, is_bounded=False)
    is_bounded = left.is_bounded and right.is_bounded
    found = Properties(is_bounded, changes, times, keys, windows, _sooner(times, lags))
    if plan.kind in ("semi", "anti"):
        return replace(found, unique=left.unique)
    if not is_timed:
        return found
    # of rows that stay, what is unique at every cut is so over all time
    unique = [side.keys | side.unique for side in (left, right)]
    return replace(found, closings=closings_of_pairs(plan, unique, join_bounds(plan)))


def as_of_slacks(plan: AsOfJoin) -> tuple[int, int] | None:
    """How far the times of both inputs may lag; None if nothing is known of one of them."""
    left, right = (properties(p).times.get(n) for p, n in zip(plan.inputs, plan.times, strict=True))
    return None if left is None or right is None else (left, right)


def _as_of_join(plan: AsOfJoin, left: Properties, right: Properties) -> Properties:
    # rows are held back until the watermark passes this one of their times
    slacks = as_of_slacks(plan)
    times = {} if slacks is None else {plan.times[0]: max(slacks)}
    return Properties(left.is_bounded and right.is_bounded, False, times, left.keys)


def _map_async(plan: MapAsync, below: Properties) -> Properties:
    """What is carried is as it was; event time waits for the rows. A row may have many answers."""
    carried = _project([Named(n, Column(n)) for n in plan.carry], below)
    return replace(carried, keys=frozenset(), unique=frozenset(), closings=frozenset())


def _project(items: Sequence[Named], below: Properties) -> Properties:
    times: dict[str, int] = {}
    lags: dict[str, int] = {}
    for item in items:
        slack = _slack(item.expr, below.times)
        lag = _slack(item.expr, _lags(below))
        if slack is not None and lag is not None:
            times[item.name], lags[item.name] = slack, lag
    renamed = copies(items)
    windows = [w.projected(items) for w in below.windows]
    return replace(
        below,
        times=times,
        keys=_renamed(below.keys, renamed),
        windows=_complete(windows, times, is_bounded=below.is_bounded),
        punctual=_sooner(times, lags),
        unique=_renamed(below.unique, renamed),
        closings=projected(below.closings, renamed),
    )


def _renamed(keys: frozenset[frozenset[str]], renamed: Mapping[str, set[str]]) -> frozenset[frozenset[str]]:
    """The keys of which all columns are left, by what these are called."""
    return frozenset(frozenset(min(renamed[k]) for k in key) for key in keys if key <= renamed.keys())


def _slack(expr: Expr, times: dict[str, int]) -> int | None:
    """The slack of an expression that is an event time shifted by a constant."""
    if isinstance(expr, Column):
        return times.get(expr.name)
    if isinstance(expr, Call) and expr.function in ("+", "-") and isinstance(expr.args[1], Literal):
        inner = _slack(expr.args[0], times)
        shift = _microseconds(expr.args[1])
        if inner is not None and shift is not None:
            return inner - shift if expr.function == "+" else inner + shift
    return None


def _microseconds(literal: Literal) -> int | None:
    from datetime import timedelta

    if not isinstance(literal.value, timedelta):
        return None
    return literal.value // timedelta(microseconds=1)


def _window(plan: Window, below: Properties) -> Properties:
    # a row that is not late for a window has `end > w - d`
    behind = {WINDOW_END: 0, WINDOW_TIME: WINDOW_TIME_US, WINDOW_START: plan.window.size_us}
    # a row lies in one window if these are back to back
    kept = below if plan.window.kind == "tumbling" else replace(below, unique=frozenset())
    return _bounded(plan.column, below, behind, kept)


def _bounded(column: str, below: Properties, behind: dict[str, int], kept: Properties) -> Properties:
    """Rows with the bounds of windows on a column, each so far behind it, beside what is kept."""
    times, punctual = dict(kept.times), dict(kept.punctual)
    slack = below.times.get(column)
    if slack is not None:
        lag = below.lag(column, slack)
        times |= {name: slack + by for name, by in behind.items()}
        punctual |= {name: lag + by for name, by in behind.items()} if lag != slack else {}
    closed = below.is_final if slack is not None else below.is_bounded and not below.is_updating
    windows = (*kept.windows, _ADDED) if closed else kept.windows
    return replace(kept, times=times, keys=frozenset(), windows=windows, punctual=punctual)


def _session(plan: SessionWindow, below: Properties) -> Properties:
    # a session closes at `w - d > end`, so that rows of one that ends at `w - d` may still follow; when
    # the rows of a session began, nothing says; rows wait for its end, also those of keys that have closed
    behind = {WINDOW_END: 1, WINDOW_TIME: 1 + WINDOW_TIME_US}
    kept = replace(below, times={}, punctual={}, windows=(), closings=frozenset())
    return _bounded(plan.column, below, behind, kept)


def recomputes(plan: Over) -> bool:
    """Whether the step keeps its aggregates up to date, and does not go by time."""
    return bool(plan.keys) or plan.frame.looks_ahead or properties(plan.input).is_updating


def closing_window(plan: GroupBy) -> WindowColumns | None:
    """The columns among the keys of the window that the step emits when time has passed its end."""
    return _window_among(plan.keys, properties(plan.input))


def window_slack(window: WindowColumns, found: Properties) -> int:
    """How far the end of a window may lag behind the watermark; the end of the input where nothing says."""
    return min((found.times[n] for n in window.ends if n in found.times), default=UNTIL_END)


def window_lag(window: WindowColumns, found: Properties) -> int | None:
    """How far its end may lag in rows that are in time; None: the window is emitted once, and stays."""
    if not found.is_updating and window.ends.isdisjoint(found.punctual):
        return None
    return min(found.lag(n, UNTIL_END) for n in window.ends)


def _window_among(names: Iterable[str], found: Properties) -> WindowColumns | None:
    """The window that some columns tell apart; of several the one that is complete first."""
    wanted = frozenset(names)
    whole = [(window_slack(w, found), w.among(wanted)) for w in found.windows]
    return min((p for p in whole if p[1].is_whole), key=lambda p: p[0], default=(0, None))[1]


def _group_by(plan: GroupBy, below: Properties) -> Properties:
    keys = frozenset([frozenset(plan.keys)])
    window = closing_window(plan)
    if window is None:
        return Properties(below.is_bounded, is_updating=True, keys=keys)
    return _of_windows(below, keys, window)


def _of_windows(below: Properties, keys: frozenset[frozenset[str]], window: WindowColumns) -> Properties:
    """What a step is like that emits windows when their time has passed."""
    corrects = window_lag(window, below) is not None
    times, punctual = _times_of(window, below.times), _times_of(window, below.punctual)
    return Properties(below.is_bounded, corrects, times, keys, (window,), punctual, settles=corrects)


def _times_of(window: WindowColumns, held: dict[str, int]) -> dict[str, int]:
    """The times of a window; others may lie far behind the watermark when rows have waited for its end."""
    return {n: s for n, s in held.items() if n in window.bounds}


def _rank(plan: Rank, below: Properties) -> Properties:
    keys: frozenset[frozenset[str]] = frozenset()
    if plan.kind == "row_number" and plan.output is not None:
        keys = frozenset([frozenset((*plan.partition, plan.output))])
    elif plan.kind == "row_number" and plan.limit == 1:
        keys = frozenset([frozenset(plan.partition)])
    window = ranked_window(plan)
    if window is None:
        return Properties(below.is_bounded, is_updating=True, keys=keys)
    return _of_windows(below, keys, next(w for w in below.windows if window.meet(w) == window))


def ranked_window(plan: Rank) -> WindowColumns | None:
    """The columns of the window whose rows the step numbers when time has passed its end."""
    return _window_among(plan.partition, properties(plan.input))


def late_of_join(plan: Join, port: int) -> Behind | None:
    """The rows of an input of a join that come too late; None where no row can be."""
    late = join_bounds(plan)[port].late
    below = plan.inputs[port]
    return None if late is None else Behind(below, late.column, properties(below).times[late.column])
