"""Count what sources read, so that everybody can see what was left out.

Changes:  only the meter.
Not here: who gives a meter to whom (session/figures.py).
"""

from __future__ import annotations

import threading
from typing import Protocol, runtime_checkable

from thalweg.protocols.source import Source


class Meter:
    """Adds up what the readers of one source read; readers may run on several threads.

    Attributes:
        read_bytes: bytes of values taken from the source; None while nobody counts them.
        part_count: row groups, or record batches, that were read.
        skipped_count: those that were left out, since no row of them could be wanted.

    Example:
        >>> meter = Meter()
        >>> meter.add_bytes(10)
        >>> meter.add_parts(read=1, skipped=2)
        >>> meter.read_bytes, meter.part_count, meter.skipped_count
        (10, 1, 2)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.read_bytes: int | None = None
        self.part_count = self.skipped_count = 0

    def add_bytes(self, count: int) -> None:
        """Note that bytes were read."""
        with self._lock:
            self.read_bytes = count + (self.read_bytes or 0)

    def add_parts(self, *, read: int = 0, skipped: int = 0) -> None:
        """Note that parts were read or left out."""
        with self._lock:
            self.part_count += read
            self.skipped_count += skipped


@runtime_checkable
class MeteredSource(Protocol):
    """A source that can count what it reads."""

    def metered(self, meter: Meter) -> Source:
        """The same source, whose readers add to the meter."""
        ...
