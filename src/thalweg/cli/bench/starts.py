"""Benchmarks of starting: new processes, with nothing loaded and perhaps nothing compiled.

Not here: why a start costs what it costs (python -X importtime says so).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from thalweg.cli.bench.model import Benchmark, Measured, Options
from thalweg.cli.bench.workload import event_files

_EVENTS, _RATE = 100_000, 10_000
_COMMAND_LINE = "from thalweg.cli import main; main()"
_Q5 = "import json, sys; from thalweg.cli.bench.starts import q5; q5(json.loads(sys.argv[1]))"


def q5(files: list[str]) -> None:
    """Run q5 once; what the processes of `q5-cold` and `q5-warm` do."""
    from thalweg.cli import nexmark
    from thalweg.connectors.files.source import file_source
    from thalweg.connectors.sinks import ChecksumSink

    session = nexmark.nexmark_session(file_source(files))
    session.write_sink(nexmark.query(session, "q5"), ChecksumSink())
    session.run("q5", mode="stream")


def _seconds(*arguments: str, cache: str | None = None) -> float:
    """How long a new Python takes."""
    environment = dict(os.environ)
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = cache
    begun = time.perf_counter()
    subprocess.run(  # noqa: S603 - this very interpreter
        [sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - begun


def _start(limit_name: str, limit: str, *arguments: str) -> Callable[[Options], Measured]:
    def run(options: Options) -> Measured:
        _seconds(*arguments)
        values = [_seconds(*arguments) for _ in range(options.runs)]
        best = min(_seconds("-c", limit) for _ in range(options.runs))
        return Measured("s", values, best, limit_name)

    return run


def _cold(options: Options) -> Measured:
    """Every run with an empty cache of its own; the limit is a run with a full one."""
    files = json.dumps(event_files(_EVENTS, _RATE))
    values, warm = [], []
    for _ in range(max(1, min(options.runs, 3))):
        with tempfile.TemporaryDirectory() as cache:
            values.append(_seconds("-c", _Q5, files, cache=cache))
            warm.append(_seconds("-c", _Q5, files, cache=cache))
    return Measured("s", values, min(warm), "the same with all kernels compiled")


def _warm(options: Options) -> Measured:
    files = json.dumps(event_files(_EVENTS, _RATE))
    with tempfile.TemporaryDirectory() as cache:
        _seconds("-c", _Q5, files, cache=cache)
        values = [_seconds("-c", _Q5, files, cache=cache) for _ in range(options.runs)]
    libraries = "import polars, numba, numpy, sqlglot"
    best = min(_seconds("-c", libraries) for _ in range(options.runs))
    return Measured("s", values, best, f'python -c "{libraries}"')


STARTS = [
    Benchmark(
        "import-time",
        "start",
        "How long does a new process take for `import thalweg`?",
        "names are loaded when they are used: little more than Python itself",
        _start("python -c pass", "pass", "-c", "import thalweg"),
        target=0.35,
    ),
    Benchmark(
        "select-one",
        "start",
        'How long does `thalweg sql "SELECT 1"` take in a new process?',
        "0.3 s for Polars, numpy and sqlglot, 0.2 s for our own modules",
        _start(
            'python -c "import polars, numpy, sqlglot"',
            "import polars, numpy, sqlglot",
            *("-c", _COMMAND_LINE, "sql", "SELECT 1"),
        ),
        target=0.8,
    ),
    Benchmark(
        "q5-cold",
        "start",
        "How long does the first stateful job on a new machine take, kernels compiled?",
        "some ten kernels of 0.3 to 1 s",
        _cold,
        target=15.0,
    ),
    Benchmark(
        "q5-warm",
        "start",
        "How long does the same job take once its kernels are compiled?",
        "loading the libraries, 0.2 s of kernels from the cache, 0.1 s of work",
        _warm,
        target=2.0,
    ),
]
