"""The queries written by hand for Polars' streaming engine, as batches; they are also what is right."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.worker import serve


class ByHand:
    """Lazy queries over the files."""

    def __init__(self) -> None:
        import polars as pl

        self.version = f"Polars {pl.__version__}"
        self._files: list[str] = []

    def prepare(self, query: dict[str, Any], files: list[str]) -> None:
        """Remember the files."""
        self._files = files

    def run(self, query: dict[str, Any]) -> None:
        """Compute every batch and forget it."""
        import polars as pl

        from thalweg.cli.bench.answers import QUERIES

        frames = QUERIES[query["name"]](pl.scan_parquet(self._files))
        for _ in frames.collect_batches(engine="streaming", maintain_order=False):
            pass

    def check(self, query: dict[str, Any]) -> dict[str, Any]:
        """Nothing to compare: the answers were made in this way."""
        self.run(query)
        return {"rows": query["right"]["rows"], "problems": []}


if __name__ == "__main__":
    serve(ByHand)
