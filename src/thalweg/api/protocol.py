"""Say what a dataset needs from the session that it belongs to.

A dataset only describes what is to be computed; whoever keeps this protocol computes it. So the
fluent API depends on no runtime and no connector, and a test can stand in for a session.

Not here: the session itself (session/).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol, Unpack

import polars as pl

from thalweg.api.written_files import WrittenCsv
from thalweg.plan.nodes import Plan
from thalweg.protocols.sink import Sink

if TYPE_CHECKING:
    from thalweg.api.dataset import Dataset


class SessionLike(Protocol):
    """Runs plans, shows them, and keeps the sinks of the next run."""

    @property
    def may_broadcast(self) -> bool:
        """Whether joins may read a small input first, and send it to all tasks."""
        ...

    def collect(self, plan: Plan, /, *, mode: str | None = None, lateness: str | None = None) -> pl.DataFrame:
        """The whole result of a bounded plan, changes added up."""
        ...

    def peek(self, plan: Plan, rows: int, seconds: float, /) -> pl.DataFrame:
        """Some rows of any plan: what comes within the time, at most so many."""
        ...

    def write(
        self, plan: Plan, target: str, format: str, changelog: str | None, /, **options: Unpack[WrittenCsv]
    ) -> None:
        """Queue a directory of files as a sink of the next run."""
        ...

    def write_sqlite(self, plan: Plan, path: str, table: str, /) -> None:
        """Queue a table of a database as a sink of the next run."""
        ...

    def write_sink(self, plan: Plan, sink: Sink, changelog: str | None, /) -> None:
        """Queue any sink for the next run."""
        ...

    def write_callback(
        self,
        plan: Plan,
        function: Callable[[pl.DataFrame], object],
        changes: bool,
        /,
        *,
        idempotent: bool = False,
    ) -> None:
        """Queue a function that is called with results."""
        ...

    def cached(self, plan: Plan, where: Literal["memory", "disk"], /) -> Plan:
        """The rows of a plan, kept once they have been computed."""
        ...

    def uncached(self, plan: Plan, /) -> Plan:
        """Give back what is kept of a plan; returns what it was computed from."""
        ...

    def show(self, plan: Plan, rows: int, /) -> None:
        """Print the first rows."""
        ...

    def explain(self, plan: Plan, /, *, state: bool = False) -> str:
        """Every stage of the way from the plan to the job, and with `state` what its steps keep."""
        ...

    def from_frame(self, obj: Any, /) -> Dataset:  # any table-like object: see frames.to_frame
        """A dataset of rows in memory."""
        ...
