"""DuckDB, as a batch.

Not here: the texts in its dialect (texts_duckdb.py).
"""

from __future__ import annotations

from typing import Any

from benchmarks.peers.sums import answer, wrapped
from benchmarks.peers.worker import CORES, serve

_KINDS = ("person", "auction", "bid")


class Duck:
    """A database in memory, with views over the files."""

    def __init__(self) -> None:
        import duckdb

        self._base = duckdb.connect(config={"threads": CORES})
        self.version = f"DuckDB {duckdb.__version__}"

    def prepare(self, query: dict[str, Any], files: list[str]) -> None:
        """Declare the three views."""
        for number, kind in enumerate(_KINDS):
            events = f"FROM read_parquet({files!r}) WHERE event_type = {number}"
            self._base.execute(f"CREATE OR REPLACE VIEW {kind} AS SELECT unnest({kind}) {events}")

    def run(self, query: dict[str, Any]) -> None:
        """Fetch every batch and forget it."""
        for _ in self._base.execute(query["text"]).to_arrow_reader(65_536):
            pass

    def check(self, query: dict[str, Any]) -> dict[str, Any]:
        """Let DuckDB add the result up."""
        row = self._base.execute(wrapped(query["text"], query["columns"], "duckdb")).fetchone()
        return answer(list(row or []), query["columns"])


if __name__ == "__main__":
    serve(Duck)
