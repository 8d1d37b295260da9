"""Rows as text: what CSV cannot hold is written as JSON, and tables are cut."""

from __future__ import annotations

import polars as pl

from thalweg.cli.output import TABLE_ROWS, as_table
from thalweg.connectors.text.written import csv_lines


def test_nested_columns_become_json_text() -> None:
    frame = pl.DataFrame({"a": [1], "l": [[1, 2]], "s": [{"x": 1, "y": "z"}]})
    assert csv_lines(frame) == 'a,l,s\n1,"[1,2]","{""x"":1,""y"":""z""}"\n'


def test_flat_columns_stay() -> None:
    frame = pl.DataFrame({"a": [1], "b": ["x"]})
    assert csv_lines(frame, has_header=False) == "1,x\n"


def test_a_long_table_says_that_it_is_cut() -> None:
    text = as_table(pl.DataFrame({"a": range(TABLE_ROWS + 5)}))
    assert text.endswith(f"({TABLE_ROWS + 5} rows, the first {TABLE_ROWS} shown)")


def test_a_table_without_rows_shows_its_columns() -> None:
    assert as_table(pl.DataFrame({"a": []})).splitlines()[1] == "│ a │"
