"""Say what a plan must give, row by row, in plain Python: no columns, no state, no cuts.

Written from the design's sections 2 and 3, not from the engine: rows carry their place and the watermark
that their split had before them, every step is a loop, and the result is the final table. Batch mode
accepts every row (`judges=False`).

Not here: changes over time; a prefix of the input has a result like any other input.
"""

from __future__ import annotations

import itertools
import operator as op
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

import polars as pl

from tests.property.as_of_plans import with_latest
from tests.property.columns import is_placed, ordered_columns
from tests.property.recording import Table, canonical
from tests.property.reference_order import R, compare, is_within, sortable
from tests.property.reference_values import of_values
from thalweg.expr.nodes import Aggregate, Call, Cast, Column, Expr, Literal, PythonCall
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.keys import DeclaredKey
from thalweg.plan.late import Behind
from thalweg.plan.nodes import (
    AssignWatermark,
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
)
from thalweg.plan.over import RANKED, Over
from thalweg.plan.pairs import pairs_below
from thalweg.plan.properties import properties, recomputes
from thalweg.progress.windows import WindowSpec

EPOCH = datetime(1970, 1, 1)
_BINARY = {
    "<": op.lt,
    ">": op.gt,
    "<=": op.le,
    ">=": op.ge,
    "=": op.eq,
    "<>": op.ne,
    "+": op.add,
    "-": op.sub,
}
_BEHIND = {"window_start": timedelta(0), "window_end": timedelta(0), "window_time": timedelta(milliseconds=1)}
Frames = Sequence[pl.DataFrame]


