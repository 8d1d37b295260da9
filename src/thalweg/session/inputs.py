"""Make datasets of whatever a program has: files, frames, rows from Python, generated events.

Reads:    files and rows, as far as their columns must be known.
Not here: tables with a name (catalog.py), when the rows are read (execute.py).
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack, cast

from thalweg.connectors.memory import frame_source
from thalweg.plan.nodes import Plan
from thalweg.session.letters import LetterBox

if TYPE_CHECKING:
    from thalweg.api.csv_text import CsvFiles
    from thalweg.api.dataset import Dataset
    from thalweg.api.types import SchemaLike
    from thalweg.session.nexmark import NexmarkTables
    from thalweg.session.session import Session

PathLike: TypeAlias = "str | os.PathLike[str]"


class Inputs(ABC):
    """The ways to read; a session has them all."""

    @abstractmethod
    def _dataset(self, plan: Plan) -> Dataset:
        """A dataset of this session."""

    @abstractmethod
    def _scan(self, source: Any, name: str | None, dead_letter: LetterBox | None, *, journal: bool) -> Plan:
        """The rows of a source; those that cannot be read go to a sink, if it is said or set."""

    def from_source(
        self,
        source: Any,
        name: str | None = None,
        *,
        dead_letter: LetterBox | None = None,
        journal: bool = False,
    ) -> Dataset:
        """The rows of a source that keeps the contract of `thalweg.protocols.source`.

        Args:
            source: the source.
            name: what messages call it.
            dead_letter: the directory, or the sink, that takes rows that cannot be read, in jobs that `run`
                starts; by default the option `pipeline.dead-letter`, and without one they stop the job.
            journal: whether a stream with checkpoints writes down what the source gives, if it cannot be
                read again.
        """
        return self._dataset(self._scan(source, name, dead_letter, journal=journal))

    # Files -------------------------------------------------------------------------------------

    def read_parquet(
        self, path: PathLike | Sequence[PathLike], *, schema: SchemaLike | None = None, **options: Any
    ) -> Dataset:
        """The rows of Parquet files.

        Args:
            path: a file, a pattern, a directory, or several of these.
            schema: columns and types, such as `{"id": int}` or `"id BIGINT"`; by default those of the
                first file.
            options: `order`, `interval`, `partition_by` and `default_partition`, as `source_of_files`
                explains them; `dead_letter` as in `from_source`.
        """
        return self._read(path, "parquet", schema, options)

    def read_ipc(
        self, path: PathLike | Sequence[PathLike], *, schema: SchemaLike | None = None, **options: Any
    ) -> Dataset:
        """The rows of Arrow IPC files; see `read_parquet`."""
        return self._read(path, "arrow", schema, options)

    def read_csv(
        self,
        path: PathLike | Sequence[PathLike],
        *,
        schema: SchemaLike | None = None,
        **options: Unpack[CsvFiles],
    ) -> Dataset:
        """The rows of CSV files; see `read_parquet`. Further options are those of `CsvText`."""
        return self._read(path, "csv", schema, dict(options))

    def read_json(
        self, path: PathLike | Sequence[PathLike], *, schema: SchemaLike | None = None, **options: Any
    ) -> Dataset:
        """The rows of files with one JSON object per line; see `read_parquet`."""
        return self._read(path, "json", schema, options)

    def _read(
        self,
        path: PathLike | Sequence[PathLike],
        form: str,
        schema: SchemaLike | None,
        options: dict[str, Any],
    ) -> Dataset:
        from thalweg.api.place import caller, located
        from thalweg.api.types import schema_of
        from thalweg.connectors.files.partitioned_source import source_of_files

        box = options.pop("dead_letter", None)
        is_one = isinstance(path, (str, os.PathLike))
        paths = os.fspath(path) if is_one else [os.fspath(p) for p in path]  # type: ignore[union-attr,arg-type]
        with located(caller()):
            known = None if schema is None else schema_of(schema)
            return self.from_source(source_of_files(paths, form, known, **options), dead_letter=box)

    # Rows in the program -----------------------------------------------------------------------

    def from_polars(self, frame: Any, name: str = "frame") -> Dataset:
        """The rows of a frame: Polars, pandas, PyArrow, or anything with the Arrow PyCapsule interface."""
        from thalweg.api.frames import to_frame

        return self.from_source(frame_source(to_frame(frame), name=name))

    from_pandas = from_arrow = from_frame = from_polars

    def from_iter(
        self,
        rows: Iterable[Any] | AsyncIterable[Any],
        schema: SchemaLike | None = None,
        *,
        name: str = "iterator",
        is_bounded: bool = True,
        dead_letter: LetterBox | None = None,
        journal: bool = False,
    ) -> Dataset:
        """The rows that Python makes: mappings, tuples, dataclasses or frames.

        A generator, also an asynchronous one, is read while it makes rows, and gives them once.

        Args:
            rows: an iterable or an asynchronous one.
            schema: columns and types, such as `{"id": int}` or `"id BIGINT"`; by default what the first
                rows have. Asynchronous rows need it.
            name: what messages call it.
            is_bounded: whether the rows end.
            dead_letter, journal: as in `from_source`. What keeps a journal is iterated over once, unless
                it is a collection such as a list, and need not give its rows again.
        """
        from thalweg.api.place import caller, located
        from thalweg.api.types import schema_of
        from thalweg.connectors.iterators import from_iter

        with located(caller()):
            known = None if schema is None else schema_of(schema)
            # who asks for a journal says so: it may be a queue, which is empty when it is iterated again
            source = from_iter(rows, known, name=name, is_bounded=is_bounded, gives_once=journal)
            return self.from_source(source, dead_letter=dead_letter, journal=journal)

    # Generated events --------------------------------------------------------------------------

    def read_nexmark(self, events: int | None = None, **options: Any) -> NexmarkTables:
        """The Nexmark stream, with its views `person`, `auction` and `bid` (see `session/nexmark.py`)."""
        from thalweg.api.place import caller, located
        from thalweg.session.nexmark import nexmark_tables

        with located(caller()):
            return nexmark_tables(cast("Session", self), events, **options)


__all__ = ["Inputs", "PathLike"]
