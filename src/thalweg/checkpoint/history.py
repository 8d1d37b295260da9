"""The checkpoints of one job: lineages, numbers, and which of them holds.

    JOB/lineage-0001/opened                         a lineage, written before its first row
    JOB/lineage-0001/checkpoint-00000042-003/manifest
    JOB/data/SHA256                                 rows of state, shared by checkpoints
    JOB/fences/000003, 000003-base                  the runs, and what each went on from

**Which checkpoint holds.** A run takes the next fence number by compare-and-set, *then* reads the newest
checkpoint, and records it as its base before it does anything else. A run that was overtaken may still be
writing: what it publishes later than that base, with its lower number, does not hold. It cannot have
committed it either, since a run looks at the fences after it has published and before it commits: if it saw
no higher number then, its checkpoint was there before that number was taken, and is the base.

The newest checkpoint of the newest lineage wins. A lineage without any starts as it was opened. A lineage
that was opened by a run that was overtaken does not hold either: the newest one is that of the newest run's
base, or one that a still newer run has opened.

Reads, changes:  a store.
Not here: how bytes become durable (store.py), when a checkpoint is due (runtime/).
"""

from __future__ import annotations

import json
import math
import os
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from thalweg.checkpoint.data_files import DataFiles
from thalweg.checkpoint.failpoints import failpoint
from thalweg.checkpoint.manifest import DataFile, Manifest, Piece, damaged, decode, staged_file
from thalweg.checkpoint.snapshot import JobSnapshot, StateRows
from thalweg.checkpoint.store import DirectoryStore, Store
from thalweg.errors import CheckpointError, StoreError

_CHECKPOINT = re.compile(r"checkpoint-(\d+)-(\d+)")
_DATA = re.compile("[0-9a-f]{64}")
_LINEAGE = re.compile(r"lineage-(\d+)")
GRACE = 3600.0
"""Seconds for which a data file is kept that nothing names: somebody may be about to name it."""


def _new_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Place:
    """Which checkpoint of a job: its lineage, its number, and the run that wrote it."""

    lineage: int
    number: int
    fence: int

    @property
    def name(self) -> str:
        """The name of its manifest in the store of the job."""
        return f"lineage-{self.lineage:04}/checkpoint-{self.number:08}-{self.fence:03}/manifest"