class Reference:
    """The results of plans that are run together.

    Args:
        roots: the plans.
        judges: whether rows can be late, as in a stream.
        frames: other rows for some sources, by the identity of the source.
        has_ended: whether no row will follow.
    """

    def __init__(
        self,
        roots: Iterable[Plan],
        *,
        judges: bool,
        frames: Mapping[int, Frames] | None = None,
        has_ended: bool = True,
    ) -> None:
        self._judges, self._frames, self._has_ended = judges, frames or {}, has_ended
        self._numbers: dict[int, int] = {}
        self._made: dict[int, list[R]] = {}
        self._roots = list(roots)
        for root in sorted(self._roots, key=_reads_late):
            self._number(root)

    def tables(self) -> list[Table]:
        """The final table of each root."""
        return [self.table(root) for root in self._roots]

    def table(self, plan: Plan) -> Table:
        """The final table of a plan."""
        names = plan.schema.names
        return Counter(tuple(canonical(r.values[n]) for n in names) for r in self.rows(plan))

    def _number(self, plan: Plan) -> None:
        """Sources are numbered in the order in which they are first met."""
        if isinstance(plan, (Scan, Values)):
            self._numbers.setdefault(_key(plan), len(self._numbers))
        for below in plan.inputs:
            self._number(below)

    def rows(self, plan: Plan) -> list[R]:
        """The rows of a plan."""
        if id(plan) not in self._made:
            self._made[id(plan)] = self._rows(plan)
        return self._made[id(plan)]

    def _rows(self, plan: Plan) -> list[R]:
        if isinstance(plan, (Scan, Values)):
            return self._read(plan)
        if isinstance(plan, Union):
            together = [r for p in plan.parts for r in self.rows(p)]
            return together if _is_placed(plan) else [replace(r, place=None) for r in together]
        if isinstance(plan, Late):
            assert isinstance(plan.input, (SessionWindow, Window)), "late rows leave a window"
            return [self._late(r, s, e) for r, s, e, late in self._pairs(plan.input) if late]
        if isinstance(plan, Behind):
            return self._behind(plan, self.rows(plan.input))
        if isinstance(plan, (SessionWindow, Window)):
            pairs = self._pairs(plan)
            if isinstance(plan, SessionWindow):
                return _sessions(plan, [r for r, _, _, late in pairs if not late])
            return [_windowed(r, s, e) for r, s, e, late in pairs if not late]
        if isinstance(plan, Join):
            return _join(plan, *(self._on_time(plan, p, self.rows(p)) for p in plan.inputs))
        if isinstance(plan, AsOfJoin):
            return self._as_of_join(plan)
        below = self.rows(plan.inputs[0])
        if isinstance(plan, Over):
            return _over(plan, below if recomputes(plan) else self._not_behind(plan.input, plan.order, below))
        if isinstance(plan, GroupBy) and not plan.keys and not below and not self._has_ended:
            return []
        return _unary(plan, below)

    def _read(self, plan: Scan | Values) -> list[R]:
        frames: Frames = [plan.frame] if isinstance(plan, Values) else plan.source.frames  # type: ignore[attr-defined]
        number = self._numbers[_key(plan)]
        return [
            R(values, (number, split, offset))
            for split, frame in enumerate(self._frames.get(_key(plan), frames))
            for offset, values in enumerate(frame.to_dicts())
            if not (isinstance(plan, Scan) and plan.is_tolerant and values["t"] is None)
        ]

    def _pairs(self, plan: SessionWindow | Window) -> list[tuple[R, datetime, datetime, bool]]:
        """Every (row, window), and whether it is late; of a session, the one that the row makes alone."""
        slack = _slack(plan.input, plan.column)
        found = []
        for row in self.rows(plan.input):
            if isinstance(plan, SessionWindow):
                time = row.values[plan.column]
                judged = self._judges and row.before is not None and slack is not None
                late = judged and time < row.before - slack  # type: ignore[operator]  # judged says both
                found.append((row, time, time + timedelta(microseconds=plan.window.gap_us), late))
                continue
            for start, end in windows(plan.window, row.values[plan.column]):
                judged = self._judges and row.before is not None and slack is not None
                late = judged and end <= row.before - slack  # type: ignore[operator]  # judged says both
                found.append((row, start, end, late))
        return found

    def _on_time(self, plan: Join, side: Plan, below: list[R]) -> list[R]:
        """The rows of one side that are not late, where they must be near rows of the other one in time."""
        if plan.first is not None or not self._judges or not all(properties(p).is_final for p in plan.inputs):
            return below
        for x, y in ordered_columns(plan.residual):
            slack = _slack(side, x) if x in side.schema and y not in side.schema else None
            if slack is not None:
                return self._not_behind(side, x, below)
        return below

    def _as_of_join(self, plan: AsOfJoin) -> list[R]:
        sides = [(p, n, self.rows(p)) for p, n in zip(plan.inputs, plan.times, strict=True)]
        judged = all(_slack(p, n) is not None for p, n, _ in sides)
        left, right = (self._not_behind(*s) if judged else s[2] for s in sides)
        right = sorted(right, key=lambda r: (r.place or (), sortable(r)), reverse=plan.takes_first)
        values = ([r.values for r in left], [r.values for r in right])
        return [R(r) for r in with_latest(plan, *values, lambda e, r: value(e, R(r)) is True)]

    def _not_behind(self, plan: Plan, column: str, below: list[R]) -> list[R]:
        """The rows of a plan that are not late by a time column, where lateness is known."""
        slack = _slack(plan, column)
        if not self._judges or slack is None:
            return below
        return [r for r in below if r.before is None or r.values[column] >= r.before - slack]

    def _behind(self, plan: Behind, below: list[R]) -> list[R]:
        """The rows that are late by a time column."""
        punctual = self._not_behind(plan.input, plan.column, below)
        late = [r for r in below if not any(r is p for p in punctual)]
        return [r.having(**_place(r)) for r in late if r.values[plan.column] is not None]

    def _late(self, row: R, start: datetime, end: datetime) -> R:
        return row.having(window_start=start, window_end=end, **_place(row))


def _place(row: R) -> dict[str, Any]:
    """The split and the position that late rows are reported with."""
    split, position = (None, None) if row.place is None else (str(row.place[1]), row.place[2])
    return {"split": split, "position": position}


def _key(plan: Scan | Values) -> int:
    return id(plan.source) if isinstance(plan, Scan) else plan.key


def _reads_late(plan: Plan) -> bool:
    return isinstance(plan, Late) or any(_reads_late(p) for p in plan.inputs)


def _is_placed(plan: Plan) -> bool:
    """Whether all rows of a plan have the position of a source row."""
    if isinstance(plan, (GroupBy, Join, AsOfJoin, MapBatches)):
        return False
    return all(_is_placed(p) for p in plan.inputs)


