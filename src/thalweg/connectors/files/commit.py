"""Say when a partition is complete, and mark it so with an empty file.

A partition is committed when time has passed it by a delay: event time, compared with the time that its
values name, or the clock, compared with its first row. At the end of the input every partition is.

Changes:  the directory of a partition.
Not here: what is in it (partitioned_sink.py).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Literal

import polars as pl

from thalweg.base.types import STRING, TIMESTAMP
from thalweg.checkpoint.disk import Disk
from thalweg.connectors.files.paths import HIDDEN
from thalweg.errors import ConfigError, DataError
from thalweg.expr.casts import build_cast
from thalweg.expr.functions.time_text import parse_times

Trigger = Literal["process-time", "partition-time"]
_NAME = re.compile(r"\$(\w+)")


def marker(name: str) -> str:
    """A name for the file that marks a partition, which nobody reads as data."""
    if not name.startswith(HIDDEN) or "/" in name:
        raise ConfigError(
            f'"{name}" is no name for a file that marks a partition',
            code="sink-success-file",
            expected="a name that begins with _ or ., so that the file is not read as data",
        )
    return name


@dataclass(frozen=True)
class Commit:
    """How partitions are committed.

    Attributes:
        trigger: by the clock, or by event time.
        delay: microseconds that have to pass.
        marker: the name of the file that marks a partition.
        pattern: the time of a partition, with `$column` for values; None: the first value.
        form: how that time is written, as a Java pattern; None: as SQL writes timestamps.
    """

    trigger: Trigger = "process-time"
    delay: int = 0
    marker: str = "_SUCCESS"
    pattern: str | None = None
    form: str | None = None

    @property
    def is_timed(self) -> bool:
        """Whether event time decides."""
        return self.trigger == "partition-time"

    def check(self, names: tuple[str, ...]) -> None:
        """Raise unless the pattern names columns that rows are partitioned by."""
        unknown = [n for n in _NAME.findall(self.pattern or "") if n not in names]
        if unknown:
            raise ConfigError(
                f'the time of a partition names "{unknown[0]}", by which rows are not partitioned',
                code="partition-time-pattern",
                found=self.pattern,
                choices=[f"${n}" for n in names],
            )

    def time(self, values: Mapping[str, str | None], directory: str) -> int:
        """The time that a partition's values name, in microseconds since 1970.

        Raises:
            DataError: they name none.

        Example:
            >>> Commit(pattern="$d 00:$m:00").time({"d": "1970-01-01", "m": "01"}, "out")
            60000000
        """
        first = next(iter(values.values()))
        if self.pattern is None:
            text = first
        else:
            text = _NAME.sub(lambda found: values[found[1]] or "NULL", self.pattern)
        literal = pl.lit(text, dtype=pl.String)
        wanted = (
            build_cast(literal, STRING, TIMESTAMP) if self.form is None else parse_times(literal, self.form)
        )
        moment = pl.select(wanted.cast(pl.Int64)).item()
        if moment is None:
            raise DataError(
                "the values of a partition name no time, so that it cannot be told when it is complete",
                code="sink-partition-time",
                where=directory,
                expected=self.form or "yyyy-MM-dd HH:mm:ss, or yyyy-MM-dd",
                found=str(text),
                hint="'partition.time-extractor.timestamp-pattern', or partition_time in Python, says how a "
                "time is made of the values, such as '$dt $hm:00'",
            )
        return int(moment)

    def mark(self, disk: Disk, directory: str) -> None:
        """Leave the file that says that the partition is complete."""
        with suppress(FileExistsError), closing(disk.create(os.path.join(directory, self.marker))) as file:
            file.sync()
