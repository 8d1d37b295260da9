"""Check a file format: what it says about a file, and the readers it makes.

Reads:    one file.
Not here: the lines of readers (sources.py).
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from thalweg.base.schema import Schema
from thalweg.connectors.files.format import Format
from thalweg.connectors.files.source import FileSource
from thalweg.testing.contract import ConformanceError, broken, check
from thalweg.testing.sources import check_source


def check_format(
    make_format: Callable[[], Format], file: str, expected: pl.DataFrame, *, bad_count: int = 0
) -> None:
    """Run a format against F1 to F3, by reading one file that it can read.

    Args:
        make_format: makes the format.
        file: a file with the rows expected.
        expected: its rows, with the types that they are to be read as.
        bad_count: how many rows of the file cannot be read.

    Raises:
        ConformanceError: names the line that is broken; a line of readers (R1 to R9) if it is F2.
    """
    first = make_format().held(file)
    again = make_format().held(file)
    check(first == again, "F1", "held() twice", expected=dict(first), found=dict(again))
    check(first.names() == expected.columns, "F1", "held()", expected=expected.columns, found=first.names())
    schema = Schema.from_polars(dict(expected.schema))

    def make_source() -> FileSource:
        return FileSource(file, schema, make_format())

    try:
        check_source(make_source, expected, bad_count=bad_count)
    except ConformanceError as error:
        if error.line.id != "L1":
            raise
        raise broken("F3", error.what, expected=error.expected, found=error.found) from error
