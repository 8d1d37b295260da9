"""List the engines: how each is started, and how it runs a query."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.peers import environments, texts_duckdb, texts_spark
from benchmarks.peers.worker import HEAP
from thalweg.cli.bench.answers import QUERIES

Query = dict[str, Any]
COMPARED = tuple(name for name in QUERIES if name not in ("q12", "q13"))
"""Not the query whose answer depends on the clock, nor the one that needs a table of this process."""
BY_ROW = ("alerts",)
"""What is no query but a function in Python, called for every row with the state of its key."""
_NO_FUNCTION = "it is compared by queries only"
_NO_QUERY = "it is compared by functions that are called row by row only"
ROOT = Path(__file__).resolve().parents[2]
_HOPS = "TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))"
_COUNTS = f"""SELECT auction, COUNT(*) AS num, window_start AS ws, window_end AS we FROM {_HOPS}
  GROUP BY auction, window_start, window_end"""
FLINK_TEXTS = {
    # Flink runs no RANK over windows; this is the wording of its own suite
    "q5": f"""SELECT c.auction, c.num FROM ({_COUNTS}) c
JOIN (SELECT MAX(num) AS top, ws, we FROM ({_COUNTS}) GROUP BY ws, we) m
ON c.ws = m.ws AND c.we = m.we AND c.num >= m.top""",
}


@dataclass(frozen=True)
class Kind:
    """One engine.

    Attributes:
        module: what its process runs, and the arguments.
        query: how it runs a query, or why it cannot.
        python: the Python of its environment.
        more: further environment variables.
    """

    name: str
    module: tuple[str, ...]
    query: Callable[[str], Query | str]
    python: Callable[[], str | Path] = lambda: sys.executable
    more: Callable[[], dict[str, str]] = dict

    def command(self) -> list[str]:
        """What starts it."""
        return [str(self.python()), "-m", f"benchmarks.peers.{self.module[0]}", *self.module[1:]]

    def variables(self) -> dict[str, str]:
        """Its environment variables."""
        return {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"} | self.more()

    def form(self, name: str) -> str:
        """Which files it reads: `plain`, or `closed` with events after the last window."""
        query = self.query(name)
        if not isinstance(query, dict):
            return "plain"
        return str(query.get("form", "closed" if query.get("closes") else "plain"))


def _ours(name: str) -> Query:
    return _row_by_row(name) if name in BY_ROW else {}


def _row_by_row(name: str) -> Query:
    return {"form": "keyed"}


def _by_row_only(name: str) -> Query | str:
    return _row_by_row(name) if name in BY_ROW else _NO_QUERY


def _by_hand(name: str) -> Query | str:
    return _NO_FUNCTION if name in BY_ROW else {}


def _flink(name: str) -> Query | str:
    from thalweg.cli.nexmark_texts import QUERIES

    if name in BY_ROW:
        return _NO_FUNCTION
    return {"text": FLINK_TEXTS.get(name, QUERIES[name])}


def _spark(name: str) -> Query | str:
    if name in BY_ROW:
        return _NO_FUNCTION
    found = texts_spark.query(name)
    return found if found is not None else texts_spark.WHY_NOT.get(name, "not adapted yet")


def _duckdb(name: str) -> Query | str:
    return _NO_FUNCTION if name in BY_ROW else texts_duckdb.query(name) or "not adapted yet"


@cache
def _java() -> Path:
    return environments.java_home()


def _for_flink() -> dict[str, str]:
    java = {"JAVA_HOME": str(_java()), "JVM_ARGS": f"-Xmx{HEAP}"}
    return java | {"HADOOP_CLASSPATH": environments.flink_class_path(_java())}


def _for_spark() -> dict[str, str]:
    return {"JAVA_HOME": str(_java())}


def _python_of(requirement: str) -> Callable[[], Path]:
    return lambda: environments.environment(requirement)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("thalweg", ("ours", "stream"), _ours),
        Kind("flink", ("flink", "stream"), _flink, _python_of(environments.FLINK), _for_flink),
        Kind("spark", ("spark",), _spark, _python_of(environments.SPARK), _for_spark),
        Kind("thalweg-batch", ("ours", "batch"), _ours),
        Kind("duckdb", ("duck",), _duckdb),
        Kind("polars", ("by_hand",), _by_hand),
        Kind("pyflink", ("pyflink_rows",), _by_row_only, _python_of(environments.FLINK), _for_flink),
        Kind("bytewax", ("bytewax_rows",), _by_row_only, _python_of(environments.BYTEWAX)),
        Kind("flink-batch", ("flink", "batch"), _flink, _python_of(environments.FLINK), _for_flink),
    )
}
DEFAULT = tuple(name for name in KINDS if name != "flink-batch")
