"""The kit of transactional sinks rejects every broken one, naming the line, and accepts the right one."""

from __future__ import annotations

import pytest

from tests.kit.broken_transactions import ListSink, TornSink
from thalweg.testing import LINES, ConformanceError, check_transactional

BREAKERS = ("G1", "G2", "G3", "X1", "X3", "X4")


def test_a_sink_that_keeps_its_contract_is_accepted() -> None:
    check_transactional(ListSink, ListSink.read_back)  # type: ignore[arg-type]


@pytest.mark.parametrize("line", [*BREAKERS, "X4 of newer runs"])
def test_a_broken_sink_is_rejected(line: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_transactional(lambda: ListSink(line), ListSink.read_back)  # type: ignore[arg-type]
    assert caught.value.line.id == line[:2], str(caught.value)


def test_a_commit_that_broke_off_is_looked_at() -> None:
    with pytest.raises(ConformanceError) as caught:
        check_transactional(TornSink, ListSink.read_back)  # type: ignore[arg-type]
    assert caught.value.line.id == "X2", str(caught.value)


def test_every_line_has_a_broken_sink() -> None:
    assert {*BREAKERS, "X2"} == {line for line in LINES if line[0] in "GX"}
