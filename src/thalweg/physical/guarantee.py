"""Say what becomes of rows after a crash, and refuse a job that promises less than it is asked for.

Not here: how a promise is kept (checkpoint/, the sinks).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

from thalweg.errors import ConfigError, PlanError
from thalweg.plan.nodes import Plan, Scan, Write

Guarantee = Literal["any", "exactly_once"]
EXACT = "each row once"


def promised(write: Write, *, has_checkpoints: bool) -> str:
    """The weakest of sources, checkpoints and sink, in words."""
    scans = [s for s in scans_of(write) if not (s.has_journal and has_checkpoints)]
    lost = [s.source for s in scans if s.source.replay == "none"]
    if lost:
        return f"at most once: {lost[0].describe()} cannot be read again"
    repeated = [s.source for s in scans if s.source.replay == "ack"]
    if repeated and write.sink.delivery == "transactional":
        return f"at least once: {repeated[0].describe()} gives rows again that were not acknowledged"
    if write.sink.delivery == "transactional":
        return EXACT if has_checkpoints else "at least once: there is no directory of checkpoints"
    return write.sink.delivery.replace("_", " ")


def check_guarantee(writes: Sequence[Write], wanted: str, *, has_checkpoints: bool) -> None:
    """Refuse a job of which some rows may be lost or repeated, if that is not wanted.

    Raises:
        PlanError: `plan-guarantee`, with the sink and the reason.
        ConfigError: there is no such guarantee.
    """
    if wanted not in get_args(Guarantee):
        raise ConfigError(
            f'there is no guarantee "{wanted}"', code="config-value", choices=get_args(Guarantee)
        )
    if wanted == "any":
        return
    for write in writes:
        found = promised(write, has_checkpoints=has_checkpoints)
        if found != EXACT:
            raise PlanError(
                f"after a crash rows may be lost or repeated in {write.sink.describe()}",
                code="plan-guarantee",
                where=write.span or write.place,
                expected=EXACT,
                found=found,
                hint="checkpoints do, sources that can be read again or keep a journal, and files or SQLite "
                "as sinks",
            )


def scans_of(plan: Plan) -> Iterator[Scan]:
    """Everything that a plan reads, as often as it does."""
    if isinstance(plan, Scan):
        yield plan
    for below in plan.inputs:
        yield from scans_of(below)
