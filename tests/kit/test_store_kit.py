"""The kit of stores rejects every broken one, naming the line, and accepts the right one."""

from __future__ import annotations

import pytest

from tests.kit.broken_stores import BREAKERS, DictStore, Medium
from thalweg.testing import LINES, ConformanceError, check_store


def test_a_store_that_keeps_its_contract_is_accepted() -> None:
    medium = Medium()
    check_store(lambda: DictStore(medium), medium.loses_answers)


@pytest.mark.parametrize("breaks", BREAKERS)
def test_a_broken_store_is_rejected(breaks: str) -> None:
    medium = Medium()
    with pytest.raises(ConformanceError) as caught:
        check_store(lambda: DictStore(medium, breaks), medium.loses_answers)
    assert caught.value.line.id == breaks[:2], str(caught.value)


def test_every_line_has_a_broken_store() -> None:
    assert {breaks[:2] for breaks in BREAKERS} == {line for line in LINES if line[0] == "T"}


class Unsure(DictStore):
    """A store that cannot tell whether it has put something whose answer got lost, and says so."""

    def put_new(self, name: str, data: bytes) -> bool:
        won = super().put_new(name, data)
        if self._medium.is_losing:
            raise self._failed(name)
        return won


def test_a_store_may_say_that_it_does_not_know() -> None:
    medium = Medium()
    check_store(lambda: Unsure(medium), medium.loses_answers)
    assert medium.held["e/mine"][0] == b"mine"
