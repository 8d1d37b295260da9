"""Say what a plan's output is like over time.

For every node: whether it ends, whether rows may be retracted, its unique keys, and which columns
are event times and how far they may lag behind the watermark (their *slack*).

A column has slack d (microseconds) if every future row that is not late has `column >= w - d`. The
source has slack 0; constants shift it; a closed window's end has the slack of its input. Where rows are
allowed to be late, the slack is that much greater; how far rows lag that are in time is kept beside it, so
that windows can be emitted then and corrected afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import polars as pl

from thalweg.base.schema import STAMP
from thalweg.expr.nodes import Call, Column, Expr, Literal
from thalweg.plan.as_of import AsOfJoin
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
from thalweg.plan.time_bounds import SideBound, output_times, side_bounds

WINDOW_TIME_US = 1000
"""`window_time` is one millisecond before the window's end, as in Flink."""


def bound_types(time: pl.DataType) -> dict[str, pl.DataType]:
    """The types of a window's columns, over rows whose time has this type: its bounds are local times."""
    local = pl.Datetime("us") if isinstance(time, pl.Datetime) else time
    return {WINDOW_START: local, WINDOW_END: local, WINDOW_TIME: time}


UNTIL_END = 1 << 61
"""The slack of a time that nothing is known about: bounded input, whose windows close at its end."""


@dataclass(frozen=True)
class Properties:
    """What is known of a node's output.

    Attributes:
        is_bounded: whether it ends.
        is_updating: whether rows may be retracted.
        times: slack in microseconds of each event time column.
        punctual: the same without the lateness that is allowed, where some is.
        keys: sets of columns that are unique at every cut.
        windows: whether rows carry a window as `window_start` and `window_end` on an input that is final, or
            becomes so.
        settles: whether rows that are taken back keep to the slack too, so that the past becomes final.
        unique: sets of columns in which no two rows ever agree, as the user has declared.
        closings: when rows with the same key can come no more.
    """

    is_bounded: bool
    is_updating: bool = False
    times: dict[str, int] = field(default_factory=dict)
    keys: frozenset[frozenset[str]] = frozenset()
    windows: bool = False
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


@lru_cache(maxsize=4096)
def properties(plan: Plan) -> Properties:
    """The properties of a plan."""
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
        return Properties(left.is_bounded, True) if left.is_updating else _with(left, keys=frozenset())
    if isinstance(plan, Join):
        return _join(plan, below[0], below[1])
    if isinstance(plan, AsOfJoin):
        return _as_of_join(plan, below[0], below[1])
    assert len(below) == 1, "every other node has one input"
    return _unary(plan, below[0])


def reads_endless(plan: Plan) -> bool:
    """Whether some source below never ends; the plan may end all the same, after a LIMIT."""
    if isinstance(plan, Scan):
        return not plan.source.is_bounded
    if isinstance(plan, LookupJoin):
        return reads_endless(plan.left)
    return any(reads_endless(below) for below in plan.inputs)


def can_replay(plan: Plan) -> bool:
    """Whether the plan's rows can be read more than once."""
    if isinstance(plan, Scan):
        return plan.source.replay != "none"
    return all(can_replay(below) for below in plan.inputs)


def _unary(plan: Plan, below: Properties) -> Properties:
    if isinstance(plan, AssignWatermark):
        punctual = {**below.punctual, plan.column: 0} if plan.lateness_us else below.punctual
        times = {**below.times, plan.column: plan.lateness_us}
        return _with(below, times=times, punctual=punctual)
    if isinstance(plan, Project):
        return _project(plan, below)
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
    if isinstance(plan, Limit):
        # a row of an earlier split displaces one of a later split, whenever it comes, until there are enough
        return Properties(is_bounded=True, is_updating=True, times=below.times)
    if isinstance(plan, MapBatches):
        return Properties(below.is_bounded, below.is_updating)
    if isinstance(plan, (Late, Behind, BadRows)):
        return Properties(below.is_bounded)
    if isinstance(plan, Explode):
        times = {k: v for k, v in below.times.items() if k != plan.column}
        changes = {"times": times, "punctual": _sooner(times, below.punctual)}
        return _with(below, keys=frozenset(), unique=frozenset(), closings=frozenset(), **changes)
    if isinstance(plan, DeclaredKey):
        if below.is_updating:
            # a row that changes is another row with the same key
            return below
        return _with(below, unique=below.unique | {frozenset(plan.columns)})
    assert isinstance(plan, (Filter, Write)), f"no rule for {type(plan).__name__}"
    return below


