"""The source kit rejects every broken source, naming the line, and accepts those that are right."""

from __future__ import annotations

import pytest

from tests.kit import broken_filters
from tests.kit import broken_sources as shelf
from thalweg.testing import LINES, ConformanceError, check_source, reading

SHELF = [*shelf.SHELF, *broken_filters.SHELF]


@pytest.mark.parametrize("broken", SHELF, ids=repr)
def test_a_broken_source_is_rejected(broken: shelf.Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PATIENCE_SECONDS", 0.01)
    with pytest.raises(ConformanceError) as caught:
        check_source(broken.make, shelf.EXPECTED)
    assert caught.value.line.id == broken.line, str(caught.value)


def test_every_line_has_a_broken_source() -> None:
    lines = {line for line in LINES if line[0] in "RDLC"}
    assert {b.line for b in SHELF} == lines


def test_a_source_that_keeps_its_contract_is_accepted() -> None:
    check_source(shelf.TwinSource, shelf.EXPECTED)
    check_source(shelf.SlowSource, shelf.EXPECTED)
    check_source(broken_filters.FilteringTwin, shelf.EXPECTED)


def test_bad_rows_are_counted() -> None:
    check_source(shelf.BadRowsSource, shelf.BadRowsSource.expected, bad_count=3)
    with pytest.raises(ConformanceError, match="R6"):
        check_source(shelf.BadRowsSource, shelf.BadRowsSource.expected, bad_count=2)


def test_a_source_without_end_is_looked_at_as_far_as_wanted() -> None:
    check_source(shelf.EndlessSource, rows=25)
    with pytest.raises(AssertionError, match="`rows`"):
        check_source(shelf.EndlessSource)


def test_another_order_than_expected_is_seen() -> None:
    with pytest.raises(ConformanceError, match="R1"):
        check_source(shelf.TwinSource, shelf.EXPECTED.reverse())


def test_the_message_says_what_was_done_and_found() -> None:
    with pytest.raises(ConformanceError) as caught:
        check_source(next(b.make for b in shelf.SHELF if b.make.__name__ == "GivesOneTooMany"))
    text = str(caught.value)
    assert text.splitlines()[0].startswith("[R3] `read(n)` gives at most n rows")
    assert 'split "0": read(1)' in text
    assert "a frame of 2 rows" in text
