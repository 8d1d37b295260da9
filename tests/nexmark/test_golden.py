"""Every query gives its golden values over one million events, as a batch and as a stream."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nexmark.golden import EVENTS, GOLDEN, UNDEFINED
from tests.nexmark.running import COUNT_CHAR, Query, generated, names
from thalweg.connectors.nexmark import PROFILES

QUERIES = [n for n in names() if n in GOLDEN]


def query(name: str, profile: str, folder: Path) -> Query:
    return Query(name, generated(EVENTS[profile] or 0, PROFILES[profile].first_event_rate), folder)


@pytest.mark.slow
@pytest.mark.sampled(3)
@pytest.mark.parametrize("mode", ["batch", "stream"])
@pytest.mark.parametrize("profile", ["S", "W"])
@pytest.mark.parametrize("name", QUERIES)
def test_golden_values(name: str, profile: str, mode: str, tmp_path: Path) -> None:
    found = query(name, profile, tmp_path).answer(mode)
    assert GOLDEN[name].look(found) == GOLDEN[name].of(profile)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_q14_with_a_function_of_the_user(mode: str, tmp_path: Path) -> None:
    of_user = Query("q14", query("q14", "S", tmp_path).events, tmp_path, {"count_char": COUNT_CHAR})
    found = of_user.answer(mode)
    assert GOLDEN["q14"].look(found) == GOLDEN["q14"].smoke


def test_every_query_has_golden_values() -> None:
    known = {*GOLDEN, *UNDEFINED}
    assert [n for n in names() if n not in known and not n.startswith("w_")] == []
