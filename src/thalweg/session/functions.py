"""Know the functions of a user that SQL calls by name; and kept results.

Not here: how they are called (expr/python.py), how results are kept (caching.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from thalweg.plan.nodes import Plan, Scan

if TYPE_CHECKING:
    from thalweg.session.catalog import SessionCatalog


class Functions(ABC):
    """What a session does with functions, and with results that are kept."""

    catalog: SessionCatalog

    def create_function(self, function: Any, name: str | None = None) -> None:
        """Name a user's function (made with `udf`), so that SQL can call it."""
        made = function.function
        self.catalog.functions[(name or made.name).lower()] = made

    def cached(self, plan: Plan, where: Literal["memory", "disk"], /) -> Plan:
        """The rows of a plan, kept once they have been computed."""
        # imported here: few programs keep results
        from thalweg.session.caching import cached

        return Scan(cached(plan, lambda: self.collect(plan), where))

    def uncached(self, plan: Plan, /) -> Plan:
        """Give back what is kept of a plan; returns what it was computed from."""
        from thalweg.session.caching import forget

        return forget(plan)

    @abstractmethod
    def collect(self, plan: Plan, /, *, mode: str | None = None, lateness: str | None = None) -> pl.DataFrame:
        """The rows of a bounded plan as a frame."""
