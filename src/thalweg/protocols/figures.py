"""Let sources say what they read, so that everybody can see what was left out.

Not here: who counts, and what becomes of it (session/figures.py).
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from thalweg.protocols.source import Source


class Meter:
    """What readers report to; this one forgets it. Called from several threads."""

    def add_bytes(self, count: int) -> None:
        """Note that so many bytes of values were read."""

    def add_parts(self, *, read: int = 0, skipped: int = 0) -> None:
        """Note that parts (row groups, record batches) were read, or left out since nobody wants them."""


@runtime_checkable
class MeteredSource(Protocol):
    """A source that can count what it reads."""

    def metered(self, meter: Meter) -> Source:
        """The same source, whose readers report to the meter."""
        ...
