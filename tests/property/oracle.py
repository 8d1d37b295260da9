"""Ask DuckDB what a plan gives as a batch: the plan as SQL, over the same rows.

A second opinion beside reference.py, by people who never saw this engine. What DuckDB does otherwise is
rewritten here and listed in `REWRITES`; what it cannot say (positions) makes a plan `Unspeakable`.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import duckdb
import polars as pl

from tests.property.columns import is_placed
from tests.property.recording import Table, canonical
from thalweg.base.types import Decimal, Float, Integer
from thalweg.expr import aggregates
from thalweg.expr.nodes import Aggregate, Call, Column, Expr, Literal, PythonCall, conjuncts
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.keys import DeclaredKey
from thalweg.plan.nodes import (
    AssignWatermark,
    Explode,
    Filter,
    GroupBy,
    Join,
    MapBatches,
    Plan,
    Project,
    Rank,
    Scan,
    SessionWindow,
    SortKey,
    Union,
    Values,
    Window,
)
from thalweg.plan.over import RANKED, Over, reads_places
from thalweg.progress.windows import WindowSpec

REWRITES = {
    "AVG of whole numbers": "SUM // COUNT, truncated: the type stays that of the argument",
    "AVG of decimals": "SUM / COUNT in whole units of the last place, halves away from zero",
    "SUM of whole numbers": "cast back to BIGINT",
    "NaN in a join": "equal to nothing, where the planner asks it beside the key",
    "windows": "a row per window end, by UNNEST of a range",
    "a user's function": "the condition that it stands for",
}


class Unspeakable(Exception):
    """The plan has no equivalent in DuckDB's SQL."""


def ask(plan: Plan) -> Table:
    """The rows of the plan, by DuckDB.

    Raises:
        Unspeakable: rows are told apart by their position.
    """
    translation = _Translation()
    sql = f"SELECT {_names(plan)} FROM ({translation.sql(plan)})"
    for name, frame in translation.tables.items():
        translation.connection.register(name, frame)
    found = translation.connection.execute(sql).fetchall()
    return Counter(tuple(map(_plain, row)) for row in found)


def _plain(value: Any) -> object:
    return canonical(list(value)) if isinstance(value, (list, tuple)) else canonical(value)


def _names(plan: Plan) -> str:
    return ", ".join(_quoted(n) for n in plan.schema.names)


def _quoted(name: str) -> str:
    return f'"{name}"'