def _clock(plan: Scan | Values) -> dict[str, int]:
    """When a row was read, where that is the watermark of its source."""
    return {STAMP: 0} if plan.stamp == "clock" else {}


def _with(below: Properties, **changes: object) -> Properties:
    from dataclasses import replace

    return replace(below, **changes)  # type: ignore[arg-type]  # names are the dataclass's own


def _union(below: list[Properties]) -> Properties:
    known = [name for name in below[0].times if all(name in b.times for b in below)]
    times = {name: max(b.times[name] for b in below) for name in known}
    return Properties(
        is_bounded=all(b.is_bounded for b in below),
        is_updating=any(b.is_updating for b in below),
        times=times,
        windows=all(b.windows for b in below),
        punctual=_sooner(times, {name: max(b.lag(name, 0) for b in below) for name in known}),
        settles=all(b.is_final for b in below),
    )


def _sooner(times: Mapping[str, int], lags: Mapping[str, int]) -> dict[str, int]:
    """The lags of rows that are in time, where they differ from the slack."""
    return {name: lag for name, lag in lags.items() if name in times and lag != times[name]}


def _lags(below: Properties) -> dict[str, int]:
    """The lag of each event time in rows that are in time."""
    return {**below.times, **below.punctual}


def join_bounds(plan: Join) -> tuple[SideBound, SideBound]:
    """For how long the rows of both inputs can find partners; for ever, if any may yet be taken back."""
    left, right = (properties(p) for p in plan.inputs)
    if not (left.is_final and right.is_final) or isinstance(plan, LookupJoin):
        return SideBound(), SideBound()
    return side_bounds(plan, left.times, right.times)


def emits_once(plan: Join) -> bool:
    """Whether rows without a partner are emitted when time says that they never get one, and stay."""
    if any(properties(p).is_updating for p in plan.inputs) or plan.kind in ("inner", "semi"):
        return False
    bounds = join_bounds(plan)
    judged = {"left": bounds[:1], "anti": bounds[:1], "right": bounds[1:]}.get(plan.kind, bounds)
    return all(bound.until is not None for bound in judged)


def _join(plan: Join, left: Properties, right: Properties) -> Properties:
    """A partner may come at any time: rows without one may change until then."""
    stays = plan.kind in ("inner", "semi") or emits_once(plan)
    changes = left.is_updating or right.is_updating or not stays
    keys = left.keys if plan.kind in ("semi", "anti") else frozenset()
    # pairs are emitted when their second row comes; everything else waits for a cut, behind the watermark
    is_timed = plan.kind == "inner" and not changes
    times = output_times(plan, left.times, right.times) if is_timed else {}
    lags = output_times(plan, _lags(left), _lags(right)) if is_timed else {}
    windows = left.windows and {WINDOW_START, WINDOW_END} <= times.keys()
    is_bounded = left.is_bounded and right.is_bounded
    found = Properties(is_bounded, changes, times, keys, windows, _sooner(times, lags))
    if plan.kind in ("semi", "anti"):
        return _with(found, unique=left.unique)
    if not is_timed:
        return found
    # of rows that stay, what is unique at every cut is so over all time
    unique = [side.keys | side.unique for side in (left, right)]
    return _with(found, closings=closings_of_pairs(plan, unique, join_bounds(plan)))


def as_of_slacks(plan: AsOfJoin) -> tuple[int, int] | None:
    """How far the times of both inputs may lag; None if nothing is known of one of them."""
    left, right = (properties(p).times.get(n) for p, n in zip(plan.inputs, plan.times, strict=True))
    return None if left is None or right is None else (left, right)


def _as_of_join(plan: AsOfJoin, left: Properties, right: Properties) -> Properties:
    # rows are held back until the watermark passes this one of their times
    slacks = as_of_slacks(plan)
    times = {} if slacks is None else {plan.times[0]: max(slacks)}
    return Properties(left.is_bounded and right.is_bounded, False, times, left.keys)


