"""Give every source of a job a meter, and say afterwards what each has read.

Not here: who counts (connectors/), where the figures end up (execute.py).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from thalweg.optimizer.optimize import Roots, everywhere
from thalweg.plan.nodes import Plan, Scan
from thalweg.protocols.figures import Meter, MeteredSource


@dataclass(frozen=True)
class SourceFigures:
    """What one source of a job has read.

    What nobody counted is None: of most connectors, and of files in batch mode that Polars reads as a plan.

    Attributes:
        source: the source, as `explain()` names it.
        read_bytes: bytes of values taken from it; footers and other descriptions left out.
        part_count: row groups of Parquet files, or record batches of Arrow files, that were read.
        skipped_count: those that were left out, since no row of them could fulfil the query's conditions.
    """

    source: str
    read_bytes: int | None = None
    part_count: int | None = None
    skipped_count: int | None = None


class CountingMeter(Meter):
    """Adds up what the readers of one source read.

    Example:
        >>> meter = CountingMeter()
        >>> meter.add_bytes(10)
        >>> meter.add_parts(read=1, skipped=2)
        >>> meter.figures("events")
        SourceFigures(source='events', read_bytes=10, part_count=1, skipped_count=2)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_counted = False
        self._bytes = self._parts = self._skipped = 0

    def add_bytes(self, count: int) -> None:
        """Add up bytes."""
        with self._lock:
            self._has_counted = True
            self._bytes += count

    def add_parts(self, *, read: int = 0, skipped: int = 0) -> None:
        """Add up parts."""
        with self._lock:
            self._has_counted = True
            self._parts += read
            self._skipped += skipped

    def figures(self, source: str) -> SourceFigures:
        """What has been read so far."""
        with self._lock:
            if not self._has_counted:
                return SourceFigures(source)
            return SourceFigures(source, self._bytes, self._parts, self._skipped)


class Meters:
    """The meters of the sources of one run."""

    def __init__(self) -> None:
        self._meters: dict[Scan, CountingMeter] = {}

    def attached(self, plans: Sequence[Plan]) -> list[Plan]:
        """The plans with a meter at every source that has a use for one."""
        made: dict[Scan, Scan] = {}

        def attach(plan: Plan) -> Plan:
            if not isinstance(plan, Scan):
                return plan
            if plan not in made:
                self._meters[plan] = meter = CountingMeter()
                source = plan.source
                made[plan] = (
                    replace(plan, source=source.metered(meter)) if isinstance(source, MeteredSource) else plan
                )
            return made[plan]

        whole = everywhere(Roots(tuple(plans)), attach)
        return list(whole.inputs)

    def figures(self) -> tuple[SourceFigures, ...]:
        """What each source has read so far, in the order of the plans."""
        return tuple(meter.figures(scan.source.describe()) for scan, meter in self._meters.items())
