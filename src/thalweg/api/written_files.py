"""Name the ways to write directories of files, the same for every format.

Not here: what they mean in detail (connectors/files), the ways to write CSV (csv_text.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TypedDict

from thalweg.api.csv_text import CsvText


class WrittenFiles(TypedDict, total=False):
    """How files are written, as keyword arguments of `write_parquet` and the others.

    Attributes:
        partition_by: columns by whose values rows are laid out in directories `column=value`, the outer one
            first; the files do not have them.
        default_partition: what stands for NULL in the name of a directory.
        success_file: the name of a file that marks a complete partition, such as `_SUCCESS`.
        partition_time: the time of a partition, with `$column` for values, such as `$day $hour:00:00`. It is
            complete when event time has passed it by `commit_delay`; without this, when the clock has passed
            its first row by that.
        commit_delay: a span of time, such as `1 min`.
        part_rows: how many rows make a file full.
        part_bytes: how many bytes do, as they are held in memory.
        part_age: after which time since its first row a file is full; by default files appear at every cut,
            or at the end of input that ends.
    """

    partition_by: str | Sequence[str]
    default_partition: str
    success_file: str
    partition_time: str
    commit_delay: str | timedelta
    part_rows: int
    part_bytes: int
    part_age: str | timedelta


class WrittenCsv(WrittenFiles, CsvText, total=False):
    """The same, and how CSV is written."""


__all__ = ["WrittenCsv", "WrittenFiles"]
