"""Tables fit the terminal, and say what they leave out."""

from __future__ import annotations

import polars as pl
import pytest

from thalweg.cli.shell.live import LiveTable
from thalweg.cli.shell.tables import fitted


def lines(frame: pl.DataFrame, width: int, rows: int = 40) -> list[str]:
    return fitted(frame, rows=rows, height=frame.height, width=width).splitlines()


def test_what_fits_is_shown_without_a_word() -> None:
    assert lines(pl.DataFrame({"a": [1]}), 80) == ["┌───┐", "│ a │", "╞═══╡", "│ 1 │", "└───┘"]


def test_rows_that_are_left_out_are_counted() -> None:
    shown = lines(pl.DataFrame({"a": range(5000)}), 80, rows=2)
    assert len(shown) == 7
    assert shown[-1] == "(the first 2 of 5 000 rows; .rows N shows more, .mode csv all)"


@pytest.mark.parametrize("width", [20, 60, 100, 300])
def test_columns_that_are_left_out_are_counted(width: int) -> None:
    shown = lines(pl.DataFrame({f"column_{i}": ["x" * 30] for i in range(50)}), width)
    assert max(len(line) for line in shown[:5]) <= width
    count = shown[1].count("column_") if width > 20 else 1
    assert shown[-1] == f"({count} of 50 columns; .mode json shows all)"


def test_long_texts_are_cut_before_columns_are() -> None:
    shown = lines(pl.DataFrame({"a": ["x" * 200], "b": ["y" * 200]}), 100)
    assert shown[1].count("┆") == 1
    assert len(shown[0]) <= 100
    assert "columns" not in shown[-1]


def test_rows_do_not_steer_the_terminal() -> None:
    frame = pl.DataFrame({"a": ["x\x1b[2Jy\nz", None]})
    assert "│ x␛[2Jy␊z │" in lines(frame, 80)
    assert "x␛[2Jy␊z" in LiveTable(80).add(frame, 0.0)


def test_a_live_table_has_one_head_and_one_end() -> None:
    table = LiveTable(80)
    text = table.add(pl.DataFrame({"op": ["+I"], "n": [1]}), 0.0)
    text += table.add(pl.DataFrame({"op": ["-U", "+U"], "n": [1, None]}), 1.0)
    assert (text + table.end()).splitlines() == [
        "┌────┬────────┐",
        "│ op ┆ n      │",
        "╞════╪════════╡",
        "│ +I ┆ 1      │",
        "│ -U ┆ 1      │",
        "│ +U ┆ null   │",
        "└────┴────────┘",
    ]


def test_numbers_are_not_cut_in_a_live_table() -> None:
    table = LiveTable(60)
    table.add(pl.DataFrame({"t": ["x" * 90], "n": [1]}), 0.0)
    text = table.add(pl.DataFrame({"t": ["y" * 90], "n": [-(10**18)]}), 0.0)
    assert str(-(10**18)) in text
    assert len(text.rstrip()) <= 60


def test_a_flood_is_thinned_and_said_to_be() -> None:
    table = LiveTable(80)
    flood = pl.DataFrame({"a": range(1000)})
    text = "".join(table.add(flood, i / 10) for i in range(30)) + table.end()
    assert table.rows == 30_000
    assert table.shown < 700
    assert "more rows, too many to show" in text
    assert text.endswith(f"({table.shown} of 30 000 rows shown; .mode csv writes all)\n")


def test_a_table_without_rows_is_nothing() -> None:
    assert LiveTable(80).end() == ""


def test_live_columns_that_do_not_fit_are_counted() -> None:
    table = LiveTable(40)
    text = table.add(pl.DataFrame({f"c{i}": ["x" * 30] for i in range(20)}), 0.0) + table.end()
    assert max(map(len, text.splitlines()[:-1])) <= 40
    assert text.splitlines()[-1] == "(2 of 20 columns shown; .mode json writes all)"
