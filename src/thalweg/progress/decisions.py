"""Describe what a watermark owner records: its decisions, its splits, and itself as plain data.

Not here: making the decisions (the source's edge, which has a clock) and applying them (owner.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias, TypedDict

DecisionKind: TypeAlias = Literal["found", "opened", "idle", "woken"]


class SplitState(Enum):
    """Where an unfinished split stands. Being paused is no state: it follows from the distance."""

    KNOWN = "known"
    ACTIVE = "active"
    IDLE = "idle"


@dataclass(frozen=True)
class Decision:
    """One recorded decision about a split: what a clock or the outside world had a say in.

    Attributes:
        kind: found, opened, idle or woken.
        split: name of the split.
        value: the watermark from which the split's rows are judged (found, opened, woken), or at
            which it fell idle (None if it had none yet).
        offset: the first row of the split that the decision applies to, if the caller said so.
    """

    kind: DecisionKind
    split: str
    value: int | None
    offset: int | None = None


class DecisionData(TypedDict):
    """One decision as plain data."""

    kind: DecisionKind
    split: str
    value: int | None
    offset: int | None


class SplitData(TypedDict):
    """One unfinished split as plain data."""

    name: str
    state: str
    mark: int | None


class OwnerData(TypedDict):
    """A watermark owner as plain data."""

    ordered: bool
    all_known: bool
    is_discovery_idle: bool
    published: int | None
    furthest_end: int | None
    splits: list[SplitData]
    decisions: list[DecisionData]