def _project(plan: Project, below: Properties) -> Properties:
    times: dict[str, int] = {}
    lags: dict[str, int] = {}
    renamed: dict[str, set[str]] = {}
    for item in plan.items:
        slack = _slack(item.expr, below.times)
        lag = _slack(item.expr, _lags(below))
        if slack is not None and lag is not None:
            times[item.name], lags[item.name] = slack, lag
        if isinstance(item.expr, Column):
            renamed.setdefault(item.expr.name, set()).add(item.name)
    keys = _renamed(below.keys, renamed)
    kept = all(n in renamed and n in renamed[n] for n in (WINDOW_START, WINDOW_END))
    return _with(
        below,
        times=times,
        keys=keys,
        windows=below.windows and kept,
        punctual=_sooner(times, lags),
        unique=_renamed(below.unique, renamed),
        closings=projected(below.closings, renamed),
    )


def _renamed(keys: frozenset[frozenset[str]], renamed: dict[str, set[str]]) -> frozenset[frozenset[str]]:
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
    return _bounded(plan.column, below, behind, dict(below.times), dict(below.punctual))


def _bounded(
    column: str, below: Properties, behind: dict[str, int], times: dict[str, int], punctual: dict[str, int]
) -> Properties:
    """Rows with the bounds of windows on a column, each so far behind it."""
    slack = below.times.get(column)
    if slack is not None:
        lag = below.lag(column, slack)
        times |= {name: slack + by for name, by in behind.items()}
        punctual |= {name: lag + by for name, by in behind.items()} if lag != slack else {}
    closed = below.is_final if slack is not None else below.is_bounded and not below.is_updating
    return Properties(
        below.is_bounded, below.is_updating, times, windows=closed, punctual=punctual, settles=below.settles
    )


def _session(plan: SessionWindow, below: Properties) -> Properties:
    # a session closes at `w - d > end`, so that rows of one that ends at `w - d` may still follow; when
    # the rows of a session began, nothing says
    return _bounded(plan.column, below, {WINDOW_END: 1, WINDOW_TIME: 1 + WINDOW_TIME_US}, {}, {})


def recomputes(plan: Over) -> bool:
    """Whether the step keeps its aggregates up to date, and does not go by time."""
    return bool(plan.keys) or properties(plan.input).is_updating


def closes_windows(plan: GroupBy) -> bool:
    """Whether the step emits windows when event time has passed their end."""
    below = properties(plan.input)
    return below.windows and {WINDOW_START, WINDOW_END} <= set(plan.keys)


def corrects_windows(below: Properties) -> bool:
    """Whether windows over such rows may have to be corrected after they were emitted."""
    return below.is_updating or WINDOW_END in below.punctual


def punctual_lag(below: Properties) -> int | None:
    """How far the end of windows may lag in rows that are in time; None: windows are emitted once."""
    return below.lag(WINDOW_END, UNTIL_END) if corrects_windows(below) else None


def _group_by(plan: GroupBy, below: Properties) -> Properties:
    keys = frozenset([frozenset(plan.keys)])
    if not closes_windows(plan):
        return Properties(below.is_bounded, is_updating=True, keys=keys)
    return _of_windows(below, keys, set(plan.keys))


def _of_windows(below: Properties, keys: frozenset[frozenset[str]], names: set[str]) -> Properties:
    """What a step is like that emits windows when their time has passed."""
    corrects = corrects_windows(below)
    times, punctual = (
        {n: s for n, s in held.items() if n in names} for held in (below.times, below.punctual)
    )
    return Properties(below.is_bounded, corrects, times, keys, True, punctual, settles=corrects)


def _rank(plan: Rank, below: Properties) -> Properties:
    keys: frozenset[frozenset[str]] = frozenset()
    if plan.kind == "row_number" and plan.output is not None:
        keys = frozenset([frozenset((*plan.partition, plan.output))])
    elif plan.kind == "row_number" and plan.limit == 1:
        keys = frozenset([frozenset(plan.partition)])
    if ranks_windows(plan):
        return _of_windows(below, keys, set(below.times))
    return Properties(below.is_bounded, is_updating=True, keys=keys)


def ranks_windows(plan: Rank) -> bool:
    """Whether the step numbers the rows of windows when their time has passed."""
    return properties(plan.input).windows and {WINDOW_START, WINDOW_END} <= set(plan.partition)


def late_of_join(plan: Join, port: int) -> Behind | None:
    """The rows of an input of a join that come too late; None where no row can be."""
    late = join_bounds(plan)[port].late
    below = plan.inputs[port]
    return None if late is None else Behind(below, late.column, properties(below).times[late.column])
