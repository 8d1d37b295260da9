"""Write rows to the standard output as a table, CSV, JSON lines, Parquet or Arrow IPC.

Not here: what is said about a job (standard error: progress.py, failures.py).
"""

from __future__ import annotations

import shutil
import sys
from io import BytesIO
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import polars as pl

FORMATS = ("table", "csv", "json", "parquet", "arrow")
TABLE_ROWS = 200


def write_rows(frame: pl.DataFrame, form: str) -> None:
    """Write a frame in one of `FORMATS`."""
    if form == "table":
        click.echo(as_table(frame))
    elif form in ("csv", "json"):
        click.echo(as_lines(frame, form), nl=False)
    else:
        _write_binary(frame, form)


def as_table(frame: pl.DataFrame) -> str:
    """The first rows drawn as a table, and how many there are."""
    import polars as pl

    shown = {"tbl_rows": TABLE_ROWS, "tbl_cols": -1, "fmt_str_lengths": 80, "fmt_table_cell_list_len": 8}
    with pl.Config(
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_formatting="UTF8_FULL_CONDENSED",
        tbl_width_chars=shutil.get_terminal_size((160, 50)).columns,
        **shown,  # type: ignore[arg-type]  # all of them numbers
    ):
        text = str(frame.head(TABLE_ROWS)) if frame.width else "(no columns)"
    rest = f", the first {TABLE_ROWS} shown" if frame.height > TABLE_ROWS else ""
    return f"{text}\n({frame.height} row{'' if frame.height == 1 else 's'}{rest})"


def as_lines(frame: pl.DataFrame, form: str, *, has_header: bool = True) -> str:
    """The rows as CSV or as JSON lines."""
    from thalweg.connectors.text.written import csv_lines, json_lines

    return csv_lines(frame, has_header=has_header) if form == "csv" else json_lines(frame)


def check_binary(form: str) -> None:
    """Refuse to fill a terminal with bytes."""
    if form in ("parquet", "arrow") and sys.stdout.isatty():
        raise click.UsageError(f"{form} is not for a terminal; send it to a file: … > rows.{form}")


def _write_binary(frame: pl.DataFrame, form: str) -> None:
    held = BytesIO()
    if form == "parquet":
        frame.write_parquet(held)
    else:
        frame.write_ipc(held)
    sys.stdout.flush()
    sys.stdout.buffer.write(held.getvalue())
    sys.stdout.buffer.flush()