class _Translation:
    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.tables: dict[str, Any] = {}

    def sql(self, plan: Plan) -> str:
        """The plan as a query."""
        if isinstance(plan, (Scan, Values)):
            return self._table(plan)
        if isinstance(plan, Union):
            return " UNION ALL ".join(f"SELECT {_names(p)} FROM ({self.sql(p)})" for p in plan.parts)
        if isinstance(plan, Join):
            on = " AND ".join(f"{_quoted(a)} = {_quoted(b)}" for a, b in plan.keys) or "TRUE"
            on += "" if plan.residual is None else f" AND {_residual(plan)}"
            sides = [f"(SELECT {_names(p)} FROM ({self.sql(p)}))" for p in plan.inputs]
            return f"SELECT * FROM {sides[0]} {plan.kind.upper()} JOIN {sides[1]} ON {on}"
        if isinstance(plan, AsOfJoin):
            return self._as_of_join(plan)
        below = f"({self.sql(plan.inputs[0])})"
        if isinstance(plan, (AssignWatermark, DeclaredKey)):
            return below[1:-1]
        if isinstance(plan, Project):
            items = ", ".join(f"{_expr(i.expr)} AS {_quoted(i.name)}" for i in plan.items)
            return f"SELECT {items} FROM {below}"
        if isinstance(plan, Filter):
            return f"SELECT * FROM {below} WHERE {_expr(plan.condition)}"
        if isinstance(plan, Explode):
            name = _quoted(plan.column)
            return f"SELECT * REPLACE (UNNEST({name}) AS {name}) FROM {below}"
        if isinstance(plan, MapBatches):
            return _mapped(plan, below)
        if isinstance(plan, Window):
            return _windows(plan, below)
        if isinstance(plan, SessionWindow):
            return _sessions(plan, below)
        if isinstance(plan, GroupBy):
            return _group(plan, below)
        if isinstance(plan, Rank) and plan.kind != "row_number":
            return _rank(plan, below)
        if isinstance(plan, Over) and not reads_places(plan.frame, (a.expr for a in plan.aggregates)):
            return _over(plan, below)
        raise Unspeakable(plan.describe())

    def _as_of_join(self, plan: AsOfJoin) -> str:
        """The same join, where no two right rows tie; what else must be true is asked of what it finds."""
        mine, others = (_quoted(n) for n in plan.times)
        sides = [f"(SELECT {_names(p)} FROM ({self.sql(p)}))" for p in plan.inputs]
        if self._ties(plan, sides[1]):
            raise Unspeakable("ties are broken by position")
        right = f"(SELECT *, TRUE AS __found FROM {sides[1]} WHERE {others} IS NOT NULL)"
        on = [f"{_quoted(a)} = {_quoted(b)}" for a, b in plan.keys]
        on.append(f"{mine} {'>' if plan.is_strict else '>='} {others}")
        found = f"SELECT * FROM {sides[0]} ASOF LEFT JOIN {right} ON {' AND '.join(on)}"
        valid = ["__found IS NOT NULL"]
        if plan.alive is not None:
            valid.append(_quoted(plan.alive))
        if plan.reach is not None:
            valid.append(f"epoch_us({mine}) - epoch_us({others}) <= {plan.reach}")
        if plan.residual is not None:
            valid.append(_expr(plan.residual))
        whole = f"coalesce({' AND '.join(f'({v})' for v in valid)}, FALSE)"
        if plan.kind == "inner":
            return f"SELECT {_names(plan)} FROM ({found}) WHERE {whole}"
        names = [_quoted(n) for n in plan.left.schema.names]
        names += [f"CASE WHEN {whole} THEN {_quoted(n)} END AS {_quoted(n)}" for n in plan.right.schema.names]
        return f"SELECT {', '.join(names)} FROM ({found})"

    def _ties(self, plan: AsOfJoin, right: str) -> bool:
        by = ", ".join(_quoted(n) for n in (*(b for _, b in plan.keys), plan.times[1]))
        for name, frame in self.tables.items():
            self.connection.register(name, frame)
        sql = f"SELECT count(*) FROM (SELECT 1 FROM {right} GROUP BY {by} HAVING count(*) > 1)"
        return bool(self.connection.execute(sql).fetchall()[0][0])

    def _table(self, plan: Scan | Values) -> str:
        frames: list[Any] = [plan.frame] if isinstance(plan, Values) else list(plan.source.frames)  # type: ignore[attr-defined]
        if isinstance(plan, Scan) and plan.is_tolerant:
            frames = [f.filter(pl.col("t").is_not_null()) for f in frames]
        names = []
        for frame in frames:
            names.append(f"t{len(self.tables)}")
            self.tables[names[-1]] = frame
        return " UNION ALL ".join(f"SELECT * FROM {n}" for n in names)


def _expr(expr: Expr) -> str:
    if isinstance(expr, Column):
        return _quoted(expr.name)
    if isinstance(expr, Literal):
        if isinstance(expr.value, timedelta):
            return f"to_microseconds({expr.value // timedelta(microseconds=1)})"
        return str(expr.value)
    if isinstance(expr, PythonCall):
        expr = Call("+", expr.args)
    assert isinstance(expr, Call), f"no SQL for {expr}"
    args = [_expr(a) for a in expr.args]
    if expr.function == "case":
        return f"(CASE WHEN {args[0]} THEN {args[1]} ELSE {args[2]} END)"
    return f"({args[0]} IS NULL)" if expr.function == "is_null" else f"({args[0]} {expr.function} {args[1]})"


def _residual(plan: Join) -> str:
    """What else must be true of a pair, NaN being equal to nothing."""
    assert plan.residual is not None, "asked for before"
    types = {f.name: f.type for side in plan.inputs for f in side.schema}
    made = [_expr(plan.residual)]
    for part in conjuncts(plan.residual):
        if isinstance(part, Call) and part.function == "=":
            floats = [c for c in part.args if isinstance(c, Column) and isinstance(types[c.name], Float)]
            made += [f"NOT isnan({_expr(c)})" for c in floats]
    return " AND ".join(made)


