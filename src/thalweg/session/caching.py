"""Keep a result that ends, in memory or on disk, so that what is computed from it does not compute it again.

It is computed when it is first read. What has been lost, such as a file that somebody removed, is computed
again from its plan: the plan is what the result is, the rows are only kept.

Changes:  one temporary file for each result on disk, gone with the process.
Not here: results that are kept up to date (views are for that).
"""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.outside import handed_out, taken_in
from thalweg.connectors.files.select import expressions, pruned
from thalweg.connectors.frames import FrameReader
from thalweg.errors import ExternalError, PlanError
from thalweg.plan.nodes import Plan, Scan
from thalweg.plan.properties import properties
from thalweg.protocols.source import Fields, Position, Reader, Replay, Size, Split

Where = Literal["memory", "disk"]


class Kept:
    """The rows of a plan, once they have been computed.

    Args:
        compute: gives the rows.
        schema: their columns.
        where: where they are kept.
    """

    def __init__(self, compute: Callable[[], pl.DataFrame], schema: Schema, where: Where) -> None:
        self._compute, self._schema, self.where = compute, schema, where
        self._lock = threading.Lock()
        self._frame: pl.DataFrame | None = None
        self._path: str | None = None
        self.height: int | None = None
        """How many rows there are; None: they are not computed."""
        self.nbytes = 0
        self.times = 0
        """How often they were computed."""

    def frame(self) -> pl.DataFrame:
        """The rows, computed now if they are not there."""
        with self._lock:
            found = self._held()
            if found is None:
                self.times += 1
                found = taken_in(self._compute(), self._schema)
                self._hold(found)
            return found

    def _held(self) -> pl.DataFrame | None:
        if self._path is None:
            return self._frame
        try:
            return taken_in(pl.read_ipc(self._path), self._schema)
        except (OSError, pl.exceptions.PolarsError):
            # whoever removed or damaged it: the plan still says what it was
            self._forget()
            return None

    def _hold(self, frame: pl.DataFrame) -> None:
        self.height, self.nbytes = frame.height, int(frame.estimated_size())
        if self.where == "memory":
            self._frame = frame
            return
        path = tempfile.gettempdir()
        try:
            descriptor, path = tempfile.mkstemp(prefix="thalweg-cache-", suffix=".arrow")
            os.close(descriptor)
            handed_out(frame, self._schema).write_ipc(path, compression="lz4")
        except OSError as error:
            with suppress(OSError):
                os.unlink(path)
            raise ExternalError(
                "a result that is to be kept does not fit on the disk for temporary files",
                code="cache-cannot-keep",
                where=path,
                found=error.strerror or str(error),
                hint='cache("memory"), or TMPDIR names another place',
            ) from error
        self._path = path
        self._remove = weakref.finalize(self, _unlink, path)

    def forget(self) -> None:
        """Give back what is kept."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._path is not None:
            self._remove()
        self._frame, self._path, self.height = None, None, None


def _unlink(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


@dataclass(frozen=True, eq=False)
class CachedSource:
    """The kept rows of a plan, as a source."""

    schema: Schema
    kept: Kept = field(repr=False)
    plan: Plan = field(repr=False)
    is_bounded: bool = True
    replay: Replay = "none"
    """Computed again, rows may come in another order."""
    is_ordered: bool = False
    is_live: bool = False

    def describe(self) -> str:
        """Where the rows are, and of what; the same whether they have been computed or not."""
        place = "memory" if self.kept.where == "memory" else "a file"
        return f"cache in {place} of {self.plan.describe()}"

    @property
    def status(self) -> str:
        """Whether the rows are there."""
        return "not computed yet" if self.kept.height is None else f"{self.kept.height} rows"

    def size(self) -> Size:
        """What is known once the rows are there."""
        return Size(self.kept.height, self.kept.nbytes)

    def splits(self) -> Sequence[Split]:
        """One."""
        return [Split("0", {})]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """A reader of the rows."""
        del split
        frame = self.kept.frame()
        chosen = frame.select(expressions(pruned(self.schema, fields), frame.schema))
        return FrameReader(lambda row: iter([chosen[row:]]), position)

    def lazy(self, fields: Fields | None) -> pl.LazyFrame:
        """The rows."""
        frame = self.kept.frame()
        return frame.lazy().select(expressions(pruned(self.schema, fields), frame.schema))


def cached(plan: Plan, compute: Callable[[], pl.DataFrame], where: Where) -> CachedSource:
    """A source of the rows of a plan, which are kept once they have been computed.

    Raises:
        PlanError: `plan-cache-unbounded`, `plan-cache`.
    """
    if where not in ("memory", "disk"):
        raise PlanError(f'results are not kept in "{where}"', code="plan-cache", choices=["memory", "disk"])
    if not properties(plan).is_bounded:
        raise PlanError(
            "rows that never end cannot be kept",
            code="plan-cache-unbounded",
            found=plan.describe(),
            hint="limit(n) takes the first ones",
        )
    return CachedSource(plan.schema, Kept(compute, plan.schema, where), plan)


def forget(plan: Plan) -> Plan:
    """Give back the rows of a plan that is a cache; returns what it was computed from.

    Raises:
        PlanError: `plan-cache`: it is none.
    """
    if not isinstance(plan, Scan) or not isinstance(plan.source, CachedSource):
        raise PlanError("only what cache() gave can be given back", code="plan-cache", found=plan.describe())
    plan.source.kept.forget()
    return plan.source.plan