def _unary(plan: Plan, below: list[R]) -> list[R]:
    if isinstance(plan, AssignWatermark):
        return _watermarked(plan, below)
    if isinstance(plan, DeclaredKey):
        return below
    if isinstance(plan, Project):
        return [replace(r, values={i.name: value(i.expr, r) for i in plan.items}) for r in below]
    if isinstance(plan, Filter):
        return [r for r in below if value(plan.condition, r) is True]
    if isinstance(plan, Explode):
        return [r.having(**{plan.column: x}) for r in below for x in r.values[plan.column] or ()]
    if isinstance(plan, MapBatches):
        kept = [r for r in below if _passes_map(plan, r)]
        return [replace(r, place=None, before=None) for r in kept]
    if isinstance(plan, GroupBy):
        return _group(plan, below)
    if isinstance(plan, Rank):
        return _rank(plan, below)
    assert isinstance(plan, Limit), f"no reference for {type(plan).__name__}"
    first = sorted(below, key=lambda r: (r.place, sortable(r)))
    return first[plan.offset : plan.offset + plan.count]


def _watermarked(plan: AssignWatermark, below: list[R]) -> list[R]:
    """The running maximum over each split, row by row; ordered splits begin where the one before ended."""
    marks: dict[Any, datetime] = {}
    assert isinstance(plan.input, Scan), "a watermark is declared right after reading"
    done = []
    for row in below:
        split = None if plan.input.source.is_ordered or row.place is None else row.place[:2]
        done.append(replace(row, before=marks.get(split)))
        mark = value(plan.watermark, row)
        marks[split] = max(mark, marks.get(split, mark))
    return done


def _slack(plan: Plan, column: str) -> timedelta | None:
    """How far a column may lie behind the watermark of its row's split; None where nothing is known."""
    if isinstance(plan, AssignWatermark):
        return timedelta(microseconds=plan.lateness_us) if column == plan.column else None
    if isinstance(plan, Project):
        expr = next(i.expr for i in plan.items if i.name == column)
        return _shifted(expr, plan.input)
    if isinstance(plan, Union):
        found = [_slack(p, column) for p in plan.parts]
        return None if None in found else max(found)  # type: ignore[type-var]  # no None is left
    if isinstance(plan, SessionWindow):
        below = _slack(plan.input, plan.column) if column in ("window_end", "window_time") else None
        return None if below is None else below + _BEHIND[column] + timedelta(microseconds=1)
    if isinstance(plan, Window) and column in _BEHIND:
        below = _slack(plan.input, plan.column)
        size = timedelta(microseconds=plan.window.size_us)
        return None if below is None else below + (size if column == "window_start" else _BEHIND[column])
    if isinstance(plan, (DeclaredKey, Filter, Window, Explode)):
        return _slack(plan.inputs[0], column)
    return None


def _shifted(expr: Expr, below: Plan) -> timedelta | None:
    """The slack of a time from which a constant was taken."""
    if isinstance(expr, Column):
        return _slack(below, expr.name)
    if isinstance(expr, Call) and expr.function == "-" and isinstance(expr.args[1], Literal):
        found = _shifted(expr.args[0], below)
        return None if found is None else found + expr.args[1].value
    return None


def windows(spec: WindowSpec, time: datetime) -> list[tuple[datetime, datetime]]:
    """Every window that holds the time, found by walking along the axis."""
    at = (time - EPOCH) // timedelta(microseconds=1)
    step = spec.size_us if spec.kind == "cumulating" else spec.slide_us
    start = spec.offset_us + (at - spec.offset_us - spec.size_us) // step * step
    found = []
    while start <= at:
        sizes = range(spec.slide_us, spec.size_us + 1, spec.slide_us)
        for size in sizes if spec.kind == "cumulating" else [spec.size_us]:
            if start <= at < start + size:
                found.append((_moment(start), _moment(start + size)))
        start += step
    return found


