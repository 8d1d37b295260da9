"""Bytewax: a stateful step in Python, called row by row, in two processes with a worker each.

Its keys are texts, as it asks for. Without recovery, which it would need to keep state.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from multiprocessing import get_context
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from benchmarks.peers.sums import answer
from benchmarks.peers.worker import CORES, serve

EVERY = 100
_BATCH_ROWS = 10_000
_Row = tuple[str, int]


class _File(StatefulSourcePartition):  # type: ignore[misc]  # the types of Bytewax are in its own environment
    def __init__(self, path: str) -> None:
        from pyarrow.parquet import ParquetFile

        self._batches = ParquetFile(path).iter_batches(_BATCH_ROWS, columns=["k", "v"])

    def next_batch(self) -> list[_Row]:
        """Key and number of each row."""
        batch = next(self._batches)
        return [*zip(map(str, batch["k"].to_pylist()), batch["v"].to_pylist(), strict=True)]

    def snapshot(self) -> None:
        """Nothing is kept."""


class _Files(FixedPartitionedSource):  # type: ignore[misc]
    def __init__(self, paths: list[str]) -> None:
        self._paths = paths

    def list_parts(self) -> list[str]:
        """A part for each file."""
        return self._paths

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _File:
        """Open a file."""
        return _File(for_part)


class _Sums(DynamicSink, StatelessSinkPartition):  # type: ignore[misc]
    """Adds up what the one worker of this process gives."""

    def __init__(self) -> None:
        self.found = [0, 0, 0]

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Sums:
        """Itself."""
        return self

    def write_batch(self, items: list[tuple[str, int]]) -> None:
        """Add some alerts up."""
        for key, count in items:
            self.found = [self.found[0] + 1, self.found[1] + int(key), self.found[2] + count]


def _count(state: int | None, _: int) -> tuple[int, Iterable[int]]:
    """One more row of a key; every hundredth is told."""
    count = (state or 0) + 1
    return count, (count,) if count % EVERY == 0 else ()


def _work(files: list[str], addresses: list[str], number: int, told: Any) -> None:
    """What one of the processes does."""
    from bytewax._bytewax import cluster_main

    sums, flow = _Sums(), Dataflow("alerts")
    rows = op.input("rows", flow, _Files(files))
    op.output("alerts", op.stateful_flat_map("count", rows, _count), sums)
    cluster_main(flow, addresses, number, worker_count_per_proc=1)
    told.put(sums.found)


class Bytewax:
    """Two processes for each run."""

    def __init__(self) -> None:
        from importlib.metadata import version

        self.version = f"Bytewax {version('bytewax')}"
        self._files: list[str] = []

    def prepare(self, query: dict[str, Any], files: list[str]) -> None:
        """Remember the files."""
        self._files = files

    def run(self, query: dict[str, Any]) -> None:
        """Take every alert, and forget it."""
        self._sums()

    def check(self, query: dict[str, Any]) -> dict[str, Any]:
        """Add up the alerts."""
        return answer([*self._sums()], query["columns"])

    def _sums(self) -> list[int]:
        made = get_context("fork")
        told, addresses = made.Queue(), [f"127.0.0.1:{_free_port()}" for _ in range(CORES)]
        processes = [made.Process(target=_work, args=(self._files, addresses, n, told)) for n in range(CORES)]
        for process in processes:
            process.start()
        found = [told.get() for _ in processes]
        for process in processes:
            process.join()
        return [sum(column) for column in zip(*found, strict=True)]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


if __name__ == "__main__":
    serve(Bytewax)
