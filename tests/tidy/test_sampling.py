"""Of a test marked `sampled(n)` each n-th case runs, and of a thorough run every one."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests import conftest


class _Hook:
    def __init__(self) -> None:
        self.left_out: list[_Item] = []

    def pytest_deselected(self, items: list[_Item]) -> None:
        self.left_out += items


class _Config:
    def __init__(self, *, is_thorough: bool) -> None:
        self.hook = _Hook()
        self.is_thorough = is_thorough

    def getoption(self, name: str) -> bool:
        assert name == "--thorough"
        return self.is_thorough


class _Item:
    def __init__(self, nodeid: str, *every: int | None) -> None:
        self.nodeid = nodeid
        self.every = [n for n in every if n is not None]

    def get_closest_marker(self, name: str) -> Any:
        assert name == "sampled"
        return pytest.mark.sampled(*self.every).mark if self.every else None


def _chosen(items: list[_Item], *, is_thorough: bool = False) -> tuple[list[str], list[str]]:
    config, left = _Config(is_thorough=is_thorough), list(items)
    conftest.pytest_collection_modifyitems(cast("pytest.Config", config), cast("list[pytest.Item]", left))
    return [i.nodeid for i in left], [i.nodeid for i in config.hook.left_out]


def test_each_nth_case_of_each_marked_test_runs() -> None:
    items = [_Item(f"{t}[{n}]", every) for t, every in (("a", 3), ("b", None), ("c", 2)) for n in range(4)]
    chosen, others = _chosen(items)
    assert chosen == ["a[0]", "a[3]", "b[0]", "b[1]", "b[2]", "b[3]", "c[0]", "c[2]"]
    assert others == ["a[1]", "a[2]", "c[1]", "c[3]"]
    assert _chosen(items, is_thorough=True) == ([i.nodeid for i in items], [])


def test_of_a_thorough_run_each_mth_case_runs_where_it_says_so() -> None:
    items = [_Item(f"a[{n}]", 4, 2) for n in range(5)]
    assert _chosen(items)[0] == ["a[0]", "a[4]"]
    assert _chosen(items, is_thorough=True)[0] == ["a[0]", "a[2]", "a[4]"]


def test_a_case_asked_for_by_name_runs() -> None:
    assert _chosen([_Item("a[2]", 3)]) == (["a[2]"], [])
