"""Serve one engine's runs over a pipe: one JSON object per line, in and out.

Runs in the environment of the engine that is measured, so it imports nothing but Python's own modules.

Reads:    commands: `{"do": "run" | "check", "query": …, "files": …}`.
Writes:   `{"ready": version}` once the engine has started, then an answer per command: `{"seconds": …}` for
          a run, `{"rows": …, "sums": …}` for a check, `{"error": …}` for what went wrong.
Not here: the engines (flink.py, spark.py, …), who asks (runner.py).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

CORES = 2
"""How many cores each engine may use, and how many tasks it runs side by side."""
HEAP = "8g"
"""The most that a Java engine may use for its objects."""


class Peer(Protocol):
    """One engine that has started."""

    version: str

    def prepare(self, query: dict[str, Any], files: list[str]) -> None:
        """What a user does once: name the files and their columns. Not measured."""

    def run(self, query: dict[str, Any]) -> None:
        """Run the query from its text to the last row, which goes nowhere."""

    def check(self, query: dict[str, Any]) -> dict[str, Any]:
        """Run the query; the number of its rows, and a sum over each of its columns."""


def serve(start: Callable[[], Peer]) -> None:
    """Start an engine and carry out commands until the input ends."""
    # what engines print must not get between the answers
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    peer = start()
    print(json.dumps({"ready": peer.version}), file=answers)
    for line in sys.stdin:
        print(json.dumps(_answer(peer, json.loads(line))), file=answers)


def _answer(peer: Peer, command: dict[str, Any]) -> dict[str, Any]:
    try:
        query = command["query"]
        peer.prepare(query, command["files"])
        if command["do"] == "check":
            return peer.check(query)
        begun = time.perf_counter()
        peer.run(query)
        return {"seconds": time.perf_counter() - begun}
    except Exception as error:  # noqa: BLE001 - whatever it is belongs into the report
        return {"error": _brief(error)}


def _brief(error: Exception) -> str:
    """The lines of an error that say what happened; Java's traces are long."""
    lines = [line.strip() for line in f"{type(error).__name__}: {error}".splitlines()]
    causes = [line for line in lines if line.startswith("Caused by")]
    return "; ".join([*lines[:2], *causes[-2:]])[:600]
