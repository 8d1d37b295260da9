"""Times are printed as ISO 8601 says, however far away they are."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.expr import cast_text

NEAR = st.integers(-cast_text._PRINTED_MAX, cast_text._PRINTED_MAX - 1)


def times(*values: int | None) -> pl.Series:
    return pl.Series("t", values, dtype=pl.Int64).cast(pl.Datetime("us"))


@given(st.lists(NEAR, min_size=1), st.sampled_from([0, 3, 6]))
def test_moved_by_cycles_they_are_printed_as_nearer_ones(values: list[int], digits: int) -> None:
    column = times(*values)
    found, wanted = cast_text._far(column, digits), cast_text._near(column, digits)
    assert [_apart(t) for t in found] == [_apart(t) for t in wanted]


def _apart(text: str) -> tuple[int, str]:
    """The year, however many digits and whatever sign it has, and the rest."""
    year, rest = text[0] + text[1:].partition("-")[0], text[1:].partition("-")[2]
    return int(year), rest


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**63 - 1, "+294247-01-10 04:00:54.775807"),
        (-(2**63), "-290308-12-21 19:59:05.224192"),
        (0, "1970-01-01 00:00:00.000000"),
        (None, None),
    ],
)
def test_the_first_and_the_last(value: int | None, text: str | None) -> None:
    column = times(value, 0)
    assert cast_text._print_timestamps(column, 6).to_list() == [text, "1970-01-01 00:00:00.000000"]
    assert column.to_physical().to_list() == [value, 0], "the column that is printed stays as it was"
