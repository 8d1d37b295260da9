"""Switch off one safeguard each: the simulation must notice every one.

The fences of sinks matter where a job begins a new lineage: as long as it stays in one, what an overtaken run
commits is refused or known already (decision 20). Not among them is that of files, which is no condition of
the rename that follows it; the kit of transactional sinks checks it.

Each is a change to production code that somebody might make by mistake, made from outside for a while.

Not here: how many seeds it takes (test_ablations.py), the scenarios of those that are rare (scenarios/).
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import polars as pl

from thalweg.checkpoint import data_files, encoding, history, manifest
from thalweg.checkpoint.history import History
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.checkpoint.states import WrittenStates
from thalweg.checkpoint.store import DirectoryStore
from thalweg.checkpoint.writer import Checkpointer
from thalweg.connectors.files import sink as file_sink
from thalweg.connectors.files import staging
from thalweg.connectors.files.sink import FileSink, FileWriter
from thalweg.errors import ConnectorError, StoreError
from thalweg.protocols.increments import GONE
from thalweg.runtime.source_task import SourceTask
from thalweg.runtime.task import Input
from thalweg.session import checkpoints
from thalweg.state.marks import Marks
from thalweg.state.memory import KeyedColumns
from thalweg.testing.simulation import process
from thalweg.testing.simulation.database import Database
from thalweg.testing.simulation.disk import SimulatedDisk, SimulatedFile, kind_of

Ablation = Callable[[], AbstractContextManager[Any]]


def _instead(owner: Any, name: str, replacement: Callable[..., Any]) -> Ablation:
    return lambda: mock.patch.object(owner, name, replacement)


def _no_sync_of_file(kind: str) -> Ablation:
    """The sync of files of one kind is left out."""
    original = SimulatedFile.sync

    def sync(self: SimulatedFile) -> None:
        if kind_of(self._path) != kind:
            original(self)

    return _instead(SimulatedFile, "sync", sync)


def _no_sync_of_directory(*kinds: str) -> Ablation:
    original = SimulatedDisk.sync_directory

    def sync(self: SimulatedDisk, path: str) -> None:
        if kind_of(path) not in kinds:
            original(self, path)

    return _instead(SimulatedDisk, "sync_directory", sync)


def _write_in_place(self: DirectoryStore, name: str, data: bytes) -> None:
    """Without a temporary name: the file is there before it is complete."""
    path = self.describe(name)
    with self._told("written", name):
        directory = path.rpartition("/")[0]
        self._disk.make_directory(directory)
        if self._disk.exists(path):
            self._disk.remove(path)
        file = self._disk.create(path)
        for half in (data[: len(data) // 2], data[len(data) // 2 :]):
            file.write(half)
        file.sync()
        self._disk.sync_directory(directory)


def _nothing(*args: Any, **kwargs: Any) -> None:
    """Does nothing."""


# What a checkpoint holds ---------------------------------------------------------------------------


def _without_in_splits(*names: str) -> Ablation:
    """The checkpoint does not hold some of what it should of each split."""
    original = SourceTask.progress

    def progress(self: SourceTask) -> Any:
        return {s: {n: v for n, v in d.items() if n not in names} for s, d in original(self).items()}

    return _instead(SourceTask, "progress", progress)


def _without_state() -> AbstractContextManager[Any]:
    original = History.snapshot

    def snapshot(self: History, held: Any, **options: Any) -> JobSnapshot:
        return replace(original(self, held, **options), keyed={})

    return mock.patch.object(History, "snapshot", snapshot)


@contextmanager
def _unaligned() -> Iterator[None]:
    """A channel that has delivered a barrier is read on."""

    def is_ready(self: Input) -> bool:
        return not (self.ended or self.declined or self.channel.is_empty)

    with mock.patch.object(Input, "is_ready", property(is_ready)):
        yield


# Sinks ---------------------------------------------------------------------------------------------


class _EagerWriter(FileWriter):
    """Shows parts at once instead of with the checkpoint."""

    def cut(self, number: int) -> None:
        if self.rows:
            self.put_part()
        self._publish()

    def stage(self) -> list[Any]:
        if self.rows:
            self.put_part()
        self._publish()
        return []


def _unstaged(self: FileSink, schema: Any, task: int, epoch: Any, restored: Any = ()) -> Any:
    self.disk.make_directory(self.path)
    return _EagerWriter(self, *self._prepared(schema), task, epoch.tag)


def _no_progress(disk: Any, directory: str, epoch: Any) -> dict[str, Any]:
    return {"numbers": {}, "fence": 0}


def _discard_of_newer(disk: Any, directory: str, epoch: Any, kept: Any) -> None:
    """A run that begins late forgets what newer runs have staged, too."""
    staging.discard_parts(disk, directory, replace(epoch, fence=1 << 30), kept)


def _no_second_name() -> AbstractContextManager[Any]:
    """Whose temporary file a newer run has tidied away does not write it again."""

    def named(self: DirectoryStore, name: str, data: bytes, call: Callable[[str, str], None]) -> None:
        path, temporary = self._written(name, data)
        call(temporary, path)
        self._disk.sync_directory(path.rpartition("/")[0])

    return mock.patch.object(DirectoryStore, "_named", named)


# The order of things -------------------------------------------------------------------------------


def _commit_first() -> AbstractContextManager[Any]:
    """Sinks commit before the manifest is there."""
    original = Checkpointer._published

    def published(self: Checkpointer, snapshot: JobSnapshot, *, has_ended: bool) -> Any:
        self._commit(snapshot.number, self._owed)
        return original(self, snapshot, has_ended=has_ended)

    return mock.patch.object(Checkpointer, "_published", published)


def _owe_commits() -> AbstractContextManager[Any]:
    """A commit that fails is taken for a checkpoint that has: all of it comes again with the next one."""
    original = Checkpointer._write

    def write(self: Checkpointer, snapshot: JobSnapshot, *, has_ended: bool = False) -> None:
        original(self, snapshot, has_ended=has_ended)
        is_known = isinstance(self._error, (ConnectorError, StoreError))
        if is_known and self.failures <= self._tolerated and not has_ended:
            self._error = None

    return mock.patch.object(Checkpointer, "_write", write)


def _forget_owed() -> AbstractContextManager[Any]:
    """What was staged for a checkpoint that failed is not committed with the next one."""
    original = Checkpointer._write

    def write(self: Checkpointer, snapshot: JobSnapshot, *, has_ended: bool = False) -> None:
        self._owed = {}
        original(self, snapshot, has_ended=has_ended)

    return mock.patch.object(Checkpointer, "_write", write)


def _no_commit_at_begin() -> AbstractContextManager[Any]:
    """What was staged with the checkpoint that a run goes on from is not committed."""
    original = History.snapshot

    def snapshot(self: History, held: Any, **options: Any) -> JobSnapshot:
        return replace(original(self, held, **options), staged={})

    return mock.patch.object(History, "snapshot", snapshot)


def _no_second_look() -> AbstractContextManager[Any]:
    """A run looks at the fences before it publishes, and not afterwards."""

    def publish(self: History, held: Any) -> Any:
        self.check_fence(held.fence)
        place = history.Place(held.lineage, held.number, held.fence)
        self._store.put(f"{self.job}/{place.name}", held.encode())
        return place

    return mock.patch.object(History, "publish", publish)


def _sync_again() -> AbstractContextManager[Any]:
    """A sync that failed is tried again, and succeeds: the system has dropped the pages."""
    original = SimulatedFile.sync

    def sync(self: SimulatedFile) -> None:
        try:
            original(self)
        except OSError:
            original(self)

    return mock.patch.object(SimulatedFile, "sync", sync)


def _same_fence() -> AbstractContextManager[Any]:
    """A run's number and base are written without compare-and-set."""

    def put_new(self: DirectoryStore, name: str, data: bytes) -> bool:
        if "fences/" in name:
            self.put(name, data)
            return True
        return original(self, name, data)

    original = DirectoryStore.put_new
    return mock.patch.object(DirectoryStore, "put_new", put_new)


