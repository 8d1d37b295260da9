"""Benchmarks of further Nexmark queries as streams: joins, sessions, distinct counts, ranks, OVER, texts.

Not here: running and judging them (throughput.py), right answers (answers_stateful.py).
"""

from __future__ import annotations

from thalweg.cli.bench.model import Benchmark
from thalweg.cli.bench.throughput import stream

_COSTS = {
    "q3": (
        "What does a join of two growing tables cost?",
        "8 % of the events are filtered, 2 % are kept: as fast as two columns are read, 15 M/s on two cores",
    ),
    "q4": (
        "What does a join within time bounds cost, below two running aggregates?",
        "each bid finds one auction and may change two groups: 3 M/s per core",
    ),
    "q7": (
        "What does a join of bids with the highest price of their window cost?",
        "every bid is kept for 10 s by its price, with 70 bytes of text: 2 M/s per core",
    ),
    "q8": (
        "What does a join of two windowed groupings cost?",
        "8 % of the events are grouped per window: as fast as two columns are read, 15 M/s on two cores",
    ),
    "q9": (
        "What does the first row per key of a join within time bounds cost, with wide rows?",
        "as q4, with 500 bytes about each auction: 2 M/s per core",
    ),
    "q11": (
        "What do sessions per bidder cost?",
        "one look-up per (batch, bidder), three numbers each: 5 M/s per core",
    ),
    "q15": (
        "What do distinct counts of one group per day cost?",
        "two look-ups per bid and six changes of few bits: 3 M/s per core, and one task does the rest",
    ),
    "q16": (
        "What do distinct counts of many groups cost?",
        "as q15, with keys of two columns and ten thousand channels: 2 M/s per core",
    ),
    "q18": (
        "What does the last row per key cost?",
        "nearly every bid is a new key and a kept row of 200 bytes: 1 M/s per core",
    ),
    "q19": (
        "What do the ten first rows per key cost, with their places?",
        "most bids for an auction never reach its ten; one that does moves up to nine: 1 M/s per core",
    ),
    "q20": (
        "What does a join with wide rows cost?",
        "a fifth of the bids finds its auction, 700 bytes each: memory, 2 M/s per core",
    ),
    "q22": (
        "What does taking texts apart cost?",
        "five pieces are cut from 63 bytes per bid: 8 M/s per core",
    ),
    "q23": (
        "What do two joins in a row cost, with wide rows?",
        "every bid is kept twice, 200 bytes each: memory, 1 M/s per core",
    ),
    "w_hop": (
        "What do overlapping windows per bidder cost?",
        "as q5, with four windows per row and every group in the answer: 5 M/s per core",
    ),
    "w_session": (
        "What do sessions per auction cost?",
        "as q11, with more keys that are open for a shorter time: 4 M/s per core",
    ),
    "over_range": (
        "What do sums over the 10 seconds before each row cost?",
        "rows wait for the watermark, are sorted by bidder and slide once: 2 M/s per core",
    ),
}
_TARGETS = {
    "q3": 6.6e6,
    "q4": 1.9e6,
    "q7": 1.4e6,
    "q8": 5.7e6,
    "q9": 1.2e6,
    "q11": 3.1e6,
    "q15": 3.0e6,
    "q18": 2.9e6,
    "q19": 2.3e6,
    "q20": 1.9e6,
    "q22": 3.3e6,
    "w_hop": 2.8e6,
    "w_session": 2.3e6,
    "over_range": 1.9e6,
}
"""Ten times what Flink does on such a machine, where that is known."""
STATEFUL = [
    Benchmark(name, "stream", question, expected, stream(name, "arrow", 2), target=_TARGETS.get(name))
    for name, (question, expected) in _COSTS.items()
]
