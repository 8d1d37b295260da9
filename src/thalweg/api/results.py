"""End a dataset: collect it, look at it, or write it.

What collects or shows runs at once; what writes is queued until the session runs.

Not here: relational steps (dataset.py), how plans run (session/).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, Unpack

import polars as pl

from thalweg.api.display import as_html, as_text
from thalweg.api.frames import missing_library
from thalweg.api.place import caller, located
from thalweg.api.protocol import SessionLike
from thalweg.api.written_files import WrittenCsv, WrittenFiles
from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.base.types import DataType
from thalweg.expr.nodes import Aggregate, Named
from thalweg.plan import build
from thalweg.plan.nodes import Plan
from thalweg.plan.properties import can_replay, properties
from thalweg.protocols.sink import Sink

Changelog: TypeAlias = Literal["append", "ops", "fold"]
"""How results that change reach a sink that only adds rows: not at all, as marked changes, or at the end."""

_SAMPLE_ROWS, _SAMPLE_SECONDS = 10, 1.0


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """What can be known of a dataset, and the ways to get its rows.

    Attributes:
        plan: what is to be computed.
        session: who computes it.
    """

    plan: Plan
    session: SessionLike

    # What is known -----------------------------------------------------------------------------

    @property
    def schema(self) -> Schema:
        """Names and types of the columns."""
        fields = self.plan.schema.fields
        return Schema(tuple(f for f in fields if not f.name.startswith(SYSTEM_PREFIX)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self.schema.names

    @property
    def dtypes(self) -> tuple[DataType, ...]:
        """The types of the columns."""
        return tuple(f.type for f in self.schema)

    @property
    def is_bounded(self) -> bool:
        """Whether the rows end."""
        return properties(self.plan).is_bounded

    @property
    def is_updating(self) -> bool:
        """Whether rows may be taken back or replaced while more input arrives."""
        return properties(self.plan).is_updating

    def explain(self, *, state: bool = False) -> str:
        """Every stage of the way from the program to the job.

        Args:
            state: also show what each step of a stream keeps, for how long, and how much memory an entry
                takes, with a warning where that grows for ever.

        Example:
            >>> import polars as pl, thalweg as tw
            >>> counts = tw.Session().from_polars(pl.DataFrame({"k": [1, 2]})).group_by("k").agg(n=tw.count())
            >>> print(counts.explain(state=True).splitlines()[-1])
            warning: grows for as long as the job runs: group1.group (one group by k)
        """
        return self.session.explain(self.plan, state=state)

    def __repr__(self) -> str:
        return as_text(self.schema, is_bounded=self.is_bounded, is_updating=self.is_updating)

    def _repr_html_(self) -> str:
        """The schema and, if the rows end, those that come at once: at most ten, within a second.

        Rows that can be read only once are left alone.
        """
        may_look = self.is_bounded and can_replay(self.plan)
        sample = self.peek(_SAMPLE_ROWS, _SAMPLE_SECONDS) if may_look else None
        head = as_text(Schema(()), is_bounded=self.is_bounded, is_updating=self.is_updating)
        return as_html(head, self.schema, sample, f"{_SAMPLE_SECONDS:g} s")

    # Rows in memory ----------------------------------------------------------------------------

    def collect(
        self,
        *,
        mode: Literal["automatic", "batch", "stream"] | None = None,
        lateness: Literal["ignore", "as_stream"] | None = None,
    ) -> pl.DataFrame:
        """Compute all rows. The input must end.

        Args:
            mode: `batch` or `stream`, which give the same rows; by default the session's choice.
            lateness: whether a batch accepts every row (`ignore`, the default), or judges which are late
                `as_stream`; a stream always does.
        """
        with located(caller()):
            return self.session.collect(self.plan, mode=mode, lateness=lateness)

    def to_polars(self) -> pl.DataFrame:
        """All rows as a Polars frame."""
        return self.collect()

    def to_pandas(self) -> Any:  # a pandas.DataFrame; pandas need not be installed
        """All rows as a pandas frame."""
        try:
            return self.collect().to_pandas()
        except ImportError as error:
            raise missing_library(error) from error

    def to_arrow(self) -> Any:  # a pyarrow.Table; PyArrow need not be installed
        """All rows as a PyArrow table."""
        try:
            return self.collect().to_arrow()
        except ImportError as error:
            raise missing_library(error) from error

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """All rows for whatever reads the Arrow C interface: `polars.DataFrame(dataset)`."""
        return self.collect().__arrow_c_stream__(requested_schema)

    def head(self, n: int = 5) -> pl.DataFrame:
        """The first rows by position; of a dataset without end, rows that come soon."""
        with located(caller()):
            if self.is_bounded:
                return self.session.collect(build.limit(self.plan, n))
            return self.session.peek(self.plan, n, _SAMPLE_SECONDS)

    def peek(self, n: int = 10, seconds: float = 2.0) -> pl.DataFrame:
        """Some rows of any dataset: what comes within the time, at most `n`."""
        with located(caller()):
            return self.session.peek(self.plan, n, seconds)

    def show(self, n: int = 10) -> None:
        """Print some rows."""
        with located(caller()):
            self.session.show(self.plan, n)

    def count(self) -> int:
        """Compute the number of rows. The input must end."""
        with located(caller()):
            counted = build.group_by(self.plan, [], [Named("count", Aggregate("count"))])
            return int(self.session.collect(counted)["count"].sum())

    def describe(self) -> pl.DataFrame:
        """Compute all rows, and summarize each column. The input must end."""
        return self.collect().describe()

    # Sinks -------------------------------------------------------------------------------------

    def write_parquet(
        self,
        path: str | os.PathLike[str],
        *,
        changelog: Changelog | None = None,
        **options: Unpack[WrittenFiles],
    ) -> None:
        """Queue a directory of Parquet files; `session.run()` writes it.

        Args:
            path: the directory.
            changelog: for results that change, which files can't take back: `ops` writes the changes with
                a column that says which, `fold` the final table.
            options: those of `WrittenFiles`: partitions, and when files are full.

        Example:
            >>> import thalweg as tw
            >>> sales = tw.Session().from_iter([("a", 1)], "shop STRING, n INT")
            >>> sales.write_parquet("out/sales", partition_by="shop")
        """
        self._write(path, "parquet", changelog, **options)

    def write_csv(
        self,
        path: str | os.PathLike[str],
        *,
        changelog: Changelog | None = None,
        **options: Unpack[WrittenCsv],
    ) -> None:
        """Queue a directory of CSV files; see `write_parquet`. Options are also those of `CsvText`.

        Example:
            >>> import thalweg as tw
            >>> prices = tw.Session().from_iter([(1, None)], "id INT, price DOUBLE")
            >>> prices.write_csv("out/prices", separator=";", null_literal="-")
        """
        self._write(path, "csv", changelog, **options)

    def write_json(
        self,
        path: str | os.PathLike[str],
        *,
        changelog: Changelog | None = None,
        **options: Unpack[WrittenFiles],
    ) -> None:
        """Queue a directory of files with one JSON object per line; see `write_parquet`."""
        self._write(path, "json", changelog, **options)

    def write_ipc(
        self,
        path: str | os.PathLike[str],
        *,
        changelog: Changelog | None = None,
        **options: Unpack[WrittenFiles],
    ) -> None:
        """Queue a directory of Arrow IPC files; see `write_parquet`."""
        self._write(path, "arrow", changelog, **options)

    def _write(
        self,
        path: str | os.PathLike[str],
        format: str,
        changelog: Changelog | None,
        **options: Unpack[WrittenCsv],
    ) -> None:
        with located(caller()):
            self.session.write(self.plan, os.fspath(path), format, changelog, **options)

    def write_sqlite(self, path: str | os.PathLike[str], table: str) -> None:
        """Queue a table of an SQLite database, made if it is not there.

        A result that changes needs a key, by which rows are found again: that of a grouping, or of what is
        numbered or deduplicated. It is the table's primary key.

        Args:
            path: the database file.
            table: the name of the table.
        """
        with located(caller()):
            self.session.write_sqlite(self.plan, os.fspath(path), table)

    def write_sink(self, sink: Sink, *, changelog: Changelog | None = None) -> None:
        """Queue any sink that keeps the contract of `thalweg.protocols.sink`."""
        with located(caller()):
            self.session.write_sink(self.plan, sink, changelog)

    def write_callback(
        self,
        function: Callable[[pl.DataFrame], object],
        *,
        changes: bool = False,
        idempotent: bool = False,
    ) -> None:
        """Queue a function that is called with frames of results.

        A job that goes on from a checkpoint calls it again with what has come since.

        Args:
            function: called in the order of the cuts.
            changes: whether it takes changes, marked in a column, instead of rows that never change.
            idempotent: whether being called again with rows that it had changes nothing; `thalweg simulate
                --calls` looks whether that is true.
        """
        with located(caller()):
            self.session.write_callback(self.plan, function, changes, idempotent=idempotent)