def _sessions(plan: SessionWindow, below: list[R]) -> list[R]:
    """The rows of each key in the order of their times, cut where there are none for longer than the gap."""
    gap = timedelta(microseconds=plan.window.gap_us)
    keyed: dict[Any, list[R]] = {}
    for row in sorted(below, key=lambda r: r.values[plan.column]):
        keyed.setdefault(canonical([row.values[k] for k in plan.window.partition]), []).append(row)
    done = []
    for rows in keyed.values():
        times = [r.values[plan.column] for r in rows]
        cuts = [0, *(i for i in range(1, len(rows)) if times[i] - times[i - 1] > gap), len(rows)]
        for first, end in itertools.pairwise(cuts):
            done += [_windowed(r, times[first], times[end - 1] + gap) for r in rows[first:end]]
    return done


def _moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def _windowed(row: R, start: datetime, end: datetime) -> R:
    return row.having(window_start=start, window_end=end, window_time=end - timedelta(milliseconds=1))


def _passes_map(plan: MapBatches, row: R) -> bool:
    numbers = [n for n, t in plan.schema.polars.items() if t == pl.Int64]
    return not numbers or row.values[numbers[0]] is None or row.values[numbers[0]] % 3 != 0


def _join(plan: Join, left: list[R], right: list[R]) -> list[R]:
    """Every pair tried, but for those whose keys differ."""
    found, matched = [], (set[int](), set[int]())
    by_key: dict[tuple[Any, ...], list[tuple[int, R]]] = {}
    for j, other in enumerate(right):
        by_key.setdefault(tuple(other.values[b] for _, b in plan.keys), []).append((j, other))
    for i, row in enumerate(left):
        key = tuple(row.values[a] for a, _ in plan.keys)
        for j, other in [] if None in key else by_key.get(key, []):
            both = None if row.place is None or other.place is None else (row.place, other.place)
            pair = R({**row.values, **other.values}, pair=both, before=_carried(plan, row, other))
            if plan.residual is None or value(plan.residual, pair) is True:
                found.append(pair)
                matched[0].add(i)
                matched[1].add(j)
    if plan.kind in ("semi", "anti"):
        kept = [r for i, r in enumerate(left) if (i in matched[0]) == (plan.kind == "semi")]
        return [R(r.values, before=_carried(plan, r, None)) for r in kept]
    missing = [dict.fromkeys(p.schema.names) for p in plan.inputs]
    if plan.kind in ("left", "full"):
        alone = [r for i, r in enumerate(left) if i not in matched[0]]
        found += [R({**r.values, **missing[1]}, before=_carried(plan, r, None)) for r in alone]
    if plan.kind in ("right", "full"):
        found += [R({**missing[0], **r.values}) for j, r in enumerate(right) if j not in matched[1]]
    return found


def _carried(plan: Join, left: R, right: R | None) -> datetime | None:
    """Rows that pass an input that was read before carry on what says that they are late."""
    passing = {"left": right, "right": left}.get(plan.first or "")
    return None if passing is None else passing.before


# Expressions and aggregates ------------------------------------------------------------------------------


def value(expr: Expr, row: R) -> Any:
    """The value of an expression, by SQL's three-valued logic."""
    if isinstance(expr, Column):
        return row.values[expr.name]
    if isinstance(expr, Literal):
        return expr.value
    if isinstance(expr, Cast):
        made = value(expr.arg, row)
        return None if made is None else Decimal(made)
    if isinstance(expr, PythonCall):
        expr = Call("+", expr.args)
    assert isinstance(expr, Call), f"no reference for {expr}"
    if expr.function == "case":
        condition, yes, no = expr.args
        return value(yes if value(condition, row) is True else no, row)
    args = [value(a, row) for a in expr.args]
    if expr.function == "is_null":
        return args[0] is None
    if expr.function == "and":
        return False if False in args else None if None in args else True
    if expr.function == "or":
        return True if True in args else None if None in args else False
    if None in args:
        return None
    return _BINARY[expr.function](*args)


def _group(plan: GroupBy, below: list[R]) -> list[R]:
    groups: dict[tuple[Any, ...], list[R]] = {} if plan.keys else {(): []}
    for row in below:
        groups.setdefault(tuple(canonical(row.values[k]) for k in plan.keys), []).append(row)
    done, by_place = [], is_placed(plan.input)
    for rows in groups.values():
        made = {a.name: aggregate(a.expr, rows, by_place=by_place) for a in plan.aggregates}
        done.append(R({**{k: rows[0].values[k] for k in plan.keys}, **made}))
    return done


