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

SHELL_FORMATS = ("table", "csv", "json")
FORMATS = ("table", "csv", "json", "parquet", "arrow")
TABLE_ROWS = 200
_WIDTH_MAX = 60_000
_PICTURES = {i: chr(0x2400 + i) for i in range(0x20)} | {0x7F: "␡"} | dict.fromkeys(range(0x80, 0xA0), "�")


def write_rows(frame: pl.DataFrame, form: str) -> None:
    """Write a frame in one of `FORMATS`."""
    if form == "table":
        click.echo(as_table(frame))
    elif form in ("csv", "json"):
        click.echo(as_lines(frame, form), nl=False)
    else:
        _write_binary(frame, form)


def as_table(frame: pl.DataFrame, count: int | None = None) -> str:
    """The first rows drawn as a table, and how many there are: `count`, or those of the frame."""
    text = drawn(frame.head(TABLE_ROWS), width=shutil.get_terminal_size((160, 50)).columns)
    count = frame.height if count is None else count
    rest = f", the first {TABLE_ROWS} shown" if count > TABLE_ROWS else ""
    return f"{text}\n({count} row{'' if count == 1 else 's'}{rest})"


def drawn(frame: pl.DataFrame, *, width: int = _WIDTH_MAX, text_length: int = 80) -> str:
    """All rows as a table; where the width does not suffice, cells have several lines."""
    import polars as pl

    if not frame.width:
        return "(no columns)"
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    shown = frame.with_columns(pl.Series(n, map(_printable, frame[n]), pl.String) for n in texts)
    numbers = {"tbl_rows": -1, "tbl_cols": -1, "fmt_str_lengths": text_length, "fmt_table_cell_list_len": 8}
    with pl.Config(
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_formatting="UTF8_FULL_CONDENSED",
        tbl_width_chars=width,
        **numbers,  # type: ignore[arg-type]  # all of them numbers
    ):
        return str(shown)


def printable(text: str) -> str:
    r"""The text with its control characters made visible: rows must not steer the terminal.

    Example:
        >>> printable("a\nb\x1b[2J")
        'a␊b␛[2J'
    """
    return text.translate(_PICTURES)


def _printable(text: str | None) -> str | None:
    return None if text is None else printable(text)


def as_lines(frame: pl.DataFrame, form: str, *, has_header: bool = True) -> str:
    """The rows as CSV or as JSON lines."""
    from thalweg.columnar.spelled import json_lines
    from thalweg.connectors.text.written import csv_lines

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
