"""Compose random row-wise plans over the rules' table, with expressions that fail for some rows."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.rules.tables import FUNCTIONS, odd, table
from thalweg.base.types import (
    BOOLEAN,
    FLOAT64,
    INT32,
    INT64,
    STRING,
    DataType,
    Decimal,
    List,
    Struct,
)
from thalweg.errors import ThalwegError
from thalweg.expr.literals import literal_of
from thalweg.expr.nodes import Aggregate, Call, Cast, Column, Expr, Literal, Named, PythonCall
from thalweg.plan import build
from thalweg.plan.nodes import FrameFunction, MapBatches, Plan

DEPTH_MAX = 3
STEPS_MAX = 7


def random_plan(r: Random) -> Plan:
    """Some steps over the table."""
    plan = table()
    for _ in range(r.randint(1, STEPS_MAX)):
        plan = random_step(r, plan)
    return plan


def random_step(r: Random, plan: Plan) -> Plan:
    """One step more, where it is possible."""
    steps = [_filter, _filter, _filter, _project, _project, _union, _explode, _group, _map]
    try:
        return r.choice(steps)(r, plan)
    except ThalwegError:
        return plan  # types that do not go together


def _filter(r: Random, plan: Plan) -> Plan:
    return build.filter_rows(plan, expression(r, plan, BOOLEAN))


def _project(r: Random, plan: Plan) -> Plan:
    kept = [Named(n, Column(n)) for n in plan.schema.names if r.random() < 0.8]
    kinds = [INT64, BOOLEAN, STRING, FLOAT64]
    made = []
    for number in range(r.randint(0, 2)):
        name = f"c{sum(n.startswith('c') for n in plan.schema.names) + number}"
        made.append(Named(name, expression(r, plan, r.choice(kinds))))
    items = [i for i in kept if i.name not in {m.name for m in made}] + made
    r.shuffle(items)
    return build.project(plan, items) if items else plan


def _union(r: Random, plan: Plan) -> Plan:
    return build.union_all([_filter(r, plan), _filter(r, plan)])


def _explode(r: Random, plan: Plan) -> Plan:
    names = [f.name for f in plan.schema if isinstance(f.type, List)]
    return build.explode(plan, r.choice(names)) if names else plan


def _group(r: Random, plan: Plan) -> Plan:
    able = [f.name for f in plan.schema if f.type in (INT64, STRING, BOOLEAN)]
    keys = r.sample(able, k=min(len(able), r.choice([0, 1, 2])))
    calls = [Aggregate("count"), Aggregate("max", (expression(r, plan, INT64),))]
    calls.append(Aggregate("count", filter=expression(r, plan, BOOLEAN)))
    outputs = [Named(k, Column(k)) for k in keys]
    outputs += [Named(f"n{i}", c) for i, c in enumerate(r.sample(calls, k=r.randint(1, 2)))]
    return build.group_by(plan, [Named(k, Column(k)) for k in keys], outputs)


def _map(r: Random, plan: Plan) -> Plan:
    return MapBatches(plan, FrameFunction("odd", odd), plan.schema) if "a" in plan.schema else plan


# Expressions --------------------------------------------------------------------------------------


def expression(r: Random, plan: Plan, wanted: DataType, depth: int = 0) -> Expr:
    """A random expression of a type (or of one that is cast to it)."""
    if depth >= DEPTH_MAX or r.random() < 0.2:
        return _leaf(r, plan, wanted)

    def below(t: DataType = wanted) -> Expr:
        return expression(r, plan, t, depth + 1)

    if r.random() < 0.25:
        return r.choice(
            [
                lambda: Call("case", (below(BOOLEAN), below(), below(BOOLEAN), below(), below())),
                lambda: Call("case", (below(BOOLEAN), below())),
                lambda: Call("coalesce", (below(), below(), below())),
                lambda: Cast(Cast(below(), _other(r, wanted)), wanted, safe=r.random() < 0.5),
            ]
        )()
    return _call(r, wanted, below)


def _call(r: Random, wanted: DataType, make: Callable[..., Expr]) -> Expr:
    if wanted == BOOLEAN:
        held = r.choice([INT64, FLOAT64, STRING])
        comparison = r.choice(["=", "<>", "<", ">=", "is_distinct_from", "is_not_distinct_from"])
        return r.choice(
            [
                lambda: Call(r.choice(["and", "or"]), (make(), make())),
                lambda: Call("not", (make(),)),
                lambda: Call(r.choice(["is_null", "is_not_null"]), (make(held),)),
                lambda: Call(r.choice(["is_true", "is_not_false"]), (make(),)),
                lambda: Call(comparison, (make(held), make(held))),
                lambda: Call("in", (make(held), *(make(held) for _ in range(r.randint(1, 2))))),
            ]
        )()
    if wanted == INT64:
        return Call(r.choice(["+", "-", "*", "/", "%"]), (make(), make()))
    if wanted == FLOAT64:
        return Call(r.choice(["+", "/", "*"]), (make(), make()))
    return r.choice(
        [
            lambda: Call("||", (make(), make())),
            lambda: Call("upper", (make(),)),
            lambda: PythonCall(FUNCTIONS["shout"], (make(),)),
        ]
    )()


def _other(r: Random, held: DataType) -> DataType:
    kinds = {INT64: [INT32, INT64, Decimal(20, 2), STRING], FLOAT64: [FLOAT64, STRING], STRING: [STRING]}
    return r.choice(kinds.get(held, [STRING]))


def _leaf(r: Random, plan: Plan, wanted: DataType) -> Expr:
    found: list[Expr] = []
    for f in plan.schema:
        if f.type == wanted:
            found.append(Column(f.name))
        elif isinstance(f.type, Struct):
            found += [_member(f.name, m.name) for m in f.type.fields if m.type == wanted]
    if found and r.random() < 0.7:
        return r.choice(found)
    if r.random() < 0.15:
        return Literal(None, wanted)
    constants = {BOOLEAN: [True, False], INT64: [0, 1, 2, 7], FLOAT64: [0.0, 0.5], STRING: ["a", "", "7"]}
    value = literal_of(r.choice(constants[wanted]))
    return Literal(value.value, wanted)


def _member(column: str, name: str) -> Expr:
    return Call("field", (Column(column), Literal(name, STRING)))
