"""Look at the dead letters of a directory, and put their rows back where a job reads.

Nothing here needs the program of the job.

Reads, changes:  a directory of dead letters; where rows are put back, a directory that a job reads.
Not here: how letters get there (letters.py), what is put back (replaying.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from thalweg.checkpoint.addresses import is_remote
from thalweg.checkpoint.hold import TAKEN, held
from thalweg.checkpoint.holders import holders_of
from thalweg.checkpoint.places import store_at
from thalweg.checkpoint.store import Store
from thalweg.connectors.files.paths import find_files
from thalweg.connectors.files.source import file_source
from thalweg.errors import ConfigError, DataError, PlanError
from thalweg.protocols.letters import LETTERS
from thalweg.session.replaying import MARKS, Edits, Replayed, Replaying, marks_of

_LISTED = ("source", "reason", "code")


class DeadLetters:
    """The dead letters that jobs have written to a directory.

    Args:
        directory: the directory.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = os.fspath(directory)

    def rows(self) -> pl.DataFrame:
        """All letters, in the order of their places; `replayed_to` says where a row was put back.

        Raises:
            ConfigError: the files are no dead letters.
        """
        if not os.path.isdir(self._directory):
            find_files(self._directory)
        places = {i: mark.target for mark in marks_of(self._store) for i in mark.ids}
        marked = pl.col("id").replace_strict(places, default=None, return_dtype=pl.String())
        whole = self._read().unique("id", keep="first", maintain_order=True)
        return whole.with_columns(marked.alias("replayed_to")).sort("source", "split", "position", "id")

    def list(self) -> pl.DataFrame:
        """How many letters there are, by source and error, and how many of them were put back."""
        counts = (
            pl.len().cast(pl.Int64).alias("rows"),
            pl.col("replayed_to").count().cast(pl.Int64).alias("replayed"),
            pl.col("quarantined_at").min().alias("first"),
            pl.col("quarantined_at").max().alias("last"),
        )
        return self.rows().group_by(*_LISTED).agg(*counts).sort(*_LISTED, nulls_last=True)

    def replay(
        self,
        to: str | os.PathLike[str],
        *,
        edits: str | os.PathLike[str] | None = None,
        late: bool = False,
    ) -> Replayed:
        """Put rows back as a further file of a directory that a job reads, each of them once.

        A job reads it as a further split: rows have their own event time, and come too late where that has
        passed.

        Args:
            to: the directory.
            edits: a file of JSON lines with `id` and `text`: only these rows are put back, with these texts.
            late: whether rows that came too late are put back too.

        Raises:
            ConfigError: the file does not fit the letters, another process puts rows back, or the letters
                are objects.
            DataError: a row does not fit the files that are there.
        """
        known = None if edits is None else Edits.read(os.fspath(edits))
        if is_remote(self._directory):
            raise ConfigError(
                "no lock keeps two processes from putting rows of letters in an object store back twice",
                code="letters-in-objects",
                where=self._directory,
                hint="download the letters into a directory, and replay that one",
            )
        with self._alone():
            done = Replaying(self._store, os.fspath(to))
            done.complete()
            return done.put(self.rows(), known, late=late)

    @property
    def _store(self) -> Store:
        return store_at(self._directory)

    def _read(self) -> pl.DataFrame:
        files = find_files(self._directory, may_be_empty=True).files
        if not files:
            return LETTERS.polars.to_frame()
        try:
            found = file_source(self._directory, None, LETTERS).lazy(None).collect()
        except (DataError, PlanError) as error:
            raise _no_letters(self._directory, error.message) from error
        if found["id"].null_count():
            raise _no_letters(self._directory, "rows without an id")
        return found

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with held(holders_of(self._store, MARKS), "replay"):
                yield
        except ConfigError as error:
            if error.code != TAKEN:
                raise
            raise ConfigError(
                "another process puts rows of these letters back",
                code="letters-taken",
                where=self._directory,
                hint="wait for it",
            ) from error


def _no_letters(directory: str, found: str) -> ConfigError:
    return ConfigError(
        "the files of the directory are no dead letters",
        code="letters-none",
        where=directory,
        found=found,
        hint="name the directory of 'errors.dead-letter' or 'pipeline.dead-letter'",
    )


__all__ = ["DeadLetters"]
