"""Look-ups of random plans: in a table that stands they are joins; in one that changes, answers stay."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.harness import batch, interrupted, random_way, stream
from tests.property.laws import check
from tests.property.noticing import assert_noticed
from tests.property.plans import Case, random_case
from tests.property.reference import Reference
from tests.property.small_plans import KEYS, side
from tests.property.test_engine_laws import UNHURRIED
from tests.sampling import drawn
from thalweg.columnar.eager import gather_rows
from thalweg.connectors.memory import frame_source
from thalweg.connectors.memory_table import MemoryTable
from thalweg.expr.nodes import Aggregate, Column, Named
from thalweg.operators import lookup
from thalweg.plan import build
from thalweg.plan.join import apart, equal
from thalweg.plan.lookup import lookup_join
from thalweg.plan.nodes import Plan, Scan
from thalweg.protocols.source import Source


def looked_up(r: Random, plan: Plan, source: Source, keys: list[str]) -> Plan:
    other, called = apart(plan, Scan(source), lambda name: f"{name}_side")
    condition = equal([(Column(n), Column(called[n])) for n in keys])
    return lookup_join(plan, other, r.choice(["inner", "left"]), condition)


def some_rows(r: Random, *, is_punctual: bool) -> tuple[Case, Plan, list[str]] | None:
    """A case with one root, and the columns to look its rows up by."""
    case = random_case(r, is_punctual=is_punctual)
    plan = case.roots[0]
    keys = [n for n in KEYS if n in plan.schema]
    return (case, plan, r.sample(keys, r.randint(1, len(keys)))) if keys else None


def a_table_that_stands_is_joined(r: Random) -> None:
    """Laws 1 to 5: both modes, any cuts, checkpoints and tasks give the join."""
    found = some_rows(r, is_punctual=True)
    if found is None:
        return
    case, plan, keys = found
    root = looked_up(r, plan, frame_source(side(r, plan, keys)), keys)
    roots = [root]
    if r.random() < 0.4:
        names = [Named(k, Column(k)) for k in keys]
        roots.append(build.group_by(root, names, [*names, Named("n", Aggregate("count"))]))
    case = Case(case.worlds, tuple(roots))
    wanted = Reference(case.roots, judges=True).tables()
    check(case, batch(case, is_optimized=r.random() < 0.5), wanted, "batch")
    check(case, stream(case, random_way(r, case.rows)).tables(), wanted, "stream")
    # other rules or writers make another job, and a checkpoint fits its own job only
    one = random_way(r, case.rows)
    ways = [
        replace(one, parallelism=n, rows_max=min(one.rows_max, 30)) for n in r.choice([(1, 3, 2), (2, 2)])
    ]
    logs, _ = interrupted(case, ways, r)
    check(case, [log.table() for log in logs], wanted, "with restarts")


class _Changing(MemoryTable):
    """Has other rows whenever somebody looks."""

    def __init__(self, r: Random, plan: Plan, keys: list[str]) -> None:
        super().__init__(side(r, plan, keys))
        self._r, self._plan, self._keys = r, plan, keys

    def version(self) -> int:
        self.replace(side(self._r, self._plan, self._keys, self._version + 1))
        return self._version


def what_was_answered_stays(r: Random) -> None:
    """Each row has answers of one moment, and a row that goes takes along what it was answered."""
    found = some_rows(r, is_punctual=True)
    if found is None:
        return
    case, plan, keys = found
    other, called = apart(plan, Scan(_Changing(Random(r.random()), plan, keys)), lambda name: f"{name}_side")
    root = lookup_join(plan, other, "left", equal([(Column(n), Column(called[n])) for n in keys]))
    case = Case(case.worlds, (root,))
    # every cut on the way is checked: no row is there less than zero times
    (table,) = stream(case, random_way(r, case.rows)).tables()
    (left,) = Reference((plan,), judges=True).tables()
    width = len(plan.schema)
    text = root.schema.names.index("text")
    assert {row[:width] for row in table} == set(left), repr(case)
    versions: dict[Any, Counter[str]] = {}
    for row, count in table.items():
        if row[text] is not None:
            versions.setdefault(row[:width], Counter())[str(row[text]).split()[0]] += count
    for row, found_versions in versions.items():
        assert len(found_versions) <= left[row], repr(case)


LAWS = (a_table_that_stands_is_joined, what_was_answered_stays)


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@settings(max_examples=drawn(9, 25), suppress_health_check=UNHURRIED, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_law(law: Any, seed: int) -> None:
    law(Random(seed))


def _forgets(*_: object) -> Any:
    return np.zeros(_[0].height, np.bool_)  # type: ignore[attr-defined]


MUTANTS = {
    "a row that is there is asked for anew": mock.patch.object(lookup, "_same_rows", _forgets),
    "answers go to the row before": mock.patch.object(
        lookup, "gather_rows", lambda frame, rows: gather_rows(frame, np.roll(rows, 1))
    ),
    "answers of a row have no numbers": mock.patch.object(
        lookup, "_numbered", lambda places, counts: np.zeros(len(places), np.int64) + counts[places] * 0
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_the_laws_notice_bugs(name: str) -> None:
    assert_noticed(MUTANTS[name], LAWS, name)
