"""Random steps that number rows, keep the first of each key, or aggregate around each row."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Literal as Choice

from tests.property.columns import (
    argument_of,
    columns_of_kind,
    every_node,
    fresh_name,
    minus,
    random_keys,
    told_apart,
)
from tests.property.worlds import SECOND
from thalweg.base.types import INT64, Decimal, Float, Integer, List, Timestamp
from thalweg.expr.nodes import Aggregate, Call, Column, Literal, Named, conjunction
from thalweg.plan import build
from thalweg.plan.join import apart, join
from thalweg.plan.keys import declare_key
from thalweg.plan.nodes import (
    AssignWatermark,
    Filter,
    GroupBy,
    Plan,
    Project,
    Rank,
    Scan,
    SortKey,
    Values,
)
from thalweg.plan.over import FUNCTIONS, RANKED, Frame, Over, over
from thalweg.plan.properties import properties

SLIDING = tuple(f for f in FUNCTIONS if f not in RANKED)
RankKind = Choice["row_number", "rank", "dense_rank"]


def window_rank(r: Random, plan: Plan) -> Plan | None:
    """The first rows of each window, by one or two columns that tie."""
    found = properties(plan)
    if not found.windows:
        return None
    able, order = _orders(r, plan)
    # the last window that rows were given, by the first of its columns
    partition = [min(found.windows[-1].starts), min(found.windows[-1].ends)]
    if r.random() < 0.4:
        partition += [n for n in r.choices(able, k=1) if n not in partition]
    output = r.choice([None, fresh_name(plan, "number")])
    kind = r.choice(["row_number", "rank"])
    limit = r.choice([1, 1, 2, 5, None])
    return Rank(plan, tuple(partition), tuple(order), kind, output, limit)


def _orders(r: Random, plan: Plan) -> tuple[list[str], list[SortKey]]:
    """The columns that rows can be told apart by, and an order by some that tie."""
    able = [n for n in columns_of_kind(plan) if n not in columns_of_kind(plan, List)]
    tying = [n for n in ("k", "s", "d", "v") if n in able] or able
    order = [SortKey(n, r.random() < 0.5) for n in sorted(set(r.choices(tying, k=r.choice([1, 1, 2]))))]
    order[-1] = replace(order[-1], latest_first=order[-1].descending and order[-1].column in "ds")
    return able, order


def running_rank(r: Random, plan: Plan) -> Plan | None:
    """The first rows of each key for ever, or all with their numbers; rows may be taken back."""
    plan = told_apart(plan)
    if not columns_of_kind(plan):
        return None
    _, order = _orders(r, plan)
    kind: RankKind = r.choice(["row_number", "row_number", "rank", "dense_rank"])
    output = r.choice([None, fresh_name(plan, "number"), fresh_name(plan, "number")])
    limit = r.choice([1, 2, 5, None]) if output else r.choice([1, 2, 5])
    return Rank(plan, tuple(random_keys(r, plan)), tuple(order), kind, output, limit)


def first_rows(r: Random, plan: Plan) -> Plan | None:
    """A few rows of each key by an order of numbers, which of source rows are kept in lists."""
    if not columns_of_kind(plan, Integer, Timestamp):
        return None
    plan = told_apart(plan)
    names = r.choices(columns_of_kind(plan, Integer, Timestamp), k=r.choice([1, 2]))
    order = tuple(SortKey(n, r.random() < 0.5) for n in dict.fromkeys(names))
    output = r.choice([None, fresh_name(plan, "number")])
    keys, limit = tuple(random_keys(r, plan)), r.choice([1, 2, 5])
    order = (*order[:-1], replace(order[-1], latest_first=order[-1].descending and limit < 5))
    return Rank(plan, keys, order, "row_number", output, limit)


def over_rows(r: Random, plan: Plan) -> Plan | None:
    """Aggregates over the rows around each row, once if the rows stay and their order is by time."""
    frame = _frame(r)
    depth = sum(isinstance(n, (GroupBy, Over)) for n in every_node(plan))
    # where it is asked for, the order of rows of equal time matters
    by_place = r.random() < 0.5
    known = sorted(properties(plan).times)
    order: str | list[SortKey]
    if properties(plan).is_updating or not known or r.random() < 0.3:
        plan = told_apart(plan)
        times = columns_of_kind(plan, Timestamp)
        if times and r.random() < 0.3:
            order = r.choice(times)
            # the least of no times is NULL, and a row without a time has no place in the order
            plan = build.filter_rows(plan, Call("=", (Column(order), Column(order))))
        elif columns_of_kind(plan):
            _, order = _orders(r, plan)
            if not frame.is_rows:
                # only times have distances
                frame = Frame(False, frame.reach and 0, frame.end and 0)
        else:
            return None
    else:
        if frame.is_rows or by_place:
            plan = told_apart(plan)
        order = r.choice(known)
    if not frame.is_rows:
        times = (None if n is None else n * SECOND for n in (frame.reach, frame.end))
        frame = Frame(False, *times)
    made = []
    for number in range(r.choice([1, 1, 2, 3])):
        call = _sliding(r, plan, by_place=frame.is_rows or by_place)
        is_inexact = call.function == "avg" and isinstance(plan.schema.type_of(argument_of(call)), Float)
        made.append(Named(f"{'inexact' if is_inexact else 'a'}o{depth}_{number}", call))
    made += _ranked(Random(f"{plan.schema} {made}"), depth, by_place=frame.is_rows or by_place)
    return over(plan, random_keys(r, plan), order, frame, made)


def _ranked(r: Random, depth: int, *, by_place: bool) -> list[Named]:
    """Now and then where rows are in their partition; parts of it only `by_place`."""
    calls = [Named(f"inexact_{f}{depth}", Aggregate(f)) for f in ("percent_rank", "cume_dist")]
    if by_place:
        parts = Literal(r.choice([1, 2, 5, 50]), INT64)
        calls.append(Named(f"part{depth}", Aggregate("ntile", (parts,))))
    return r.sample(calls, 1) if r.random() < 0.15 else []


def _frame(r: Random) -> Frame:
    """Up to the current row, as a rule; with a few rows, or seconds."""
    is_rows, first = r.random() < 0.4, r.choice([None, 0, 1, 4])
    last = 0 if r.random() < 0.6 else r.choice([None, -2, -1, 1, 3])
    if first is not None and last is not None:
        first = max(first, -last)
    return Frame(is_rows, first, last)


def _sliding(r: Random, plan: Plan, *, by_place: bool) -> Aggregate:
    """An aggregate that can slide; those that depend on the order of rows that tie only `by_place`."""
    function = r.choice(
        [f for f in SLIDING if by_place or f not in ("first_value", "last_value", "lag", "lead")]
    )
    usable = columns_of_kind(plan)
    nested = columns_of_kind(plan, List)
    flat = [n for n in usable if n not in nested]
    numbers = columns_of_kind(plan, Integer, Float, Decimal)
    able = {"sum": numbers, "avg": numbers, "mean": numbers, "count": usable}.get(function, flat)
    if not able or (function == "count" and r.random() < 0.4):
        return Aggregate("count")
    if function in ("lag", "lead"):
        column = Column(r.choice(usable))
        far = Literal(r.choice([0, 1, 1, 2, 5]), INT64)
        return Aggregate(function, (column, far, column) if r.random() < 0.3 else (column, far))
    held = r.choice(able)
    is_distinct = r.random() < 0.3 and held not in nested
    return Aggregate("avg" if function == "mean" else function, (Column(held),), is_distinct)


def by_key_in_time(r: Random, plan: Plan) -> Plan | None:
    """Groups or first rows by the key of rows that find partners for a while, so that keys are forgotten."""
    found = next(filter(_has_key_and_time, every_node(plan)), None)
    if found is None:
        return None
    plan, known = found, sorted(properties(found).times)
    other, called = apart(plan, plan, lambda name: f"{name}_other")
    mine, others = Column(r.choice(known)), Column(called[r.choice(known)])
    near = [
        Call("=", (Column("k"), Column(called["k"]))),
        Call("<=", (others, minus(mine, timedelta(seconds=-r.choice([0, 1, 5]))))),
        Call(">=", (others, minus(mine, timedelta(seconds=r.choice([0, 2]))))),
    ]
    made = join(declare_key(plan, ["id"]), other, "inner", conjunction(near))
    keys = r.choice([["id"], ["id", "k"]])
    if r.random() < 0.5:
        order = tuple(SortKey(n, r.random() < 0.5) for n in {called["k"], called["id"]})
        kind: RankKind = r.choice(["row_number", "row_number", "rank"])
        return Rank(made, tuple(keys), order, kind, fresh_name(made, "number"), r.choice([1, 2, None]))
    names = [Named(n, Column(n)) for n in keys]
    calls = [("a_count", Aggregate("count")), ("a_max", Aggregate("max", (Column(called["id"]),)))]
    calls.append(("a_different", Aggregate("count", (Column(called["id"]),), distinct=True)))
    return build.group_by(made, names, [*names, *(Named(n, c) for n, c in calls[: r.randint(1, 3)])])


def _has_key_and_time(plan: Plan) -> bool:
    """Whether these are rows of a source, of which no two have the same `id`."""
    simple = (Scan, Values, AssignWatermark, Filter, Project)
    is_simple = all(isinstance(n, simple) for n in every_node(plan))
    return is_simple and bool(properties(plan).times) and {"id", "k"} <= set(plan.schema.names)
