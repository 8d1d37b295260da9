"""Find out which columns, and which members of rows, each step of a job must make.

A need says what is read of a step's rows: columns by name, and of a column of rows either some members or
all (None). What several readers need of one step is the union. A step may make more than one reader needs,
never less.

Not here: rewriting the plan (rules/prune_columns.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from thalweg.base.schema import Schema
from thalweg.base.types import STRING, DataType, List, Map, Struct
from thalweg.expr.nodes import Call, Column, Expr, Literal
from thalweg.optimizer.expressions import is_plain
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.asynchronous import MapAsync
from thalweg.plan.keys import DeclaredKey
from thalweg.plan.late import Behind
from thalweg.plan.lookup import LookupJoin
from thalweg.plan.nodes import (
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
)
from thalweg.plan.over import Over, reads_places
from thalweg.plan.pairs import pairs_below
from thalweg.plan.process import Process, SideOutput
from thalweg.plan.properties import recomputes
from thalweg.plan.sort import Sort

Members = frozenset[str] | None
Need = dict[str, Members]


def needs_of(root: Plan) -> dict[Plan, Need]:
    """What each step at or below `root` must make; readers come before what they read."""
    found: dict[Plan, Need] = {step: {} for step in _readers_first(root)}
    found[root] = whole(root.schema.names)
    for step, need in found.items():
        _at_least_one(step, need)
        for below, read in zip(step.inputs, read_below(step, need), strict=True):
            for name, members in read.items():
                add(found[below], name, members)
    return found


def _readers_first(root: Plan) -> list[Plan]:
    """Every step once, each behind all steps that read it."""
    done: dict[Plan, None] = {}
    _note_inputs_first(root, done)
    return list(reversed(done))


def _note_inputs_first(plan: Plan, done: dict[Plan, None]) -> None:
    if plan not in done:
        for below in plan.inputs:
            _note_inputs_first(below, done)
        done[plan] = None


# -- needs -------------------------------------------------------------------------------------


def whole(names: Iterable[str]) -> Need:
    """These columns with all that is in them."""
    return dict.fromkeys(names)


def add(need: Need, name: str, members: Members) -> None:
    """Need a column, or members of it, too."""
    known = need.get(name, frozenset())
    need[name] = None if known is None or members is None else known | members


def add_expression(need: Need, expr: Expr) -> None:
    """Need what an expression reads."""
    if isinstance(expr, Column):
        add(need, expr.name, None)
        return
    if isinstance(expr, Call) and expr.function == "field":
        column, member = expr.args
        if isinstance(column, Column) and isinstance(member, Literal):
            add(need, column.name, frozenset([member.value]))
            return
    for child in expr.children:
        add_expression(need, child)


def _at_least_one(step: Plan, need: Need) -> None:
    """A frame without columns has no rows: a step that could make one makes its cheapest column."""
    if need or not isinstance(step, (Scan, Project, GroupBy, Union)):
        return
    if isinstance(step, GroupBy):
        need.update(whole(step.schema.names[:1] if not step.keys else ()))
        return
    names = list(step.schema.names)
    if isinstance(step, Project):
        names = [i.name for i in step.items if is_plain(i.expr)] or names[:1]
    name = cheapest(step.schema, names)
    need[name] = _one_member(step.schema, name)


def cheapest(schema: Schema, names: Iterable[str] | None = None) -> str:
    """The column that costs least to make: any one, where only the number of rows counts."""
    return min(schema.names if names is None else names, key=lambda n: _cost(schema.type_of(n)))


def _one_member(schema: Schema, name: str) -> Members:
    held = schema.type_of(name)
    if not isinstance(held, Struct) or not held.fields:
        return None
    return frozenset([min(held.fields, key=lambda f: _cost(f.type)).name])


def _cost(held: DataType) -> int:
    if isinstance(held, (List, Map)):
        return 3
    return 2 if isinstance(held, Struct) else int(held == STRING)


# -- steps -------------------------------------------------------------------------------------


def read_below(step: Plan, need: Need) -> list[Need]:
    """What a step reads of each of its inputs to make what is needed."""
    rule = _RULES.get(type(step))
    if rule is None:
        return [whole(p.schema.names) for p in step.inputs]
    found: list[Need] = rule(step, need)
    return found


def _passed(step: Plan, need: Need) -> Need:
    """What comes from the input under the same name."""
    below = step.inputs[0].schema
    return {name: members for name, members in need.items() if name in below}


def _project(step: Project, need: Need) -> list[Need]:
    read: Need = {}
    for item in step.items:
        if item.name not in need:
            continue
        if isinstance(item.expr, Column):
            add(read, item.expr.name, need[item.name])
        else:
            add_expression(read, item.expr)
    return [read]


def _filter(step: Filter, need: Need) -> list[Need]:
    read = _passed(step, need)
    add_expression(read, step.condition)
    return [read]


def _watermark(step: AssignWatermark, need: Need) -> list[Need]:
    read = _passed(step, need)
    add_expression(read, step.watermark)
    add(read, step.column, None)
    return [read]


def _column(step: Explode | Window, need: Need) -> list[Need]:
    read = _passed(step, need)
    add(read, step.column, None)
    return [read]


def _session(step: SessionWindow, need: Need) -> list[Need]:
    read = _passed(step, need)
    for name in (step.column, *step.window.partition):
        add(read, name, None)
    return [read]


def _group_by(step: GroupBy, need: Need) -> list[Need]:
    read = whole((*step.keys, *(() if step.closes is None else step.closes[:1])))
    for item in step.aggregates:
        if item.name in need:
            add_expression(read, item.expr)
    return [read]


def _rank(step: Rank, need: Need) -> list[Need]:
    if step.kind == "row_number" and not _have_positions(step.input) and pairs_below(step.input) is None:
        # all columns decide which of two equal rows comes first
        return [whole(step.input.schema.names)]
    read = _passed(step, need)
    closes = () if step.closes is None else step.closes[:1]
    for name in (*step.partition, *(k.column for k in step.order), *closes):
        add(read, name, None)
    return [read]


def _over(step: Over, need: Need) -> list[Need]:
    by_place = reads_places(step.frame, (a.expr for a in step.aggregates))
    if (by_place or recomputes(step)) and not _have_positions(step.input):
        return [whole(step.input.schema.names)]
    read = _passed(step, need)
    for name in (*step.partition, *(k.column for k in step.sort_keys)):
        add(read, name, None)
    for item in step.aggregates:
        add_expression(read, item.expr)
    return [read]


_PLACELESS = (
    *(GroupBy, Join, AsOfJoin, MapBatches, MapAsync, Late, Behind, BadRows, Limit, Process),
    *(SideOutput, Sort),
)


def _have_positions(plan: Plan) -> bool:
    """Whether rows come from a source one by one, so that their places there break ties."""
    if isinstance(plan, _PLACELESS):
        return False
    return isinstance(plan, (Scan, Values)) or all(_have_positions(p) for p in plan.inputs)


def _sort(step: Sort, need: Need) -> list[Need]:
    read = _passed(step, need)
    for key in step.order:
        add(read, key.column, None)
    return [read]


def _union(step: Union, need: Need) -> list[Need]:
    # the parts must agree in their types, so that no part gives up members
    return [whole(need) for _ in step.parts]


def _join(step: Join, need: Need) -> list[Need]:
    read = dict(need)
    for pair in step.keys:
        for name in pair:
            add(read, name, None)
    if step.residual is not None:
        add_expression(read, step.residual)
    return [{n: m for n, m in read.items() if n in p.schema} for p in step.inputs]


def _as_of_join(step: AsOfJoin, need: Need) -> list[Need]:
    read = dict(need)
    for name in (*step.times, *(n for pair in step.keys for n in pair)):
        add(read, name, None)
    if step.alive is not None:
        add(read, step.alive, None)
    if step.residual is not None:
        add_expression(read, step.residual)
    mine, others = ({n: m for n, m in read.items() if n in p.schema} for p in step.inputs)
    if not _have_positions(step.right):
        # all columns decide which of two rows of one time comes first
        others = whole(step.right.schema.names)
    return [mine, others]


def _late(step: Late, need: Need) -> list[Need]:
    return [_passed(step, need)]


def _behind(step: Behind, need: Need) -> list[Need]:
    read = _passed(step, need)
    add(read, step.column, None)
    return [read]


_RULES: dict[type[Plan], Callable[[Any, Need], list[Need]]] = {
    Scan: lambda step, need: [],
    Project: _project,
    Filter: _filter,
    AssignWatermark: _watermark,
    Explode: _column,
    Window: _column,
    SessionWindow: _session,
    GroupBy: _group_by,
    Rank: _rank,
    Over: _over,
    Sort: _sort,
    Union: _union,
    Join: _join,
    AsOfJoin: _as_of_join,
    LookupJoin: _join,
    Late: _late,
    Behind: _behind,
    Limit: lambda step, need: [_passed(step, need)],
    DeclaredKey: lambda step, need: [_passed(step, need)],
}
