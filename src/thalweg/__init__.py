"""Thalweg: one engine for data that ends and data that never ends.

Everything that a program needs is here: `import thalweg as tw`. Names are loaded when they are first
used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thalweg.api import (
        WINDOW,
        Broadcast,
        BroadcastColumnFunction,
        BroadcastProcessFunction,
        CoColumnFunction,
        ColumnFunction,
        CoProcessFunction,
        Dataset,
        Expression,
        ProcessFunction,
        approx_count_distinct,
        array_agg,
        asc,
        avg,
        call,
        coalesce,
        col,
        collect,
        count,
        cume_dist,
        cumulating,
        desc,
        first_value,
        functions,
        grouping,
        hopping,
        keep,
        lag,
        last_value,
        lead,
        listagg,
        lit,
        max,  # noqa: A004 - written tw.max
        mean,
        min,  # noqa: A004 - written tw.min
        ntile,
        percent_rank,
        proctime,
        sessions,
        sliding,
        stddev_pop,
        stddev_samp,
        sum,  # noqa: A004 - written tw.sum
        tumbling,
        udf,
        var_pop,
        var_samp,
        when,
        windowing,
    )
    from thalweg.base.schema import Schema
    from thalweg.connectors.memory_table import MemoryTable
    from thalweg.errors import (
        CheckpointError,
        ConfigError,
        DataError,
        ExternalError,
        IgnoredOptionWarning,
        InternalError,
        PlanError,
        SqlError,
        ThalwegError,
        TypeMismatch,
        UserError,
    )
    from thalweg.protocols.lookup import LookupOptions
    from thalweg.session.archive import Checkpoint, Checkpoints
    from thalweg.session.dead_letters import DeadLetters
    from thalweg.session.handle import JobHandle
    from thalweg.session.live import LiveState
    from thalweg.session.session import Session

__version__ = "0.1.0.dev0"

__all__ = [
    "WINDOW",
    "Checkpoint",
    "CheckpointError",
    "Checkpoints",
    "Broadcast",
    "BroadcastColumnFunction",
    "BroadcastProcessFunction",
    "CoColumnFunction",
    "CoProcessFunction",
    "ColumnFunction",
    "ConfigError",
    "DataError",
    "Dataset",
    "DeadLetters",
    "Expression",
    "ExternalError",
    "IgnoredOptionWarning",
    "InternalError",
    "JobHandle",
    "LiveState",
    "LookupOptions",
    "MemoryTable",
    "PlanError",
    "ProcessFunction",
    "Schema",
    "Session",
    "SqlError",
    "ThalwegError",
    "TypeMismatch",
    "UserError",
    "approx_count_distinct",
    "array_agg",
    "collect",
    "cume_dist",
    "first_value",
    "grouping",
    "lag",
    "last_value",
    "ntile",
    "percent_rank",
    "lead",
    "listagg",
    "stddev_pop",
    "stddev_samp",
    "var_pop",
    "var_samp",
    "asc",
    "avg",
    "call",
    "coalesce",
    "col",
    "count",
    "cumulating",
    "desc",
    "functions",
    "hopping",
    "keep",
    "lit",
    "max",
    "mean",
    "min",
    "proctime",
    "sessions",
    "sliding",
    "sum",
    "tumbling",
    "udf",
    "when",
    "windowing",
]


_HOMES = {
    "Checkpoint": "thalweg.session.archive",
    "Checkpoints": "thalweg.session.archive",
    "DeadLetters": "thalweg.session.dead_letters",
    "JobHandle": "thalweg.session.handle",
    "LiveState": "thalweg.session.live",
    "LookupOptions": "thalweg.protocols.lookup",
    "MemoryTable": "thalweg.connectors.memory_table",
    "Schema": "thalweg.base.schema",
    "Session": "thalweg.session.session",
}
"""Where the names are that are neither errors nor of the fluent API."""


def __getattr__(name: str) -> Any:  # the type of each name is in the imports above
    """Load a public name on first use (PEP 562)."""
    from importlib import import_module

    homes = (_HOMES[name],) if name in _HOMES else ("thalweg.errors", "thalweg.api")
    for home in homes if name in __all__ else ():
        module = import_module(home)
        if hasattr(module, name):
            globals()[name] = found = getattr(module, name)
            return found
    raise AttributeError(f"module 'thalweg' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*__all__, "__version__"])
