"""Give every source of a job a meter, and say afterwards what each has read.

Not here: who counts (connectors/), where the figures end up (execute.py).
"""

from __future__ import annotations

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


class Meters:
    """The meters of the sources of one run."""

    def __init__(self) -> None:
        self._meters: dict[Scan, Meter] = {}

    def attached(self, plans: Sequence[Plan]) -> list[Plan]:
        """The plans with a meter at every source that has a use for one."""
        made: dict[Scan, Scan] = {}

        def attach(plan: Plan) -> Plan:
            if not isinstance(plan, Scan):
                return plan
            if plan not in made:
                self._meters[plan] = meter = Meter()
                source = plan.source
                made[plan] = (
                    replace(plan, source=source.metered(meter)) if isinstance(source, MeteredSource) else plan
                )
            return made[plan]

        whole = everywhere(Roots(tuple(plans)), attach)
        return list(whole.inputs)

    def figures(self) -> tuple[SourceFigures, ...]:
        """What each source has read so far, in the order of the plans."""
        return tuple(_figures(scan.source.describe(), meter) for scan, meter in self._meters.items())


def _figures(name: str, meter: Meter) -> SourceFigures:
    if meter.read_bytes is None and not meter.part_count and not meter.skipped_count:
        return SourceFigures(name)
    return SourceFigures(name, meter.read_bytes or 0, meter.part_count, meter.skipped_count)
