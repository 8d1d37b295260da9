"""Name the ways to write CSV, the same to read and to write.

Not here: what they mean in detail, and what they may be (connectors/text/csv.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict


class CsvText(TypedDict, total=False):
    """How a CSV text is written, as keyword arguments of `read_csv` and `write_csv`.

    Attributes:
        separator: one character between fields; by default a comma.
        quote: one character around fields; None: quotes are ordinary text.
        null_literal: what stands for NULL; by default an empty field without quotes.
        has_header: whether the first line names the columns; by default written, and to read: whether it
            has all declared names.
        comment: to read: lines that begin with this character are skipped.
        is_lenient: to read: a field that is not of its type becomes NULL instead of making the row bad.
    """

    separator: str
    quote: str | None
    null_literal: str | None
    has_header: bool | None
    comment: str | None
    is_lenient: bool


class CsvFiles(CsvText, total=False):
    """The same, and how several files are read: `source_of_files` and `from_source` explain it."""

    order: str | None
    interval: float | None
    partition_by: Sequence[str] | None
    default_partition: str | None
    dead_letter: Any  # a path, or a sink


__all__ = ["CsvFiles", "CsvText"]
