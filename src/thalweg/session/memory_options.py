"""Know from the options where state lies, and how much memory a job may take.

Not here: who keeps to it (state/filesystem.py, runtime/edge.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from thalweg.errors import ConfigError
from thalweg.runtime.options import MemoryOptions, RocksOptions, RunOptions

_BACKEND, _BUDGET = "state.backend.type", "taskmanager.memory.managed.size"
_WAL = "state.backend.rocksdb.wal"
_EDGE_SHARE, _EDGE_MIN = 32, 1 << 20
"""An edge holds at most one part in so many of the budget, and this much always."""
BUDGET_MIN = 16 << 20
ROCKSDB_BUDGET = 256 << 20
"""What state in RocksDB takes where nothing is said of memory."""


def memory_options(get: Callable[[str], Any]) -> dict[str, Any]:
    """What of `RunOptions` follows.

    Raises:
        ConfigError: `config-memory`.
    """
    backend, budget = get(_BACKEND), get(_BUDGET)
    if budget is not None and backend == "memory":
        raise ConfigError(
            "state in memory cannot keep to a budget",
            code="config-memory",
            found=f"'{_BACKEND}' = 'memory' beside '{_BUDGET}'",
            hint="'filesystem' and 'rocksdb' can, and a budget alone means the first",
        )
    if budget is not None and budget < BUDGET_MIN:
        raise ConfigError(
            "a job needs more memory than this for the rows on their way",
            code="config-memory",
            found=f"'{_BUDGET}' of {budget} bytes",
            expected=f"at least {BUDGET_MIN >> 20}MiB",
        )
    if budget is None and backend not in ("filesystem", "rocksdb"):
        return {}
    rocksdb = RocksOptions(budget or ROCKSDB_BUDGET, get(_WAL) == "true") if backend == "rocksdb" else None
    found: dict[str, Any] = {"memory": MemoryOptions(get("io.tmp.dirs"), budget, rocksdb=rocksdb)}
    if budget is not None:
        most = min(RunOptions.edge_bytes_max, max(_EDGE_MIN, budget // _EDGE_SHARE))
        found["edge_bytes_max"] = most
    return found
