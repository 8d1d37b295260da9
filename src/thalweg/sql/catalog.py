"""The contract of the catalog that the binder asks for tables and functions.

Not here: any implementation (session/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from thalweg.errors import Span
from thalweg.expr.nodes import PythonFunction
from thalweg.plan.nodes import Plan


class Catalog(Protocol):
    """Knows tables, views, files and functions by name.

    Contract:
        C1 names of tables are case-sensitive; names of functions are not.
        C2 asking changes nothing, and asking twice gives equal plans.
    """

    @property
    def settings(self) -> Mapping[str, str]:
        """What SET has set."""
        ...

    def table(self, name: str, span: Span | None) -> Plan:
        """The plan of a table or view; an unknown name is an error with the near misses, at `span`."""
        ...

    def path_table(self, path: str, span: Span | None) -> Plan:
        """The plan that reads a file named in FROM, such as `FROM 'clicks.parquet'`."""
        ...

    def function(self, name: str) -> PythonFunction | None:
        """The user's function of that name, or None."""
        ...
