"""Know the functions of a user: those that SQL calls by name, and those that are asynchronous.

Not here: how they are called (expr/python.py, connectors/asynchronous.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from thalweg.base.schema import Schema
    from thalweg.session.catalog import SessionCatalog


class Functions:
    """What a session does with functions."""

    catalog: SessionCatalog

    def create_function(self, function: Any, name: str | None = None) -> None:
        """Name a user's function (made with `udf`), so that SQL can call it."""
        made = function.function
        self.catalog.functions[(name or made.name).lower()] = made

    def asynchronous(
        self, call: Callable[..., Any], given: Schema, result: Schema, /, **options: Any
    ) -> Callable[[pl.DataFrame], pl.DataFrame]:
        """A function of frames that makes asynchronous calls, one for each row."""
        # imported here: few programs have any
        from thalweg.connectors.asynchronous import async_calls

        return async_calls(call, given, result, options)
