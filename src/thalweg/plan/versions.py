"""Find out what the versions of a table's rows are, and which columns tell its rows apart.

A table has versions if it has an event time and a primary key: each row is valid from its time on, until the
next one of its key. So has a query that keeps the latest row of each key by event time,

    ROW_NUMBER() OVER (PARTITION BY key ORDER BY time DESC) = 1

whose versions are the rows that are numbered. What a query does to its rows one by one, it does to versions
as well; where a condition is not true of a version, there is no row while it is valid.

Reads:    plans as they were written, before the optimizer.
Not here: joining with versions (as_of.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.base.types import INT64, Timestamp
from thalweg.expr.nodes import Call, Column, Expr, Literal, Named, conjunction, conjuncts
from thalweg.plan.nodes import AssignWatermark, Filter, Plan, Project, Rank
from thalweg.plan.properties import properties, ranked_window

ALIVE = f"{SYSTEM_PREFIX}valid"


@dataclass(frozen=True)
class Versions:
    """The versions of a table's rows.

    Attributes:
        plan: the versions, with the columns of the table.
        key: the columns that the versions of one row share.
        time: since when a version is valid.
        alive: a column of `plan` that says whether there is a row while the version is valid; None: always.
        takes_first: whether of versions with equal times the first one by position counts; else the last one.
    """

    plan: Plan
    key: frozenset[str]
    time: str
    alive: str | None = None
    takes_first: bool = False


def versions_of(plan: Plan) -> Versions | None:
    """The versions of a table's or query's rows; None if it has none."""
    if isinstance(plan, AssignWatermark):
        return Versions(plan, frozenset(plan.key), plan.column) if plan.key else None
    if isinstance(plan, Project):
        below = versions_of(plan.input)
        return None if below is None else _projected(below, plan.items)
    if isinstance(plan, Filter):
        return _filtered(plan)
    return None


def _projected(below: Versions, items: tuple[Named, ...]) -> Versions | None:
    """The versions with other columns; None if time or key are not among them."""
    called: dict[str, str] = {}
    for item in items:
        if isinstance(item.expr, Column):
            called.setdefault(item.expr.name, item.name)
    if not {below.time, *below.key} <= called.keys():
        return None
    if below.alive is not None:
        items = (*items, Named(ALIVE, Column(ALIVE)))
    key = frozenset(called[k] for k in below.key)
    return replace(below, plan=Project(below.plan, items), key=key, time=called[below.time])


def _filtered(plan: Filter) -> Versions | None:
    parts = conjuncts(plan.condition)
    below = versions_of(plan.input)
    if below is None:
        numbered = _numbered(plan.input)
        if numbered is None or not any(_is_first(p, numbered[1]) for p in parts):
            return None
        below = numbered[0]
        parts = [p for p in parts if not _is_first(p, numbered[1])]
    if not parts:
        return below
    alive = [] if below.alive is None else [Column(ALIVE)]
    names = [n for n in below.plan.schema.names if n != ALIVE]
    items = (*(Named(n, Column(n)) for n in names), Named(ALIVE, conjunction([*alive, *parts])))
    return replace(below, plan=Project(below.plan, items), alive=ALIVE)


def _numbered(plan: Plan) -> tuple[Versions, str] | None:
    """The rows that are numbered by time, the latest first, and the column of the number."""
    if isinstance(plan, Rank):
        if plan.output is None or not _numbers_latest(plan):
            return None
        rows = [Named(n, Column(n)) for n in plan.input.schema.names]
        made = Project(plan.input, (*rows, Named(plan.output, Literal(1, INT64))))
        found = Versions(made, frozenset(plan.partition), plan.order[0].column, takes_first=True)
        return found, plan.output
    if not isinstance(plan, Project):
        return None
    below = _numbered(plan.input)
    number = below and next((i.name for i in plan.items if i.expr == Column(below[1])), None)
    versions = below and _projected(below[0], plan.items)
    return (versions, number) if versions and number else None


def _numbers_latest(plan: Rank) -> bool:
    below = properties(plan.input)
    if (
        plan.kind != "row_number"
        or len(plan.order) != 1
        or below.is_updating
        or ranked_window(plan) is not None
    ):
        return False
    time = plan.order[0]
    return time.descending and isinstance(plan.input.schema.type_of(time.column), Timestamp)


def _is_first(part: Expr, number: str) -> bool:
    """Whether a condition says `number = 1`."""
    if not isinstance(part, Call) or len(part.args) != 2:
        return False
    column, bound = part.args
    wanted = {"=": 1, "<=": 1, "<": 2}
    if isinstance(column, Literal):
        column, bound = bound, column
        wanted = {"=": 1, ">=": 1, ">": 2}
    if column != Column(number) or not isinstance(bound, Literal):
        return False
    return bool(bound.value == wanted.get(part.function))
