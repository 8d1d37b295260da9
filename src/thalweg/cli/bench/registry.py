"""List all benchmarks; a new one needs a line in its group."""

from __future__ import annotations

from thalweg.cli.bench.asking import ASKING
from thalweg.cli.bench.budget import BUDGETS
from thalweg.cli.bench.checkpoints import CHECKPOINTS
from thalweg.cli.bench.delays import DELAYS
from thalweg.cli.bench.demos import DEMOS
from thalweg.cli.bench.functions import FUNCTIONS
from thalweg.cli.bench.growth import GROWTH
from thalweg.cli.bench.hot_key import HOT_KEYS
from thalweg.cli.bench.incremental import INCREMENTAL
from thalweg.cli.bench.model import Benchmark
from thalweg.cli.bench.now import NOW
from thalweg.cli.bench.rocksdb import ROCKSDB
from thalweg.cli.bench.stalls import STALLS
from thalweg.cli.bench.starts import STARTS
from thalweg.cli.bench.stateful import STATEFUL
from thalweg.cli.bench.throughput import BATCHES, JSON, STREAMS
from thalweg.cli.bench.windows import WINDOWS

BENCHMARKS: tuple[Benchmark, ...] = (
    *STREAMS,
    JSON,
    *NOW,
    *STATEFUL,
    *FUNCTIONS,
    *WINDOWS,
    *BATCHES,
    *DELAYS,
    *STARTS,
    *STALLS,
    *ASKING,
    *INCREMENTAL,
    *GROWTH,
    *CHECKPOINTS,
    *BUDGETS,
    *HOT_KEYS,
    *ROCKSDB,
    *DEMOS,
)
BY_NAME = {b.name: b for b in BENCHMARKS}
