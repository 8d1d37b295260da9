"""Of a test marked `sampled(n)` one case in n runs, and of a thorough run every one."""

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
    def __init__(self, option: str) -> None:
        self.hook = _Hook()
        self.option = option

    def getoption(self, name: str) -> bool:
        return name == self.option


class _Item:
    def __init__(self, nodeid: str, *every: int | None) -> None:
        self.nodeid = nodeid
        self.every = [n for n in every if n is not None]

    def get_closest_marker(self, name: str) -> Any:
        assert name == "sampled"
        return pytest.mark.sampled(*self.every).mark if self.every else None


def _chosen(items: list[_Item], option: str = "") -> tuple[list[str], list[str]]:
    config, left = _Config(option), list(items)
    conftest.pytest_collection_modifyitems(cast("pytest.Config", config), cast("list[pytest.Item]", left))
    return [i.nodeid for i in left], [i.nodeid for i in config.hook.left_out]


def _names(test: str, count: int, *every: int | None) -> list[_Item]:
    return [_Item(f"{test}[{n}]", *every) for n in range(count)]


def test_one_case_in_so_many_of_each_marked_test_runs() -> None:
    items = [*_names("a", 10, 3), *_names("b", 4, None), *_names("c", 4, 2)]
    chosen, others = _chosen(items)
    assert [sum(i.startswith(test) for i in chosen) for test in "abc"] == [4, 4, 2]
    assert sorted([*chosen, *others]) == sorted(i.nodeid for i in items)
    assert chosen == [i.nodeid for i in items if i.nodeid in chosen]
    assert _chosen(items) == (chosen, others)


def test_cases_are_not_drawn_by_turns() -> None:
    """Of a grid of two parameters each value is met."""
    items = [_Item(f"a[{m}-{n}]", 4) for m in range(10) for n in range(4)]
    assert {i.rpartition("-")[2] for i in _chosen(items)[0]} == {"0]", "1]", "2]", "3]"}


@pytest.mark.parametrize(
    ("option", "every", "count"),
    [
        ("--thorough", (4, 2), 3),
        ("--thorough", (4,), 5),
        ("--complete", (4, 2), 5),
        ("", (4, 2), 2),
    ],
)
def test_of_a_thorough_run_more_cases_run(option: str, every: tuple[int, ...], count: int) -> None:
    assert len(_chosen(_names("a", 5, *every), option)[0]) == count


def test_a_case_asked_for_by_name_runs() -> None:
    assert _chosen([_Item("a[2]", 3)]) == (["a[2]"], [])
