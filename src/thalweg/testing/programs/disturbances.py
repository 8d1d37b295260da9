"""Say how a run of a job is disturbed: everything that a seed decides, by kinds that can be left out.

Each kind draws from chance of its own, so that without one of them the others stay as they were.

Not here: what becomes of the job (subject.py), which kind is to blame (causes.py).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from random import Random

from thalweg.testing.simulation.conditions import Conditions
from thalweg.testing.simulation.world import Fault

KINDS = {
    "cuts": "batches are cut elsewhere",
    "order": "rows of different splits and sources arrive in another order, tasks take turns differently",
    "parallelism": "steps have more tasks, also other ones after a restart",
    "delays": "messages between tasks take a while",
    "crashes": "the job is killed or stopped, and goes on from a checkpoint with new objects",
    "clock": "it is another time of day, which jumps",
}
"""What may change no result."""
_PLACES = ("checkpoint.trigger", "checkpoint.data", "checkpoint.published", "final.ended", "final.published")
_CALM_BATCHES = 8
"""Into about so many batches a source is cut in the undisturbed run: checkpoints fall between them."""
_SMALL_BATCHES = 24
"""Into about so many, if they are cut small; now and then each row is a batch."""


@dataclass(frozen=True)
class Extent:
    """How large an undisturbed run is.

    Attributes:
        rows: the most rows of a source.
        steps: how many steps its tasks take.
    """

    rows: int
    steps: int = 100


@dataclass(frozen=True)
class Disturbance:
    """What happens to a job while it runs.

    Attributes:
        kinds: which of `KINDS`.
        conditions: sizes, faults and turns.
        is_cut: whether readers give any number of rows.
        silence: how often a reader has nothing just now.
        time: seconds by which the time of day differs; None: it stands still.
    """

    kinds: frozenset[str]
    conditions: Conditions
    is_cut: bool = False
    silence: float = 0.0
    time: float | None = None


def calm(extent: Extent) -> Disturbance:
    """Nothing happens."""
    return _made("calm", frozenset(), extent)


def kinds_of(seed: int, known: Collection[str]) -> frozenset[str]:
    """Which kinds a seed enables, of those that may be.

    Example:
        >>> kinds_of(1, KINDS) == kinds_of(1, KINDS), kinds_of(3, ["clock"])
        (True, frozenset({'clock'}))
    """
    random = Random(f"{seed} kinds")  # noqa: S311 - chance that can be repeated is the point
    found = [k for k in KINDS if random.random() < 0.6 and k in known]
    return frozenset(found or [random.choice([k for k in KINDS if k in known])])


def drawn(seed: object, kinds: frozenset[str], extent: Extent) -> Disturbance:
    """What a seed does to a job by some kinds of disturbance."""
    return _made(seed, kinds, extent)


def _made(seed: object, kinds: frozenset[str], extent: Extent) -> Disturbance:
    cuts, order, tasks, crashes, clock = (
        Random(f"{seed} {kind}")  # noqa: S311 - chance that can be repeated is the point
        for kind in ("cuts", "order", "parallelism", "crashes", "clock")
    )
    is_cut = "cuts" in kinds
    rows, few = (max(1, -(-extent.rows // n)) for n in (_CALM_BATCHES, _SMALL_BATCHES))
    faults = _crashes(crashes, extent) if "crashes" in kinds else []
    if "clock" in kinds:
        jumps = ("jump", clock.choice([7, 4000, 90_000])), ("skew", clock.choice([3600, -3600, 86_400]))
        faults += [Fault(0, "step", clock.randint(1, extent.steps), *jump) for jump in jumps]
    conditions = Conditions(
        abs(hash_of(f"{seed}")),
        tuple(faults),
        # who writes checkpoints must get turns, even where tasks go in order
        haste=order.choice([0.05, 0.1, 0.3]) if "order" in kinds else 0.1,
        is_orderly="order" not in kinds,
        interval=crashes.choice([0.05, 0.2, 0.5]) if "crashes" in kinds else 0.5,
        parallelism=_tasks(tasks) if "parallelism" in kinds else (1,),
        rows_max=cuts.choice([*([few, 2 * few, rows] * 2), 2 * rows, extent.rows, 1]) if is_cut else rows,
        edge_rows_max=cuts.choice([1, 10, 1000]) if is_cut else 1000,
        cut_batches=cuts.choice([1, 2, 5, None]) if is_cut else 2,
        is_slow="delays" in kinds,
    )
    return Disturbance(
        kinds,
        conditions,
        is_cut=is_cut and cuts.random() < 0.5,
        silence=order.choice([0.1, 0.3, 0.6]) if "order" in kinds else 0.0,
        time=clock.uniform(60, 40_000_000) if "clock" in kinds else None,
    )


def hash_of(text: str) -> int:
    """A number of a text, the same in every process."""
    return Random(text).getrandbits(48)  # noqa: S311 - a number, no secret


def _tasks(random: Random) -> tuple[int, ...]:
    return random.choice([(2,), (3,), (1, 2), (2, 1), (3, 1, 2), (4,)])


def _crashes(random: Random, extent: Extent) -> list[Fault]:
    made = []
    for _ in range(random.choice([1, 1, 2, 3])):
        kind = random.choice(["kill", "kill", "kill", "stop"])
        if kind == "kill" and random.random() < 0.3:
            made.append(Fault(0, random.choice(_PLACES), random.choice([1, 1, 2, 3]), kind))
        else:
            made.append(Fault(0, "step", random.randint(1, extent.steps), kind))
    return made
