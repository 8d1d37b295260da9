"""Say under which conditions a job is simulated: everything that a seed decides, as plain data.

Each seed enables some kinds of faults, some sizes and some features, and not others: a fault that strikes all
the time would hide the rest.

Not here: what the job is (the caller), how conditions are made smaller (shrinking.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any

from thalweg.checkpoint.failpoints import POINTS
from thalweg.testing.simulation.world import Fault

KINDS = ("kill", "power", "pause", "full", "sync", "error", "refuse", "reply", "stop", "jump", "skew", "rot")
"""What can go wrong: a process ends, or all do and the disk forgets; a process stands still for a while; the
disk is full, cannot sync, or fails; the database refuses, or its answer is lost; the job is stopped; time
goes on by hours, or the time of day goes back; bytes on the disk change."""
_FILES = ("manifest", "data", "part", "progress", "fence", "lineage")
_DISK_PLACES = (
    *(f"{call} {file}" for file in _FILES for call in ("create", "write", "sync", "sync directory")),
    *(f"{call} {file}" for file in ("manifest", "data", "part", "progress") for call in ("rename", "remove")),
    *("link fence", "link lineage", "list fence", "read fence", "list checkpoint", "read manifest"),
    *("read data", "list data", "age data", "list results", "read progress", "sync directory results"),
    *("sync directory checkpoint", "remove checkpoint"),
)
_FAULTY = {
    "full": tuple(p for p in _DISK_PLACES if p.startswith(("create", "write"))),
    "sync": tuple(p for p in _DISK_PLACES if p.startswith("sync")),
    "error": tuple(p for p in _DISK_PLACES if p.startswith(("rename", "read", "list", "remove"))),
    "refuse": ("commit database",),
    "reply": ("commit answer",),
    "stop": ("step",),
    "jump": ("", "step"),
    "skew": ("", "step"),
    "rot": ("begin",),
}
_TELLING = (
    *("create manifest", "write manifest", "sync manifest", "rename manifest", "sync directory checkpoint")
    * 2,
    *("link fence", "create fence", "list fence", "create lineage", "link lineage", "restore.fenced"),
    *("rename part", "read progress", "rename progress", "commit database", "checkpoint.published"),
    *("list data", "list data", "list data", "age data", "remove data"),
    *("list checkpoint", "read manifest", "checkpoint.data"),
    # between the fence and the lineage of a run
    *("list other",) * 4,
)
_COMMITS = ("checkpoint.published", "commit database", "rename part", "read progress", "list results")
"""Where somebody who wakes up late is about to show results."""
_ENDS = ("", "step", *_DISK_PLACES, *POINTS, "commit database", "commit answer")
"""Where a process may end or stand still."""


@dataclass(frozen=True)
class Conditions:
    """What surrounds a job while it is simulated.

    Attributes:
        seed: what the order of steps, what a power cut leaves and what waits depend on.
        faults: what goes wrong.
        haste: how often the turn changes in the middle of something; 0: tasks go in order.
        tick: seconds between two points.
        interval: seconds between two checkpoints.
        retained: how many checkpoints are kept.
        parallelism: how many tasks the first process has per stage, the second, and so on by turns.
        rows_max: the most rows of a batch.
        edge_rows_max: the most rows on an edge.
        cut_batches: a cut after so many batches; None: after a time.
        is_slow: whether messages arrive some time after they were sent.
        is_orderly: whether tasks go in order, whatever else takes turns.
        starts: where the first process begins, the second, and so on: at the `newest` checkpoint (as all
            others do), `fresh` or at an `older` one, in a new lineage.
    """

    seed: int
    faults: tuple[Fault, ...] = ()
    haste: float = 0.1
    tick: float = 0.01
    interval: float = 1.0
    retained: int = 2
    parallelism: tuple[int, ...] = (1,)
    rows_max: int = 3
    edge_rows_max: int = 2
    cut_batches: int | None = 2
    is_slow: bool = False
    is_orderly: bool = False
    starts: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> Conditions:
        """From plain JSON."""
        faults = tuple(Fault(**f) for f in data["faults"])
        listed = {name: tuple(data.get(name, ())) for name in ("parallelism", "starts")}
        return Conditions(**{**data, "faults": faults, **listed})


def random_conditions(seed: int) -> Conditions:
    """The conditions of a seed.

    Example:
        >>> random_conditions(5) == random_conditions(5)
        True
    """
    # chance that can be repeated is the point
    sizes, faults = Random(f"{seed} sizes"), Random(f"{seed} faults")  # noqa: S311
    return Conditions(
        seed,
        _random_faults(faults),
        haste=sizes.choice([0.0, 0.02, 0.1, 0.3]),
        tick=sizes.choice([0.005, 0.01, 0.05]),
        interval=sizes.choice([0.1, 0.3, 0.5, 1.0]),
        retained=sizes.choice([1, 1, 2, 3]),
        parallelism=tuple(sizes.choice([1, 1, 2, 2, 3]) for _ in range(sizes.choice([1, 1, 2]))),
        rows_max=sizes.choice([1, 2, 3, 8]),
        edge_rows_max=sizes.choice([1, 3, 16]),
        cut_batches=sizes.choice([1, 2, 5, None]),
        is_slow=sizes.random() < 0.3,
    )


def with_lineages(conditions: Conditions) -> Conditions:
    """The same where users begin anew, or at an older checkpoint, while an older process may go on.

    Example:
        >>> "fresh" in with_lineages(random_conditions(4)).starts
        True
    """
    random = Random(f"{conditions.seed} lineages")  # noqa: S311 - chance that can be repeated is the point
    starts = ["newest", *random.choices(["newest", "fresh", "older"], k=random.choice([2, 3, 4]))]
    starts[random.randrange(1, len(starts))] = random.choice(["fresh", "older"])
    late = Fault(
        random.choice([1, 1, 2]),
        random.choice(_COMMITS),
        random.choice([1, 2, 3]),
        "pause",
        random.choice([200, 800, 2000]),
    )
    return replace(conditions, faults=(*conditions.faults, late), starts=tuple(starts))


def _random_faults(random: Random) -> tuple[Fault, ...]:
    often = ("kill", "power", "pause")
    enabled = [k for k in KINDS if random.random() < (0.6 if k in often else 0.3)]
    # what ends a process makes the next one begin, in which the other faults strike
    enabled += [k for k in enabled if k in often]
    if random.random() < 0.25:
        enabled = ["pause", "pause", "pause", *often]
    faults = []
    process = 1
    for _ in range(random.choice([0, 1, 2, 3, 3, 4, 5, 6]) if enabled else 0):
        kind = random.choice(enabled)
        faults.append(_random_fault(random, kind, process))
        process += kind in (*often, "stop")
    return tuple(faults)


def _random_fault(random: Random, kind: str, process: int) -> Fault:
    if kind in _FAULTY:
        place = random.choice(_FAULTY[kind])
    elif kind == "pause" and random.random() < 0.7:
        # where somebody who wakes up late is about to change something
        place = random.choice(_TELLING)
    else:
        place = random.choice(["", "", "step", random.choice(_ENDS)])
    # of one process, or of all: then it strikes even if there are fewer processes than are hoped for
    process = random.choice([0, process])
    mean = 150 if process else 400
    nth = random.choice([1, 1, 1, 2, 2, 3, 4, 4])
    if place in ("", "step"):
        nth = int(random.expovariate(1 / mean)) + 1
    if kind == "rot":
        # who begins where nobody has been finds nothing to read
        process, nth = 0, random.choice([2, 2, 3])
    amount = {
        "pause": random.choice([5, 30, 100, 100, 150, 200, 400, 800]),
        "full": random.choice([1, 1, 20]),
        "jump": random.choice([10, 4000, 8000]),
        "skew": random.choice([3600, -3600, 86400]),
    }.get(kind, random.randrange(1 << 16) if kind == "rot" else 1)
    return Fault(process, place, nth, kind, amount)