def _no_hash() -> AbstractContextManager[Any]:
    class Unchecked(encoding.Encoded):
        def frame(self) -> pl.DataFrame:
            try:
                return pl.read_ipc(io.BytesIO(self.data))
            except pl.exceptions.PolarsError:
                raise encoding.damaged(self.where, "it cannot be read") from None

    return mock.patch.object(data_files, "checked", Unchecked)


def _nothing_has_gone() -> AbstractContextManager[Any]:
    """Increments do not say which rows have gone."""
    forget = Marks.forget
    return mock.patch.object(Marks, "forget", lambda self, numbers: forget(self, numbers)[:0])


def _only_marked_rows() -> AbstractContextManager[Any]:
    """Of an increment that some tasks have given marks, the rows of the others are not loaded."""
    load = KeyedColumns.load

    def marked(self: KeyedColumns, frame: pl.DataFrame) -> None:
        load(self, frame.filter(pl.col(GONE).is_not_null()) if GONE in frame.columns else frame)

    return mock.patch.object(KeyedColumns, "load", marked)


def _forget_increments() -> AbstractContextManager[Any]:
    """The increments of a checkpoint that failed are not in the next one."""
    owe = WrittenStates.owe

    def anew(self: WrittenStates, keyed: Any) -> None:
        self._owed = {key: rows for key, rows in self._owed.items() if rows[0].is_whole}
        owe(self, keyed)

    return mock.patch.object(WrittenStates, "owe", anew)


