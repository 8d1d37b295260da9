"""Random plans are joined with small inputs, which are read first: that is a join, however it is run."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.census import CENSUS
from tests.property.harness import batch, interrupted, random_way, stream
from tests.property.laws import check, expected
from tests.property.noticing import assert_noticed
from tests.property.plans import Case, every_node, random_case, random_step, scan
from tests.property.test_engine_laws import UNHURRIED
from tests.property.test_lookups import KEYS, side
from tests.property.worlds import random_world
from thalweg.columnar.eager import gather_rows
from thalweg.connectors.memory import frame_source
from thalweg.expr.nodes import Call, Column, Expr
from thalweg.operators import broadcast
from thalweg.plan import build
from thalweg.plan.join import apart, equal, join
from thalweg.plan.nodes import Join, JoinKind, Plan, Scan, rows
from thalweg.runtime import assemble, task

RIGHT_FIRST: tuple[JoinKind, ...] = ("inner", "inner", "left", "semi", "anti")
LEFT_FIRST: tuple[JoinKind, ...] = ("inner", "right")


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


def some_case(r: Random, *, is_punctual: bool | None = None) -> Case:
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


def a_small_input_is_joined(r: Random) -> None:
    """Law 1: both modes give the join."""
    case = some_case(r, is_punctual=True)
    wanted = expected(case)
    check(case, batch(case, is_optimized=r.random() < 0.5), wanted, "batch")
    check(case, stream(case, random_way(r, case.rows)).tables(), wanted, "stream")


def late_rows_stay_late(r: Random) -> None:
    """Law 1: what follows the join judges rows as it would have before."""
    case = some_case(r, is_punctual=False)
    check(case, batch(case), expected(case, judges=False), "batch")
    check(case, stream(case, random_way(r, case.rows)).tables(), expected(case), "stream")


def restarts_keep_the_table(r: Random) -> None:
    """Laws 4 and 5: a run that goes on, with any number of tasks, has the small input in each of them."""
    case = some_case(r)
    one = random_way(r, case.rows)
    numbers = r.choice([(1, 3, 2), (2, 2), (3, 1)])
    ways = [replace(one, parallelism=n, rows_max=min(one.rows_max, 30)) for n in numbers]
    logs, restored = interrupted(case, ways, r)
    CENSUS.counts["restarts with a small input"] += restored
    check(case, [log.table() for log in logs], expected(case), f"restored, {ways}")


LAWS = (a_small_input_is_joined, late_rows_stay_late, restarts_keep_the_table)


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@settings(max_examples=25, suppress_health_check=UNHURRIED, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_law(law: Any, seed: int) -> None:
    law(Random(seed))


@pytest.mark.slow
def test_the_laws_meet_what_they_speak_of() -> None:
    before = CENSUS.counts.copy()
    for seed in range(40):
        restarts_keep_the_table(Random(seed))
    met = CENSUS.counts - before
    kinds = {f"broadcast {kind} join, {first} first" for kind, first in _kinds()}
    wanted = {*kinds, "spilled rows", "restarts with a small input", "retractions", "late rows"}
    assert {what for what in wanted if not met[what]} == set()


def _kinds() -> list[tuple[JoinKind, str]]:
    return [*((k, "right") for k in RIGHT_FIRST), *((k, "left") for k in LEFT_FIRST)]


def _unshared(self: Any, frame: pl.DataFrame, spec: Any, tasks: int, index: int) -> pl.DataFrame:
    del self, spec, tasks
    return frame if index == 0 else frame.clear()


MUTANTS = {
    "the other input is taken from the beginning": mock.patch.object(
        task.Input, "is_ready", property(lambda i: not (i.ended or i.aligned or i.channel.is_empty))
    ),
    "only the first task gets the table back": mock.patch.object(assemble._Assembler, "_share", _unshared),
    "barriers do not wait": mock.patch.object(task.Task, "is_declining", property(lambda _: False)),
    "partners are those of the row before": mock.patch.object(
        broadcast, "gather_rows", lambda frame, rows: gather_rows(frame, np.roll(rows, 1))
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_the_laws_notice_bugs(name: str) -> None:
    assert_noticed(MUTANTS[name], LAWS, name)
