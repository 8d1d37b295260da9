"""Change bytes of checkpoints that nobody has written, and know which: who reads them must notice.

At most one file is damaged at a time. It is damaged while only the process is there that is about to begin,
so that nobody has read it before; and it is mended as soon as somebody has noticed, or that one has ended.
Others may begin meanwhile, in a lineage that does not need the file: it stays where it is, in a checkpoint
that is still kept.

Changes:  the medium.
Not here: what follows if nobody notices (simulation.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from thalweg.checkpoint.history import History, Place
from thalweg.errors import CheckpointError
from thalweg.testing.simulation.medium import File
from thalweg.testing.simulation.world import Fault, World

_NOTICED = ("checkpoint-damaged", "checkpoint-version")


@dataclass(frozen=True)
class _Struck:
    """A file that is damaged.

    Attributes:
        process: who was about to begin.
        path: its name.
        file: what has had that name.
        held: its bytes before.
        numbers: the checkpoints that it belongs to.
    """

    process: int
    path: str
    file: File
    held: bytes
    numbers: frozenset[str]


class Rot:
    """The damage to the checkpoints of one job.

    Args:
        world: where it happens.
        history: the checkpoints, as an onlooker sees them.
        faults: what is to be damaged, before which process.
    """

    def __init__(self, world: World, history: History, faults: Sequence[Fault]) -> None:
        self._world, self._history = world, history
        self._waiting = list(faults)
        self._struck: _Struck | None = None
        self._witnesses: dict[tuple[int, str], frozenset[str]] = {}
        """By process that was there while a file was damaged, and file: the checkpoints that it is of."""

    def strike(self, process: int) -> None:
        """Change one bit of the newest checkpoint, before a process begins that is alone."""
        fault = next((f for f in self._waiting if f.nth <= process), None)
        if fault is None or self._struck is not None:
            return
        _, place = self._history.newest()
        if place is None:
            return
        paths = self._paths(place)
        path = paths[fault.amount % len(paths)]
        self._waiting.remove(fault)
        file = self._world.medium.file(path)
        held = bytes(file.seen)
        numbers = self._numbers_of(path)
        file.seen[fault.amount // 7 % len(held)] ^= 1 << fault.amount % 8
        file.durable = bytes(file.seen)
        self._struck = _Struck(process, path, file, held, numbers)
        self._world.fired["rot"] += 1
        self._world.note(f"rot strikes {path}")

    def witness(self, process: int) -> None:
        """A process begins: it may come upon what is damaged."""
        struck = self._struck
        if struck is not None:
            self._witnesses[process, struck.path] = struck.numbers

    def is_noticed(self, process: int, error: BaseException | None, start: str | None = None) -> bool:
        """Whether an error of a process says that a file is damaged, and was while the process was there.

        Args:
            process: the process.
            error: why it has ended.
            start: the checkpoint that it was to begin at, or `fresh`; None: the newest. What is damaged
                elsewhere is no reason to end.
        """
        if not isinstance(error, CheckpointError) or error.code not in _NOTICED:
            return False
        numbers = self._witnesses.get((process, str(error.where)))
        return numbers is not None and (start is None or start in numbers)

    def struck_in(self, place: Place | None) -> str | None:
        """The file of a checkpoint that is damaged."""
        if place is None or self._struck is None or not self.has_struck(self._struck.path):
            return None
        path = self._struck.path
        # what is damaged cannot be asked what it consists of
        return path if path == self._history.where(place.name) or path in self._paths(place) else None

    def has_struck(self, path: str) -> bool:
        """Whether a file is damaged, and nobody has put a right one in its place or removed it."""
        if self._struck is None or path != self._struck.path:
            return False
        try:
            return self._world.medium.file(path) is self._struck.file
        except FileNotFoundError:
            return False

    def _paths(self, place: Place) -> list[str]:
        """The files of a checkpoint."""
        names = (f"data/{name}" for name in self._history.manifest(place).files)
        return [self._history.where(name) for name in (place.name, *names)]

    def _numbers_of(self, path: str) -> frozenset[str]:
        """The checkpoints that a file belongs to."""
        history = self._history
        places = (p for lineage in history.lineages() for p in history.places(lineage))
        return frozenset(str(p.number) for p in places if path in self._paths(p))

    def ended(self, process: int, error: BaseException | None) -> None:
        """A process has ended: if it has noticed, or was to, the file is as it was."""
        struck = self._struck
        if struck is not None and (process == struck.process or self.is_noticed(process, error)):
            struck.file.seen[:], struck.file.durable = struck.held, struck.held
            self._struck = None
            self._world.note(f"{struck.path} is mended")
