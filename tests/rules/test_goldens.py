"""Each rule changes plans as its golden cases say, and no result.

Every plan is run before and after, as a batch and as a stream: the same rows come out (law 6).
"""

from __future__ import annotations

import pytest

from tests.rules.golden import BY_NAME, CASES, FILES, Case
from thalweg.connectors.memory import MemorySink
from thalweg.optimizer.optimize import optimize
from thalweg.optimizer.standard import RULES
from thalweg.plan.nodes import Plan, Write
from thalweg.runtime.options import RunOptions
from thalweg.session.execute import Execution, execute


def ids(case: Case) -> str:
    return f"{case.rule}/{case.name.replace(' ', '-')}"


def rows_of(roots: list[Plan], mode: str) -> list[list[str]]:
    """The rows of every root, as sorted text."""
    sinks = [MemorySink(is_parallel=False) for _ in roots]
    writes = [Write(root, sink) for root, sink in zip(roots, sinks, strict=True)]
    options = RunOptions(runtime="inline", rows_max=5)
    execute(writes, Execution(mode=mode, parallelism=2, options=options))
    return [sorted(map(repr, s.table().rows())) for s in sinks]


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_plan_after_the_rule(case: Case) -> None:
    before, after = case.printed()
    assert before == case.before
    assert after == case.after


@pytest.mark.parametrize("mode", ["batch", "stream"])
@pytest.mark.parametrize("case", CASES, ids=ids)
def test_results_are_equal(case: Case, mode: str) -> None:
    roots, optimized = case.roots(), case.optimized()
    assert [r.schema for r in optimized] == [r.schema for r in roots]
    assert rows_of(optimized, mode) == rows_of(roots, mode)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_all_rules_together_keep_the_result(case: Case) -> None:
    roots = case.roots()
    optimized, _ = optimize(roots, RULES)
    assert [r.schema for r in optimized] == [r.schema for r in roots]
    assert rows_of(optimized, "stream") == rows_of(roots, "stream")


@pytest.mark.parametrize("name", BY_NAME)
def test_every_rule_has_cases_for_and_against(name: str) -> None:
    cases = [c for c in CASES if c.rule == name]
    assert any(c.after != "same as above" for c in cases)
    assert any(c.after == "same as above" for c in cases)


def test_names_are_unique() -> None:
    assert len({ids(c) for c in CASES}) == len(CASES)
    assert {p.stem for p in FILES} == set(BY_NAME)
