"""Write results into a table of an SQLite database.

With checkpoints, the rows of an epoch are kept with the checkpoint and written afterwards, in one transaction
with a progress record. Without them all rows are written in one transaction at the end of the input, so that
a job that fails has changed nothing; those of input that does not end in a transaction at each cut. A table
with a key takes results that change: what has gone is deleted before anything is inserted, and of several
changes of a row only what they come to is written.

Changes:  the database: the table, made if it is not there, and `thalweg_progress`.
Not here: where an epoch's rows are kept until they are written (checkpoint/writer.py).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal as Number
from typing import Any, Literal

import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch
from thalweg.columnar.outside import handed_out
from thalweg.connectors.changes import between_cuts
from thalweg.connectors.connector import Connector, Results
from thalweg.connectors.held_changes import HeldChanges
from thalweg.connectors.options import Option, Values
from thalweg.connectors.sinks import HoldingWriter
from thalweg.connectors.staged_changes import StagedChanges
from thalweg.errors import CheckpointError, ConfigError, ConnectorError
from thalweg.protocols.sink import Delivery, Epoch, StagingWriter, Writer

_TIMEOUT = 30.0
"""Seconds to wait for whoever has locked the database."""
_LOCKED = (
    "nothing of this transaction was written; a process that stands still in one keeps the database: end it"
)
_DDL = (
    "CREATE TABLE IF NOT EXISTS thalweg_progress "
    "(sink TEXT, lineage INTEGER, number INTEGER, fence INTEGER, PRIMARY KEY (sink, lineage))"
)
_NEWEST = "SELECT MAX(fence) FROM thalweg_progress WHERE sink = ?"
_DONE = "SELECT number FROM thalweg_progress WHERE sink = ? AND lineage = ?"
_RECORD = "INSERT OR REPLACE INTO thalweg_progress VALUES (?, ?, ?, ?)"


@dataclass(frozen=True)
class SqliteSink:
    """A table of a database.

    Attributes:
        path: the database file.
        table: the table.
        key: columns that tell rows apart; without them the table only takes rows that stay.
        is_bounded: whether the input ends.
    """

    path: str
    table: str
    key: tuple[str, ...] = ()
    is_bounded: bool = True
    delivery: Delivery = "transactional"
    emit: Literal["cut", "now"] = "cut"
    is_parallel: bool = False

    @property
    def takes_updates(self) -> bool:
        """Whether rows can be found again."""
        return bool(self.key)

    @property
    def alternative(self) -> str:
        """How the table gets results that change, for the message that refuses them."""
        return "a key of the table, by which rows are found again"

    def describe(self) -> str:
        """The table and the file."""
        return f"sqlite {self.table} in {self.path}"

    def open(self, schema: Schema, task: int) -> Writer:
        """A writer of one transaction, or of one per cut where the input does not end; makes the table."""
        del task
        self._prepare(schema)
        if self.is_bounded:
            return HeldChanges(schema, self.key, self._write)

        def publish(batches: list[Batch]) -> None:
            self._write([handed_out(between_cuts(batches, self.key), schema)])

        return HoldingWriter(schema, publish)

    def _write(self, frames: Iterable[pl.DataFrame]) -> None:
        with self._transaction() as database:
            for frame in frames:
                self._apply(database, frame)

    def open_staging(
        self, schema: Schema, task: int, epoch: Epoch, restored: Sequence[Any] = ()
    ) -> StagingWriter:
        """A writer whose rows a checkpoint keeps; makes the table."""
        del task, epoch, restored
        self._prepare(schema)
        return StagedChanges(schema, self.key)

    def commit(self, epoch: Epoch, staged: Sequence[Any]) -> None:
        """Write the rows of an epoch and record it, in one transaction.

        Raises:
            CheckpointError: a newer run has committed.
            ConnectorError: the database cannot be written; nothing was changed.
        """
        with self._transaction() as database:
            (newest,) = database.execute(_NEWEST, (epoch.job_tag,)).fetchone()
            if newest is not None and newest > epoch.fence:
                raise CheckpointError(
                    "another run of the job has committed, and this one may not any more",
                    code="checkpoint-overtaken",
                    where=self.describe(),
                    found=f"run {epoch.fence}; run {newest} has committed",
                )
            done = database.execute(_DONE, (epoch.job_tag, epoch.lineage)).fetchone()
            if done is not None and done[0] >= epoch.number:
                return
            for frame in staged:
                self._apply(database, frame)
            database.execute(_RECORD, (epoch.job_tag, epoch.lineage, epoch.number, epoch.fence))

    def discard(self, epoch: Epoch, kept: Sequence[Any]) -> None:
        """Nothing: what is staged is part of checkpoints."""

    def _apply(self, database: sqlite3.Connection, changes: pl.DataFrame) -> None:
        names = changes.columns[1:]
        gone = changes.filter(pl.col("op").is_in(["-U", "-D"]))
        come = changes.filter(pl.col("op").is_in(["+I", "+U"]))
        if gone.height:
            where = " AND ".join(f"{_quoted(k)} IS ?" for k in self.key)
            text = f"DELETE FROM {_quoted(self.table)} WHERE {where}"  # noqa: S608 - names are quoted
            database.executemany(text, _rows(gone, self.key))
        if come.height:
            places = ", ".join("?" * len(names))
            into = f"{_quoted(self.table)} ({', '.join(map(_quoted, names))})"
            verb = "INSERT OR REPLACE" if self.key else "INSERT"
            database.executemany(f"{verb} INTO {into} VALUES ({places})", _rows(come, names))

    def _prepare(self, schema: Schema) -> None:
        nested = [f for f in schema if f.type.polars.is_nested()]
        if nested:
            raise ConfigError(
                f'column "{nested[0].name}" cannot be written to SQLite',
                code="sink-nested-sqlite",
                found=f"{nested[0].name} {nested[0].type}",
                hint="select the members of the row, or write it as text",
            )
        missing = [k for k in self.key if k not in schema]
        if missing:
            raise ConfigError(
                f'the key "{missing[0]}" is no column of the result',
                code="sink-key",
                choices=schema.names,
            )
        columns = [f"{_quoted(f.name)} {_affinity(f.type.polars)}" for f in schema]
        key = [f"PRIMARY KEY ({', '.join(map(_quoted, self.key))})"] if self.key else []
        with self._transaction() as database:
            database.execute(
                f"CREATE TABLE IF NOT EXISTS {_quoted(self.table)} ({', '.join([*columns, *key])})"
            )
            database.execute(_DDL)
            held = {row[1] for row in database.execute(f"PRAGMA table_info({_quoted(self.table)})")}
        if not held >= set(schema.names):
            raise ConfigError(
                f'the table "{self.table}" does not have the columns of the result',
                code="sink-columns",
                where=self.describe(),
                expected=", ".join(schema.names),
                found=", ".join(sorted(held)),
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; whoever writes first is waited for."""
        try:
            database = sqlite3.connect(self.path, timeout=_TIMEOUT, isolation_level=None)
            try:
                database.execute("BEGIN IMMEDIATE")
                try:
                    yield database
                    database.execute("COMMIT")
                except BaseException:
                    database.execute("ROLLBACK")
                    raise
            finally:
                database.close()
        except sqlite3.Error as error:
            raise ConnectorError(
                "results cannot be written",
                code="sink-cannot-write",
                where=self.describe(),
                found=str(error),
                hint=_LOCKED if "locked" in str(error) else "nothing of this transaction was written",
            ) from error


def _quoted(name: str) -> str:
    """A name in SQL, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def _affinity(dtype: pl.DataType) -> str:
    if dtype.is_integer() or dtype == pl.Boolean:
        return "INTEGER"
    if dtype.is_float():
        return "REAL"
    return "BLOB" if dtype == pl.Binary else "TEXT"


def _rows(frame: pl.DataFrame, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return (tuple(map(_value, row)) for row in frame.select(names).iter_rows())


def _value(value: Any) -> Any:
    """What SQLite can hold: times and decimals are texts."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    return str(value) if isinstance(value, Number) else value


def _sink(values: Values, rows: Results) -> SqliteSink:
    path = os.path.expanduser(values["path"])
    return SqliteSink(path, values["table-name"], rows.key, rows.is_bounded)


SQLITE = Connector(
    "sqlite",
    (
        Option("path", str, None, "the database file", is_required=True),
        Option("table-name", str, None, "the table, made if it is not there", is_required=True),
    ),
    sink=_sink,
)
