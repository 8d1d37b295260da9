"""Read the events of one kind from envelopes, with Polars.

Not here: what is computed from them (answers.py, answers_stateful.py).
"""

from __future__ import annotations

import polars as pl

_KINDS = ("person", "auction", "bid")


def members(events: pl.LazyFrame, kind: str, *names: str) -> pl.LazyFrame:
    """The events of one kind, with some of their members."""
    fields = [pl.col(kind).struct.field(n) for n in names]
    number = _KINDS.index(kind)
    return events.select("event_type", *fields).filter(pl.col("event_type") == number).drop("event_type")


def bids(events: pl.LazyFrame, *names: str) -> pl.LazyFrame:
    """The bids among the events, with some of their members."""
    return members(events, "bid", *names)
