"""What every file format must be able to do, and which formats there are.

Not here: the formats themselves (parquet.py, ipc.py, text.py); which files are meant (paths.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import polars as pl

from thalweg.base.schema import Schema
from thalweg.errors import ConfigError, did_you_mean
from thalweg.protocols.conditions import Conditions
from thalweg.protocols.figures import Meter
from thalweg.protocols.source import Position, Reader

EXTENSIONS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".feather": "arrow",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}
ALIASES = {"ipc": "arrow", "feather": "arrow", "jsonl": "json", "ndjson": "json"}
PACKED = (".gz", ".zst")
"""Text files may be packed: `events.csv.gz`."""


UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What Polars raises for a file that it cannot read."""


class Format(Protocol):
    """How one kind of file is read.

    Contract:
        F1 `held` names every column of the file, in order, with its type; reading it changes nothing.
        F2 `reader` keeps the contract of `Reader` (R1 to R9), whichever columns are asked for.
        F3 `scan` gives what `reader` gives, in the same order (L1).

    Checked by: `thalweg.testing.check_format`.
    """

    def held(self, file: str) -> pl.Schema:
        """The columns that the file has."""
        ...

    def reader(self, file: str, target: Schema, position: Position) -> Reader:
        """Reads the target's columns from the position on."""
        ...

    def scan(self, file: str, target: Schema) -> pl.LazyFrame:
        """The target's columns as a plan of Polars."""
        ...


@runtime_checkable
class FilteringFormat(Protocol):
    """A format whose files say enough of their rows to leave some out (`FilteringSource`)."""

    def taken(self, schema: Schema, conditions: Conditions) -> Conditions:
        """Those of the conditions that can leave out rows."""
        ...

    def filtered(self, conditions: Conditions) -> Format:
        """The same format, without some of the rows that do not fulfil the conditions."""
        ...


@runtime_checkable
class CountedFormat(Protocol):
    """A format whose files say how many rows they have."""

    def count(self, file: str) -> int:
        """The rows of a file."""
        ...


@runtime_checkable
class MeteredFormat(Protocol):
    """A format that can count what it reads."""

    def metered(self, meter: Meter) -> Format:
        """The same format, and a count of what is read."""
        ...


@runtime_checkable
class NullKnowingFormat(Protocol):
    """A format whose files may say that columns have no NULLs."""

    def may_hold_null(self, file: str, columns: Sequence[str]) -> bool:
        """Whether there may be a NULL in one of the columns of a file."""
        ...


def named_format(name: str) -> str:
    """The format of that name; an unknown one is a `ConfigError`."""
    known = ALIASES.get(name.lower(), name.lower())
    choices = sorted(set(EXTENSIONS.values()))
    if known not in choices:
        raise ConfigError(
            f'there is no file format "{name}"',
            code="source-format",
            choices=choices,
            hint=did_you_mean(name, choices),
        )
    return known


def format_of_files(files: Iterable[str]) -> str:
    """The one format that the extensions of all files say."""
    seen = {_format_of_file(f): f for f in files}
    if len(seen) == 1 and None not in seen:
        return str(next(iter(seen)))
    raise ConfigError(
        "the format of the files does not follow from their names",
        code="source-format",
        found=", ".join(sorted(seen.values())[:3]),
        choices=sorted(set(EXTENSIONS.values())),
        hint="set 'format'",
    )


def _format_of_file(file: str) -> str | None:
    stem = file.lower()
    for packed in PACKED:
        stem = stem.removesuffix(packed)
    return next((f for end, f in EXTENSIONS.items() if stem.endswith(end)), None)
