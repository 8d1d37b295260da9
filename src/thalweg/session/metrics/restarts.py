"""Tell how often a job was restarted.

Not here: when it is (job/restart.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from thalweg.protocols import metrics as m
from thalweg.protocols.metrics import Sample


class RestartFigures:
    """See `thalweg.protocols.metrics.Measured`; an attempt knows how many there were before it."""

    def __init__(self, count: int) -> None:
        self._count = count

    def samples(self) -> Iterator[Sample]:
        """As of the beginning of the attempt."""
        yield Sample(m.RESTARTS, (), self._count)
