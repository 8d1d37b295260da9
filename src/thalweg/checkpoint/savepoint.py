"""Keep one checkpoint by itself, in a directory that can be moved and that nothing but its owner removes.

    DIRECTORY/savepoint-JOB-00000042-003/manifest
    DIRECTORY/savepoint-JOB-00000042-003/data/SHA256

The files are those of a checkpoint; where the disk is the same they are second names of them. The manifest
comes last. It names its origin, by which sinks know what they have committed, wherever a job goes on from it.

Changes:  the directory.
Not here: when one is taken (writer.py), going on from one (session/checkpoints.py).
"""

from __future__ import annotations

import os
import re
import threading
from dataclasses import replace

from thalweg.checkpoint.addresses import is_remote
from thalweg.checkpoint.disk import LocalDisk
from thalweg.checkpoint.history import History, Place
from thalweg.checkpoint.manifest import Manifest, damaged, decode
from thalweg.checkpoint.places import absolute, is_file, store_at
from thalweg.errors import CheckpointError

_CHECKPOINT = re.compile(r"checkpoint-(\d+)-(\d+)")
_LINEAGE = re.compile(r"lineage-(\d+)")
_MANIFEST = "manifest"


class Saving:
    """A savepoint that was asked for; it is there, or has failed, some time later.

    Args:
        directory: in which its own directory is made.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._done = threading.Event()
        self._path = ""
        self._error: Exception | None = None

    def wait(self, timeout: float | None = None) -> str:
        """The path of the savepoint.

        Args:
            timeout: for how many seconds to wait; by default for any time.

        Raises:
            CheckpointError: it could not be taken, or is not there in time.
            StoreError: it could not be written.
        """
        if not self._done.wait(timeout):
            raise CheckpointError(
                f"the savepoint was not complete within {timeout:g} s",
                code="savepoint-late",
                where=self.directory,
                hint="the job goes on with it",
            )
        if self._error is not None:
            raise self._error
        return self._path

    def complete(self, path: str) -> None:
        """It is there."""
        self._path = path
        self._done.set()

    def fail(self, error: Exception) -> None:
        """It will not be there; nothing happens if it is."""
        if not self._done.is_set():
            self._error = error
            self._done.set()


def not_taken(why: str) -> CheckpointError:
    """The error for a savepoint that the job could not take any more."""
    return CheckpointError(
        f"the savepoint was not taken: {why}",
        code="savepoint-not-taken",
        hint="thalweg checkpoint save takes one of the newest checkpoint of a job that does not run",
    )


def save(history: History, manifest: Manifest, directory: str, *, is_committed: bool) -> str:
    """Write a savepoint of a checkpoint, and give its path.

    Args:
        history: the checkpoints of the job.
        manifest: which of them.
        directory: in which the savepoint's own directory is made.
        is_committed: whether all sinks have shown what was staged for it.

    Raises:
        CheckpointError: another savepoint has the place, or a file of the checkpoint is damaged.
        StoreError: the directory cannot be written to.
    """
    saved = with_origin(history, manifest, is_committed=is_committed)
    path = os.path.join(
        absolute(directory), f"savepoint-{history.job}-{manifest.number:08}-{manifest.fence:03}"
    )
    parent, name = os.path.split(path)
    own, store = History(store_at(parent), name), store_at(path)
    if _MANIFEST in store.names(""):
        _check_same(decode(store.get(_MANIFEST), store.describe(_MANIFEST)), saved, path)
        return path
    own.copy_data(history, manifest.files)
    store.put(_MANIFEST, saved.encode())
    return path


def savepoints_of(history: History) -> str:
    """Where the savepoints of a job are that were taken without another directory."""
    return history.where("savepoints")


def savepoints(history: History) -> list[str]:
    """The paths of those."""
    directory = savepoints_of(history)
    paths = (os.path.join(directory, name) for name in store_at(directory).names(""))
    return [absolute(path) for path in paths if is_savepoint(path)]


def with_origin(history: History, manifest: Manifest, *, is_committed: bool) -> Manifest:
    """The manifest of a checkpoint that is to be kept elsewhere."""
    if manifest.origin is not None:
        return manifest
    place = {"lineage": manifest.lineage, "number": manifest.number, "fence": manifest.fence}
    return replace(manifest, origin={"job": history.identity(), **place, "is_committed": is_committed})


def _check_same(there: Manifest, saved: Manifest, path: str) -> None:
    def key(manifest: Manifest) -> tuple[object, ...]:
        assert manifest.origin is not None, "a savepoint has an origin"
        return manifest.origin["job"], manifest.lineage, manifest.number, manifest.fence

    if there.origin is None or key(there) != key(saved):
        raise CheckpointError(
            "another savepoint is there already",
            code="savepoint-exists",
            where=path,
            hint="nothing was changed; choose another directory",
        )


def is_savepoint(path: str) -> bool:
    """Whether there is a savepoint, or another checkpoint, at a path."""
    return is_file(os.path.join(path, _MANIFEST)) or (os.path.basename(path) == _MANIFEST and is_file(path))


def is_checkpoint(path: str) -> bool:
    """Whether a path is that of a checkpoint among others of its job, and not of a savepoint."""
    above, name = os.path.split(absolute(path).removesuffix(f"/{_MANIFEST}"))
    return bool(_CHECKPOINT.fullmatch(name) and _LINEAGE.fullmatch(os.path.basename(above)))


def opened(path: str) -> tuple[History, Manifest]:
    """The savepoint, or the checkpoint of any job, at a path: that of its directory or of its manifest.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    whole = absolute(path)
    if os.path.basename(whole) == _MANIFEST:
        whole = os.path.dirname(whole)
    above, name = os.path.split(whole)
    checkpoint, lineage = _CHECKPOINT.fullmatch(name), _LINEAGE.fullmatch(os.path.basename(above))
    if checkpoint is None or lineage is None:
        return _own(whole)
    root, job = os.path.split(os.path.dirname(above))
    history = History(store_at(root), job)
    return history, history.manifest(Place(int(lineage[1]), int(checkpoint[1]), int(checkpoint[2])))


def _own(path: str) -> tuple[History, Manifest]:
    """The savepoint in a directory of its own."""
    above, name = os.path.split(path)
    history, store = History(store_at(above), name), store_at(path)
    where = store.describe(_MANIFEST)
    try:
        manifest = decode(store.get(_MANIFEST), where)
    except KeyError as error:
        raise CheckpointError(
            "there is no savepoint", code="checkpoint-missing", where=path, expected=f"a file {_MANIFEST}"
        ) from error
    if manifest.origin is None:
        raise damaged(where, "it is the manifest of a checkpoint that is elsewhere")
    return history, manifest


def remove(path: str) -> None:
    """Forget a savepoint; what is not its own stays.

    Raises:
        CheckpointError: there is none, or it is damaged: then nothing is removed.
    """
    whole = absolute(path)
    _, manifest = _own(whole)
    store = store_at(whole)
    # without a manifest it is none any more
    store.delete(_MANIFEST)
    for name in dict.fromkeys(manifest.files):
        store.delete(f"data/{name}")
    if not is_remote(whole):
        LocalDisk().remove_empty(whole)