class History:
    """The checkpoints of one job in a store.

    Args:
        store: where all jobs are.
        job: the name of the job's directory.
        new_id: gives a name that nobody else gets.
    """

    def __init__(self, store: Store, job: str, new_id: Callable[[], str] = _new_id) -> None:
        self._store, self.job, self._new_id = store, job, new_id
        self._files = DataFiles(store, job)

    def where(self, name: str = "") -> str:
        """A place in the store, for messages."""
        return self._store.describe(f"{self.job}/{name}" if name else self.job)

    def identity(self) -> str:
        """What the job is called by nobody else; made when it is first asked for."""
        if "identity" not in self._names(""):
            self._put_new("identity", {"id": self._new_id()})
        self._store.settle(self.job)
        return str(self._json("identity")["id"])

    def tidy(self) -> None:
        """Remove what runs have left that were broken off while they wrote."""
        self._store.tidy(self.job)

    # -- lineages ------------------------------------------------------------------------------

    def lineages(self) -> list[int]:
        """The numbers of all lineages that were opened, ascending."""
        found = (_LINEAGE.fullmatch(n) for n in self._store.names(self.job))
        numbers = [int(m[1]) for m in found if m]
        return sorted(n for n in numbers if "opened" in self._names(f"lineage-{n:04}"))

    def open_lineage(self, origin: Place | None, fence: int) -> int:
        """Begin a new lineage, at a checkpoint or empty, for the run of a fence; it is durable then."""
        number = self._next_lineage()
        data = {"origin": None if origin is None else vars(origin), "fence": fence}
        while not self._put_new(f"lineage-{number:04}/opened", data):
            number += 1
        return number

    def adopt(self, source: History, manifest: Manifest, fence: int, *, path: str) -> Place:
        """Begin a new lineage with a checkpoint from elsewhere; it is durable when this returns.

        Args:
            source: where its data is.
            manifest: the checkpoint; its origin says what it is.
            fence: the number of the run that goes on from it.
            path: where it was, to be read later.
        """
        assert manifest.origin is not None, "a checkpoint from elsewhere has an origin"
        self.copy_data(source, manifest.files)
        record = {"savepoint": {"path": path, **manifest.origin}}
        return self.begin_with(replace(manifest, fence=fence), record)

    def begin_with(self, manifest: Manifest, record: Mapping[str, Any]) -> Place:
        """Begin a new lineage with a checkpoint whose data is here; it is durable when this returns.

        Args:
            manifest: the checkpoint.
            record: where it comes from, to be read later.
        """
        number = self._next_lineage()
        while True:
            place = Place(number, manifest.number, manifest.fence)
            # before the lineage: without a checkpoint it would start empty
            self._store.put(f"{self.job}/{place.name}", replace(manifest, lineage=number).encode())
            opened = {"origin": None, "fence": manifest.fence, **record}
            if self._put_new(f"lineage-{number:04}/opened", opened):
                return place
            number += 1

    def savepoint_of(self, lineage: int) -> Mapping[str, Any] | None:
        """The savepoint that a lineage was opened at: its path then, and its origin."""
        found: Mapping[str, Any] | None = self._json(f"lineage-{lineage:04}/opened").get("savepoint")
        return found

    def _next_lineage(self) -> int:
        """A number that no lineage has, nor one that was never opened, of which something may be left."""
        found = (_LINEAGE.fullmatch(n) for n in self._store.names(self.job))
        return max((int(m[1]) for m in found if m), default=0) + 1

    def origin(self, lineage: int) -> Place | None:
        """The checkpoint that a lineage was opened at; None: it started empty."""
        held = self._opened(lineage)["origin"]
        return None if held is None else Place(**held)

    def _opened(self, lineage: int) -> dict[str, Any]:
        return self._json(f"lineage-{lineage:04}/opened")

    def _newest_lineage(self) -> int | None:
        """The lineage of the newest run's base, or the newest that a still newer run has opened."""
        lineages, bases = self.lineages(), self.bases()
        if not bases:
            return max(lineages, default=None)
        newest = max(bases)
        lineage = bases[newest][1]
        later = (n for n in lineages if n > lineage and self._opened(n)["fence"] > newest)
        return max(later, default=lineage)

    def settle(self, lineage: int, place: Place | None) -> None:
        """Make durable what is seen of a lineage and a checkpoint, before anything is built on it.

        A process that was broken off may have left names that would go with the next power cut.
        """
        self._store.settle(f"{self.job}/lineage-{lineage:04}")
        if place is not None:
            self._store.settle(f"{self.job}/{os.path.dirname(place.name)}")

    # -- runs ----------------------------------------------------------------------------------

    def take_fence(self, confirm: Callable[[], None] = lambda: None) -> int:
        """A number that is higher than that of every run before.

        Args:
            confirm: raises if another process has taken the job over. Asked after the number was chosen and
                before it is taken: who takes the job over meanwhile takes a higher one, or this one first.
        """
        number = self.highest_fence() + 1
        confirm()
        while not self._put_new(f"fences/{number:06}", {}):
            number += 1
            confirm()
        failpoint("restore.fenced")
        return number

    def record_base(self, fence: int, base: Place | None, lineage: int) -> None:
        """Say what a run goes on from, and in which lineage; before it publishes anything."""
        self.settle(lineage, base)
        data = {"base": None if base is None else vars(base), "lineage": lineage}
        if not self._put_new(f"fences/{fence:06}-base", data):
            raise self.overtaken(fence)

    def highest_fence(self) -> int:
        """The number of the newest run; 0: there was none."""
        return max((int(n) for n in self._names("fences") if n.isdecimal()), default=0)

    def check_fence(self, fence: int) -> None:
        """Raise if a newer run has begun.

        Raises:
            CheckpointError: `checkpoint-overtaken`.
        """
        if self.highest_fence() != fence:
            raise self.overtaken(fence)

    def overtaken(self, fence: int) -> CheckpointError:
        """The error for a run that is not the newest any more."""
        return CheckpointError(
            "another run of the job has begun, and this one may not publish any more",
            code="checkpoint-overtaken",
            where=self.where(),
            found=f"run {fence}; the newest is {self.highest_fence()}",
            hint="nothing is lost: the newer run goes on from the last complete checkpoint",
        )

    def bases(self) -> dict[int, tuple[Place | None, int]]:
        """By run, what it went on from, and in which lineage."""
        found = {}
        for name in self._names("fences"):
            if name.endswith("-base"):
                held = self._json(f"fences/{name}")
                base = None if held["base"] is None else Place(**held["base"])
                found[int(name.partition("-")[0])] = base, held["lineage"]
        return found

    # -- checkpoints ---------------------------------------------------------------------------

    def places(self, lineage: int) -> list[Place]:
        """The complete checkpoints of a lineage that hold, in order."""
        held = _held_runs(lineage, self.bases())
        found = []
        for name in self._names(f"lineage-{lineage:04}"):
            match = _CHECKPOINT.fullmatch(name)
            if match and "manifest" in self._names(f"lineage-{lineage:04}/{name}"):
                found.append(Place(lineage, int(match[1]), int(match[2])))
        return sorted((p for p in found if p.number <= held(p.fence)), key=lambda p: p.number)

    def newest(self) -> tuple[int | None, Place | None]:
        """The newest lineage, and where a run goes on: its newest checkpoint, or the one it was opened at."""
        lineage = self._newest_lineage()
        if lineage is None:
            return None, None
        places = self.places(lineage)
        return lineage, places[-1] if places else self.origin(lineage)

    def manifest(self, place: Place) -> Manifest:
        """What a checkpoint consists of.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        where = self.where(place.name)
        try:
            data = self._store.get(f"{self.job}/{place.name}")
        except KeyError as error:
            raise CheckpointError(
                "there is no such checkpoint",
                code="checkpoint-missing",
                where=where,
                choices=[str(p.number) for p in self.places(place.lineage)],
            ) from error
        found = decode(data, where)
        if (found.lineage, found.number, found.fence) != (place.lineage, place.number, place.fence):
            raise damaged(
                where, f"it is the manifest of checkpoint {found.number} of lineage {found.lineage}"
            )
        failpoint("restore.manifest")
        return found

    def snapshot(
        self, manifest: Manifest, *, keeps_bytes: bool = True, is_checked: bool = True
    ) -> JobSnapshot:
        """The state of a checkpoint; every byte is checked before a row is used.

        Args:
            manifest: the checkpoint.
            keeps_bytes: whether files may stay in memory until their rows are used for the last time;
                those that do not are read and checked then.
            is_checked: whether all files are checked now; otherwise that is to be completed by
                `check_unread`, when the state was loaded.

        Raises:
            CheckpointError: a file is missing or damaged.
        """
        files = {f.sha256: f for e in manifest.states for p in e.pieces for f in p}
        read = self._files.parts(files.values(), keeps_bytes=keeps_bytes)
        if is_checked:
            self._files.check_unread()
        keyed = {}
        for entry in manifest.states:
            pieces = [[read[file.sha256] for file in piece] for piece in entry.pieces]
            rows = StateRows(pieces, entry.identity, entry.tasks, entry.rows)
            keyed[entry.key] = replace(rows, migrating=entry.migrating)
            failpoint("restore.state")
        splits = {(s["stage"], s["split"]): s["data"] for s in manifest.splits}
        return JobSnapshot(manifest.number, keyed, splits, self.staged(manifest))

    def check_unread(self) -> None:
        """Check the files of the last snapshot that nobody has read since it was made.

        Raises:
            CheckpointError: one is missing or damaged.
        """
        self._files.check_unread()

    def staged(self, manifest: Manifest) -> dict[str, list[Any]]:
        """What sinks have staged for a checkpoint, with the rows in place of their files.

        Raises:
            CheckpointError: a file is missing or damaged.
        """
        return {
            sink: [p if (file := staged_file(p)) is None else self.rows(file) for p in parts]
            for sink, parts in manifest.staged.items()
        }

    def piece(self, files: Piece) -> pl.DataFrame:
        """The rows of one increment.

        Raises:
            CheckpointError: a file is missing or damaged.
        """
        return pl.concat([self.rows(file) for file in files], how="diagonal")

    def rows(self, entry: DataFile) -> pl.DataFrame:
        """The rows of a data file.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        return self._files.read(entry).frame()

    def put_data(self, sha256: str, data: bytes, known: Iterable[str]) -> bool:
        """Write a data file; whether it was not there yet.

        Args:
            sha256: the hash of the bytes.
            data: the bytes.
            known: the files of the last checkpoint of this run, which nobody removes.
        """
        if sha256 in known:
            return False
        self._store.put(f"{self.job}/data/{sha256}", data)
        return True

    def data(self, sha256: str) -> bytes:
        """The bytes of a data file.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        return self._files.content(sha256)

    def copy_data(self, source: History, names: Iterable[str]) -> None:
        """Have data files of another place here, too; they are durable when this returns."""
        for sha256 in dict.fromkeys(names):
            name, theirs = f"{self.job}/data/{sha256}", source.where(f"data/{sha256}")
            is_linked = (
                isinstance(self._store, DirectoryStore)
                and isinstance(source._store, DirectoryStore)
                and self._store.link(theirs, name)
            )
            if not is_linked:
                self._store.put(name, source.data(sha256))

    def publish(self, manifest: Manifest) -> Place:
        """Make a checkpoint complete: all that it names is durable already."""
        self.check_fence(manifest.fence)
        place = Place(manifest.lineage, manifest.number, manifest.fence)
        try:
            self._store.put(f"{self.job}/{place.name}", manifest.encode())
        except StoreError:
            # a newer run may have removed the checkpoint, as one of those that are not needed any more
            self.check_fence(manifest.fence)
            raise
        self.check_fence(manifest.fence)
        return place

    # -- retention -----------------------------------------------------------------------------

    def retain(self, lineage: int, count: int, fence: int, grace: float = GRACE) -> list[str]:
        """Remove what nobody can need: checkpoints of a lineage beyond the last `count`, and data files.

        A data file goes only if no manifest of any lineage names it, it has been there for `grace` seconds,
        and every manifest could be read.

        Returns:
            The names of what was removed.
        """
        self.check_fence(fence)
        origins = [self.origin(n) for n in self.lineages()]
        kept = set(self.places(lineage)[-count:]) | {o for o in origins if o is not None}
        gone = []
        for place in self._all_places(lineage):
            if place not in kept and place.fence <= fence:
                failpoint("retain.unlink")
                self.remove(place)
                failpoint("retain.unlinked")
                gone.append(place.name)
        needed = self._needed()
        for name in filter(_DATA.fullmatch, self._names("data")):
            if name not in needed and self._store.age(f"{self.job}/data/{name}") > grace:
                failpoint("retain.unlink")
                self._store.delete(f"{self.job}/data/{name}")
                gone.append(f"data/{name}")
        return gone

    def remove(self, place: Place) -> None:
        """Forget one checkpoint; its data files go when they are not needed any more."""
        self._store.delete(f"{self.job}/{place.name}")

    def _all_places(self, lineage: int) -> list[Place]:
        matches = map(_CHECKPOINT.fullmatch, self._names(f"lineage-{lineage:04}"))
        return [Place(lineage, int(m[1]), int(m[2])) for m in matches if m]

    def _needed(self) -> set[str]:
        needed = set()
        for lineage in self.lineages():
            for place in self._all_places(lineage):
                if "manifest" in self._names(place.name.rpartition("/")[0]):
                    needed |= set(self.manifest(place).files)
        return needed

    # -- the store -----------------------------------------------------------------------------

    def _names(self, prefix: str) -> list[str]:
        return self._store.names(f"{self.job}/{prefix}" if prefix else self.job)

    def _put_new(self, name: str, data: Mapping[str, Any]) -> bool:
        return self._store.put_new(f"{self.job}/{name}", json.dumps(data, sort_keys=True).encode())

    def _json(self, name: str) -> dict[str, Any]:
        try:
            held: dict[str, Any] = json.loads(self._store.get(f"{self.job}/{name}"))
        except (KeyError, ValueError) as error:
            raise damaged(self.where(name), "it is missing or no JSON") from error
        return held


def _held_runs(lineage: int, bases: Mapping[int, tuple[Place | None, int]]) -> Callable[[int], float]:
    """Up to which number the checkpoints of each run hold, by its fence.

    Those hold that the base of the newest run is built on. What an overtaken run says of its base, perhaps
    late, changes nothing: the newer run has decided after it had taken its fence.
    """
    fence = newest = max((f for f, (_, n) in bases.items() if n == lineage), default=0)
    held: dict[int, float] = {fence: math.inf}
    while fence in bases:
        base, _ = bases[fence]
        # a lineage may begin with a checkpoint that bears the run's own number
        if base is None or base.lineage != lineage or base.fence in held:
            break
        fence = base.fence
        held[fence] = base.number
    # a run that has said nothing yet was overtaken by nobody
    return lambda run: math.inf if run > newest else held.get(run, -1)
