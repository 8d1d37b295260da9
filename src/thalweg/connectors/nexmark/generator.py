"""Make the events of a Nexmark stream, any part of it at any time.

Each event is a function of the configuration, the generator's index and the event's place in arrival
order, so parts can be made in any order, again, or in parallel, and joining them never matters.

Reads:    nothing but its arguments: no clock, no other source of randomness.
Not here: pacing, splits and positions (the connector), how values are drawn (build.py and below it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl

from thalweg.connectors.nexmark.config import NexmarkConfig
from thalweg.connectors.nexmark.layout import select
from thalweg.errors import ConfigError


class NexmarkGenerator:
    """One of the generators of a Nexmark stream.

    Attributes:
        config: the stream.
        index: which of its generators this is, from 0.

    Example:
        >>> generator = NexmarkGenerator(NexmarkConfig(events_num=1000), 0)
        >>> generator.batch(0, 4, fields={"bid": ["auction", "price"]}).select("event_type", "bid").rows()
        [(1, None), (1, None), (2, {'auction': 1000, 'price': 3420}), (2, {'auction': 1000, 'price': 16949})]
    """

    def __init__(self, config: NexmarkConfig, index: int = 0) -> None:
        if not 0 <= index < config.generators:
            raise _range_error(
                f"the Nexmark stream has no generator {index}", f"0 to {config.generators - 1}", str(index)
            )
        # Loading the compiled loops takes a moment, which nobody should pay who only names this connector.
        from thalweg.connectors.nexmark.build import Builder

        self.config = config
        self.index = index
        self._builder = Builder(config, index)

    @property
    def count(self) -> int | None:
        """How many events this generator has; None if it never ends."""
        return self.config.event_count(self.index)

    def batch(
        self,
        start: int,
        count: int,
        columns: Iterable[str] | None = None,
        fields: Mapping[str, Iterable[str]] | None = None,
    ) -> pl.DataFrame:
        """The events from `start` up to, not including, `start + count`, in arrival order.

        Args:
            start: place of the first event in this generator's arrival order, from 0.
            count: how many events; they must exist.
            columns: the envelope's columns to make (`event_type`, `person`, `auction`, `bid`); all if None.
            fields: for each struct column, the members to make; all for those not named.

        Raises:
            ConfigError: a column or member does not exist, or the generator has fewer events.
        """
        self._check_range(start, count)
        return self._builder.batch(start, count, select(columns, fields))

    def times(self, start: int, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The event times of the same events, in microseconds since 1970."""
        self._check_range(start, count)
        return self._builder.times(start, count)

    def _check_range(self, start: int, count: int) -> None:
        total = self.count
        if start < 0 or count < 0 or (total is not None and start + count > total):
            held = "from 0 on" if total is None else f"0 to {total}"
            raise _range_error(
                f"generator {self.index} of the Nexmark stream does not have these events",
                held,
                f"{start} to {start + count}",
            )


def _range_error(message: str, expected: str, found: str) -> ConfigError:
    return ConfigError(message, code="nexmark-range", expected=expected, found=found)