def _mapped(plan: MapBatches, below: str) -> str:
    numbers = [f.name for f in plan.schema if isinstance(f.type, Integer)]
    if not numbers:
        return f"SELECT * FROM {below}"
    first = _quoted(numbers[0])
    return f"SELECT * FROM {below} WHERE {first} IS NULL OR {first} % 3 <> 0"


def _windows(plan: Window, below: str) -> str:
    """A row for every window: first those that end soonest."""
    w, time = plan.window, f"epoch_us({_quoted(plan.column)})"
    ends = f"UNNEST(range({_first_end(w, time)}, {_last_end(w, time)} + 1, {w.slide_us}))"
    start = (
        f"{_floor('__end - 1', w.size_us, w.offset_us)}" if w.kind == "cumulating" else f"__end - {w.size_us}"
    )
    bounds = {"window_start": start, "window_end": "__end", "window_time": "__end - 1000"}
    made = ", ".join(f"make_timestamp({value}) AS {name}" for name, value in bounds.items())
    return f"SELECT * EXCLUDE (__end), {made} FROM (SELECT *, {ends} AS __end FROM {below})"


def _sessions(plan: SessionWindow, below: str) -> str:
    """Rows are numbered by how many gaps lie before them; numbers tell the sessions of a key apart."""
    time, keys = f"epoch_us({_quoted(plan.column)})", [_quoted(k) for k in plan.window.partition]
    by = f"PARTITION BY {', '.join(keys)} " if keys else ""
    gap = plan.window.gap_us
    lagged = f"SELECT *, {time} - lag({time}) OVER ({by}ORDER BY {time}) > {gap} AS __cut FROM {below}"
    cuts = f"sum(CASE WHEN __cut THEN 1 ELSE 0 END) OVER ({by}ORDER BY {time})"
    counted = f"SELECT *, {cuts} AS __nth FROM ({lagged})"
    of = f"OVER (PARTITION BY {', '.join([*keys, '__nth'])})"
    end = f"max({time}) {of} + {gap}"
    bounds = {"window_start": f"min({time}) {of}", "window_end": end, "window_time": f"{end} - 1000"}
    made = ", ".join(f"make_timestamp({value}) AS {name}" for name, value in bounds.items())
    return f"SELECT * EXCLUDE (__cut, __nth), {made} FROM ({counted})"


def _floor(value: str, step: int, origin: int) -> str:
    """The greatest multiple of the step, counted from the origin, that is not after a value."""
    return f"({value} - ((({value}) - {origin}) % {step} + {step}) % {step})"


def _first_end(w: WindowSpec, time: str) -> str:
    return f"{_floor(time, w.slide_us, w.offset_us + w.size_us)} + {w.slide_us}"


def _last_end(w: WindowSpec, time: str) -> str:
    step = w.size_us if w.kind == "cumulating" else w.slide_us
    return f"{_floor(time, step, w.offset_us)} + {w.size_us}"


def _group(plan: GroupBy, below: str) -> str:
    keys = [_quoted(k) for k in plan.keys]
    made = [f"{_aggregate(a.expr, plan.input)} AS {_quoted(a.name)}" for a in plan.aggregates]
    by = f" GROUP BY {', '.join(keys)}" if keys else ""
    return f"SELECT {', '.join(keys + made)} FROM {below}{by}"


def _over(plan: Over, below: str) -> str:
    by = f"PARTITION BY {', '.join(map(_quoted, plan.partition))} " if plan.partition else ""
    # rows that tie see each other, whatever the order
    first, last = _bound(plan.frame.reach, "PRECEDING"), _bound(plan.frame.end, "FOLLOWING")
    order = ", ".join(_ordered(k) for k in plan.sort_keys)
    whole = f" OVER ({by}ORDER BY {order})"
    over = f" OVER ({by}ORDER BY {order} RANGE BETWEEN {first} AND {last})" if order else f" OVER ({by})"
    made = []
    for item in plan.aggregates:
        assert isinstance(item.expr, Aggregate), "OVER holds aggregates"
        name = item.expr.function
        call = f"{name}(){whole}" if name in RANKED else _aggregate(item.expr, plan.input, over)
        made.append(f"{call} AS {_quoted(item.name)}")
    return f"SELECT *, {', '.join(made)} FROM {below}"


