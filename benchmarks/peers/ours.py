"""Thalweg, as a stream or as a batch."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.peers.worker import CORES, serve


class Ours:
    """Sessions over the files, in one mode."""

    def __init__(self, mode: str) -> None:
        from importlib.metadata import version

        from thalweg.cli import nexmark  # loads the engine, as a program that uses it does

        self._mode, self._nexmark = mode, nexmark
        self._files: list[str] = []
        self.version = f"Thalweg {version('thalweg')}"

    def prepare(self, query: dict[str, Any], files: list[str]) -> None:
        """Remember the files; a session is made per run."""
        self._files = files

    def run(self, query: dict[str, Any]) -> None:
        """Run into a black hole."""
        from thalweg.connectors.sinks import BlackholeSink

        self._into(query, BlackholeSink())

    def check(self, query: dict[str, Any]) -> dict[str, Any]:
        """Run into sums over every value, and compare them with an answer that was computed independently."""
        from thalweg.cli.bench.answers import UNDEFINED, differences
        from thalweg.connectors.sinks import Checksum, ChecksumSink

        sink, right = ChecksumSink(), query["right"]
        self._into(query, sink)
        names = [n for n in right["sums"] if n not in UNDEFINED.get(query["name"], ())]
        sums, nulls = ({n: right[k][n] for n in names} for k in ("sums", "nulls"))
        wanted = Checksum(rows=right["rows"], sums=sums, nulls=nulls)
        return {"rows": sink.seen.rows, "problems": differences(sink.seen, wanted)}

    def _into(self, query: dict[str, Any], sink: Any) -> None:
        from thalweg.api.columns import plan_of
        from thalweg.connectors.files.source import file_source
        from thalweg.session.session import Session

        if query.get("form") == "keyed":
            from thalweg.cli.bench.functions import alerts

            session = Session(parallelism=CORES)
            plan = plan_of(alerts(session.from_source(file_source(self._files))))
        else:
            session = self._nexmark.nexmark_session(file_source(self._files), parallelism=CORES)
            plan = self._nexmark.query(session, query["name"])
        session.write_sink(plan, sink)
        session.run(query["name"], mode=self._mode)


if __name__ == "__main__":
    serve(lambda: Ours(sys.argv[1]))
