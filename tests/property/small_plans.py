"""Join random plans with a few rows, which a stream reads first.

Not here: the plans (plans.py), what must be true of such joins (test_broadcast.py).
"""

from __future__ import annotations

from random import Random
from typing import Any

import polars as pl

from tests.property.plans import Case, every_node, random_case, random_step, scan
from tests.property.worlds import random_world
from thalweg.connectors.memory import frame_source
from thalweg.expr.nodes import Call, Column, Expr
from thalweg.plan import build
from thalweg.plan.join import apart, equal, join
from thalweg.plan.nodes import Join, JoinKind, Plan, Scan, rows

KEYS = ("k", "s")
RIGHT_FIRST: tuple[JoinKind, ...] = ("inner", "inner", "left", "semi", "anti")
LEFT_FIRST: tuple[JoinKind, ...] = ("inner", "right")


def side(r: Random, plan: Plan, keys: list[str], version: int = 0) -> pl.DataFrame:
    """Rows with some of the keys that may be there, some of them several times, and a text each."""
    made: dict[str, Any] = {}
    height = r.choice([0, 1, 5, 12])
    for name in keys:
        held = plan.schema.type_of(name).polars
        some = [None, "a", "b", "", "c"] if held == pl.String() else [None, *range(-1, 5)]
        made[name] = pl.Series(
            [r.choice(some) for _ in range(height)], dtype=pl.String if held == pl.String() else None
        ).cast(held)
    made["text"] = [f"{version} {r.choice('xyz')}" for _ in range(height)]
    return pl.DataFrame(made, schema_overrides={"text": pl.String})


def small_side(r: Random, plan: Plan, keys: list[str]) -> Plan:
    """A few rows with keys that may be there, and a number: constants, frames, or both together."""
    parts: list[Plan] = []
    for _ in range(r.choice([1, 1, 2])):
        frame = side(r, plan, keys)
        frame = frame.with_columns(
            n=pl.Series([r.randint(0, 9) for _ in range(frame.height)], dtype=pl.Int64)
        )
        parts.append(r.choice([rows, lambda f: Scan(frame_source(f))])(frame))
    made = parts[0] if len(parts) == 1 else build.union_all(parts)
    return build.filter_rows(made, Call(">", (Column("n"), Column("n")))) if r.random() < 0.05 else made


def joined(r: Random, plan: Plan, small: Plan, keys: list[str]) -> Plan:
    """A plan and a small input put together in some way that reads the small one first."""
    is_left_first = r.random() < 0.3
    inputs = (small, plan) if is_left_first else (plan, small)
    right, called = apart(*inputs, lambda name: f"{name}_side")
    condition: Expr | None = equal([(Column(n), Column(called[n])) for n in keys]) if keys else None
    numbers = [n for n in ("v", "id", "k") if n in plan.schema]
    if numbers and (condition is None or r.random() < 0.3):
        mine = r.choice(numbers)
        pair = (Column("n" if is_left_first else mine), Column(called[mine if is_left_first else "n"]))
        more = Call(r.choice(["<", ">", "<>"]), pair)
        condition = more if condition is None else Call("and", (condition, more))
    made = join(inputs[0], right, r.choice(LEFT_FIRST if is_left_first else RIGHT_FIRST), condition)
    found = next(n for n in every_node(made) if isinstance(n, Join))
    assert found.first == ("left" if is_left_first else "right"), "the other input may have any size"
    return made


def small_case(r: Random, *, is_punctual: bool | None = None) -> Case:
    """A random plan, joined with a small input, and some steps more."""
    if r.random() < 0.2:
        return shared_case(r, is_punctual=is_punctual)
    case = random_case(r, is_punctual=is_punctual)
    plan = case.roots[0]
    known = [n for n in KEYS if n in plan.schema]
    keys = r.sample(known, r.randint(0, len(known)))
    made = joined(r, plan, small_side(r, plan, keys), keys)
    steps = [made]
    for _ in range(r.choice([0, 1, 1, 2])):
        steps.append(random_step(r, steps[-1]))
    return Case(case.worlds, tuple(r.choice([steps[-1:], [steps[-1], made]])))


def shared_case(r: Random, *, is_punctual: bool | None = None) -> Case:
    """A small source on both sides of a join: what it sends to the one side must not wait for the other."""
    world = random_world(r, is_punctual=is_punctual)
    small = Scan(frame_source(world.frames[0].filter(pl.col("t").is_not_null())))
    names = ["id", "k", "s"]
    mine = build.union_all([build.select_names(p, names) for p in (scan(world), small)])
    parts = build.select_names(small, ["k", "id"])
    other, called = apart(mine, parts, lambda name: f"{name}_side")
    kind = r.choice(RIGHT_FIRST)
    return Case((world,), (join(mine, other, kind, equal([(Column("k"), Column(called["k"]))])),))