def _bound(far: int | None, way: str) -> str:
    if not far:
        return f"UNBOUNDED {way}" if far is None else "CURRENT ROW"
    other = {"PRECEDING": "FOLLOWING", "FOLLOWING": "PRECEDING"}[way]
    return f"to_microseconds({abs(far)}) {way if far > 0 else other}"


def _aggregate(expr: Expr, below: Plan, over: str = "") -> str:
    assert isinstance(expr, Aggregate), "a grouping holds aggregates"
    tail = over if expr.filter is None else f" FILTER (WHERE {_expr(expr.filter)}){over}"
    if not expr.args:
        return f"COUNT(*){tail}"
    name, column = _expr(expr.args[0]), expr.args[0]
    assert isinstance(column, Column), "the calls made here are over columns"
    if aggregates.lookup(expr.function).is_ordered:
        return _list(expr, name, below) + tail
    held = below.schema.type_of(column.name)
    arg = f"DISTINCT {name}" if expr.distinct else name
    if isinstance(held, Decimal) and expr.function == "avg":
        return _decimal_average(f"SUM({arg}){tail}", f"COUNT({arg}){tail}", held)
    if isinstance(held, Integer) and expr.function == "sum":
        return f"CAST(SUM({arg}){tail} AS BIGINT)"
    if isinstance(held, Integer) and expr.function == "avg":
        total, count = f"SUM({arg}){tail}", f"COUNT({arg}){tail}"
        return f"CAST(CASE WHEN {count} > 0 THEN sign({total}) * (abs({total}) // {count}) END AS BIGINT)"
    if isinstance(held, Float) and expr.function in ("sum", "avg"):
        # DuckDB refuses infinities that cancel; here they make NaN
        infinite = " AND ".join(f"BOOL_OR({name} = '{sign}inf'){tail}" for sign in ("", "-"))
        odd = f"BOOL_OR(isnan({name})){tail} OR ({infinite})"
        finite = f"{expr.function.upper()}({arg}){tail}"
        return f"CASE WHEN {odd} THEN 'nan'::DOUBLE ELSE {finite} END"
    return f"{expr.function.upper()}({arg}){tail}"


def _list(call: Aggregate, name: str, below: Plan) -> str:
    """A list by value; what goes by position has no equivalent."""
    if is_placed(below) or call.distinct:
        raise Unspeakable
    text = {"array_agg": f"{name}", "listagg": f"{name}, ','"}[call.function]
    function = {"array_agg": "ARRAY_AGG", "listagg": "STRING_AGG"}[call.function]
    return f"{function}({text} ORDER BY {name} NULLS FIRST)"


def _decimal_average(total: str, count: str, held: Decimal) -> str:
    """In whole units of the last place: halves go away from zero."""
    places = max(held.scale, 6)
    units = f"CAST({total} * {10**held.scale} AS HUGEINT) * {10 ** (places - held.scale)}"
    rounded = f"sign({units}) * ((2 * abs({units}) + {count}) // (2 * {count}))"
    unit = f"CAST('0.{1:0{places}d}' AS DECIMAL({places}, {places}))"
    return f"CASE WHEN {count} > 0 THEN CAST({rounded} AS DECIMAL({38 - places}, 0)) * {unit} END"


def _rank(plan: Rank, below: str) -> str:
    by = f"PARTITION BY {', '.join(map(_quoted, plan.partition))} " if plan.partition else ""
    number = f"{plan.kind.upper()}() OVER ({by}ORDER BY {', '.join(map(_ordered, plan.order))})"
    limit = "" if plan.limit is None else f" WHERE __number <= {plan.limit}"
    shown = "* EXCLUDE (__number)" + ("" if plan.output is None else f", __number AS {_quoted(plan.output)}")
    return f"SELECT {shown} FROM (SELECT *, {number} AS __number FROM {below}){limit}"


def _ordered(key: SortKey) -> str:
    way, nulls = "DESC" if key.descending else "ASC", "FIRST" if key.puts_nulls_first else "LAST"
    return f"{_quoted(key.column)} {way} NULLS {nulls}"


__all__ = ["REWRITES", "Unspeakable", "ask"]
