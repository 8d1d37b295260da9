"""Offsets become the lines and columns that an editor shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.sql.source import SourceText


@pytest.mark.parametrize(
    ("text", "start", "end", "expected"),
    [
        ("abc", 0, 3, (1, 1, 3)),
        ("abc", 3, 4, (1, 4, 1)),
        ("", 0, 1, (1, 1, 1)),
        ("a\nbc\n", 2, 4, (2, 1, 2)),
        ("a\nbc\n", 5, 6, (3, 1, 1)),
        ("a\r\nbc", 3, 5, (2, 1, 2)),
        ("one\ntwo", 1, 6, (1, 2, 2)),
    ],
)
def test_span(text: str, start: int, end: int, expected: tuple[int, int, int]) -> None:
    span = SourceText(text).span(start, end)
    assert (span.line, span.column, span.length) == expected


@given(st.text(alphabet="ab\n\r\x0b\u2028é", max_size=12), st.integers(0, 14), st.integers(0, 14))
def test_every_place_can_be_shown(text: str, start: int, length: int) -> None:
    span = SourceText(text).span(start, start + length)
    lines = text.splitlines() or [""]
    assert 1 <= span.line <= len(lines) + 1
    assert span.column >= 1
    assert "^" in span.render()