def aggregate(call: Expr, rows: list[R], *, by_place: bool = False) -> Any:
    """An aggregate over the rows of a group."""
    assert isinstance(call, Aggregate), "a grouping holds aggregates"
    if call.filter is not None:
        rows = [r for r in rows if value(call.filter, r) is True]
    if not call.args:
        return len(rows)
    kept = [(r.place or (), value(call.args[0], r)) for r in rows]
    return of_values(call, kept, by_place=by_place)


# Order -------------------------------------------------------------------------------------------------


def _rank(plan: Rank, below: list[R]) -> list[R]:
    parts: dict[tuple[Any, ...], list[R]] = {}
    for row in below:
        parts.setdefault(tuple(canonical(row.values[p]) for p in plan.partition), []).append(row)
    done = []
    for rows in parts.values():
        # of pairs of source rows, the places of both say which comes first
        has_pairs = pairs_below(plan.input) is not None
        is_turned = any(k.latest_first for k in plan.order)
        rows.sort(key=lambda r: ((r.pair if has_pairs else r.place) or (), sortable(r)), reverse=is_turned)
        rows.sort(key=cmp_to_key(lambda a, b: compare(plan.order, a, b)))
        number = 0
        for at, row in enumerate(rows, 1):
            ties = plan.kind != "row_number" and at > 1 and compare(plan.order, rows[at - 2], row) == 0
            number = number if ties else number + 1 if plan.kind == "dense_rank" else at
            if plan.limit is None or number <= plan.limit:
                done.append(row if plan.output is None else row.having(**{plan.output: number}))
    return done


def _over(plan: Over, below: list[R]) -> list[R]:
    """For each row, the rows of its partition that its frame holds, found by looking at all of them."""
    parts: dict[tuple[Any, ...], list[R]] = {}
    rows = sorted(below, key=lambda r: (r.place or (), sortable(r)))
    for row in sorted(rows, key=cmp_to_key(lambda a, b: compare(plan.sort_keys, a, b))):
        parts.setdefault(tuple(canonical(row.values[p]) for p in plan.partition), []).append(row)
    done = []
    for rows in parts.values():
        for at, row in enumerate(rows):
            if plan.frame.is_rows:
                first = 0 if plan.frame.reach is None else max(0, at - plan.frame.reach)
                last = len(rows) if plan.frame.end is None else at + plan.frame.end + 1
                held = rows[first : max(0, last)]
            else:
                held = [r for r in rows if is_within(plan, r, row)]
            made = {a.name: _of_rows(a.expr, held) for a in plan.aggregates if not _is_ranked(a.expr)}
            made |= {a.name: _ranked(plan, a.expr, rows, at) for a in plan.aggregates if _is_ranked(a.expr)}
            done.append(row.having(**made))
    return done


def _of_rows(call: Expr, rows: list[R]) -> Any:
    """An aggregate over rows in order."""
    assert isinstance(call, Aggregate), "OVER holds aggregates"
    if call.function in ("lag", "lead"):
        return rows[0].values[str(call.args[0])] if rows else None
    if call.function in ("first_value", "last_value"):
        values = [v for v in (r.values[str(call.args[0])] for r in rows) if v is not None]
        return None if not values else values[0] if call.function == "first_value" else values[-1]
    return aggregate(call, rows)


def _is_ranked(call: Expr) -> bool:
    return isinstance(call, Aggregate) and call.function in RANKED


def _ranked(plan: Over, call: Expr, rows: list[R], at: int) -> Any:
    """Where a row is among all rows of its partition."""
    assert isinstance(call, Aggregate), "OVER holds aggregates"
    if call.function == "ntile":
        (buckets,) = (a.value for a in call.args if isinstance(a, Literal))
        sizes = [len(rows) // buckets + (n < len(rows) % buckets) for n in range(buckets)]
        return next(n + 1 for n in range(buckets) if at < sum(sizes[: n + 1]))
    places = [compare(plan.sort_keys, r, rows[at]) for r in rows]
    if call.function == "cume_dist":
        return sum(p <= 0 for p in places) / len(rows)
    return sum(p < 0 for p in places) / (len(rows) - 1) if len(rows) > 1 else 0.0