def _no_manifest_hash() -> AbstractContextManager[Any]:
    def decode(data: bytes, where: str) -> Any:
        try:
            held = json.loads(data.partition(b"\n")[2])
            held["states"] = tuple(map(manifest._entry, held["states"]))
            held["splits"] = tuple(held["splits"])
            return manifest.Manifest(**held)
        except (ValueError, TypeError, KeyError):
            raise manifest.damaged(where, "it is no JSON") from None

    return mock.patch.object(history, "decode", decode)


def _every_base_decides(
    lineage: int, bases: Mapping[int, tuple[history.Place | None, int]]
) -> Callable[[int], float]:
    """What any run says of its base undoes what other runs have published, also where it says so late."""

    def held(run: int) -> float:
        later = [base for fence, (base, n) in bases.items() if fence > run and n == lineage]
        return min((-1 if b is None or b.lineage != lineage else b.number for b in later), default=math.inf)

    return held


def _newest_first() -> AbstractContextManager[Any]:
    """Also who begins somewhere else reads the newest checkpoint, which may be damaged."""
    original = process.begin

    def begin(history: History, *others: Any) -> Any:
        _, place = history.newest()
        if place is not None:
            history.manifest(place)
        return original(history, *others)

    return mock.patch.object(process, "begin", begin)


def _lineage_of_anybody() -> AbstractContextManager[Any]:
    """The lineage with the highest number wins, whoever has opened it."""
    return mock.patch.object(History, "_newest_lineage", lambda self: max(self.lineages(), default=None))


ABLATIONS: dict[str, Ablation] = {
    "look at the fences": _instead(History, "check_fence", _nothing),
    "second look at the fences": _no_second_look,
    "base record": _instead(history, "_held_runs", lambda lineage, bases: lambda run: math.inf),
    "compare-and-set of fences": _same_fence,
    "lineages of overtaken runs": _lineage_of_anybody,
    "beginning elsewhere than at damage": _newest_first,
    "progress record of files": _instead(staging, "_progress", _no_progress),
    "fences of the database": _instead(Database, "newest", lambda self, epoch: 0),
    "progress record of the database": _instead(Database, "done", lambda self, epoch: -1),
    "sync of data files": _no_sync_of_file("data"),
    "sync of manifests": _no_sync_of_file("manifest"),
    "sync of staged parts": _no_sync_of_file("part"),
    "sync of progress records": _no_sync_of_file("progress"),
    "sync of the directory of data": _no_sync_of_directory("data"),
    "sync of the directory of manifests": _no_sync_of_directory("checkpoint"),
    "sync of the directory of results": _no_sync_of_directory("results"),
    "no second try of a sync": _sync_again,
    "temporary names": _instead(DirectoryStore, "put", _write_in_place),
    "alignment": _unaligned,
    "staging": _instead(FileSink, "open_staging", _unstaged),
    "clock of splits": _without_in_splits("clock"),
    "time that was handed on": _without_in_splits("watermark"),
    "positions of splits": _without_in_splits("position"),
    "keyed state": _without_state,
    "grace before deletion": _instead(History.retain, "__defaults__", (-1.0,)),
    "discard of what was staged": _instead(file_sink, "discard_parts", _nothing),
    "parts of newer runs": _instead(file_sink, "discard_parts", _discard_of_newer),
    "durable names": _instead(DirectoryStore, "settle", _nothing),
    "another temporary name": _no_second_name,
    "tidying": _instead(History, "tidy", _nothing),
    "hash of data files": _no_hash,
    "hash of manifests": _no_manifest_hash,
    "manifest before commits": _commit_first,
    "what a failed checkpoint owes": _forget_owed,
    "rows that have gone": _nothing_has_gone,
    "rows without a mark": _only_marked_rows,
    "commit at the beginning": _no_commit_at_begin,
}
"""By the name of what is switched off."""
OF_LINEAGES = ("fences of the database", "beginning elsewhere than at damage")
"""Those that only matter where a job begins anew."""
RARE: dict[str, Ablation] = {
    "end with a failed commit": _owe_commits,
    "increments of a failed checkpoint": _forget_increments,
    "base of the newest run": _instead(history, "_held_runs", _every_base_decides),
    "ends that may be undone": _instead(checkpoints, "_settled", lambda held, place: held.highest_fence()),
}
"""Those that a seed notices too seldom, since several things must come together: a scenario shows each."""
