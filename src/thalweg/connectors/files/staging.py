"""Show hidden part files together with a checkpoint, once.

A part is written under its hidden name and synced before the checkpoint that names it is complete. Then it
is renamed, and a progress record beside the parts says which epoch was committed last: whoever reads the
directory may take parts away, so that a missing part alone does not say whether it was ever shown.

Changes:  the directory.
Not here: what is in a part (sink.py), which checkpoint holds (checkpoint/history.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from thalweg.checkpoint.addresses import is_remote
from thalweg.checkpoint.bucket import Seen
from thalweg.checkpoint.disk import Disk
from thalweg.checkpoint.failpoints import failpoint
from thalweg.checkpoint.object_store import ObjectStore
from thalweg.checkpoint.store import DirectoryStore, Store, name_of_incomplete
from thalweg.errors import CheckpointError
from thalweg.protocols.sink import Epoch

_TAIL = ".writing"
_RECORD = ".thalweg-progress-"


def hidden(directory: str, name: str) -> str:
    """The path of a part before it is shown; its name may begin with that of a partition.

    Example:
        >>> hidden("out", "d=1/part-0.parquet")
        'out/d=1/.part-0.parquet.writing'
    """
    inner, last = os.path.split(name)
    return os.path.join(directory, inner, f".{last}{_TAIL}")


def mark(disk: Disk, directory: str, name: str) -> None:
    """An empty file that survives a power cut."""
    _store(disk, directory).put(name, b"")


def has_parts(disk: Disk, directory: str, tag: str) -> bool:
    """Whether a run of the same job has shown parts in a directory, or staged some."""
    job = tag.partition("-")[0]
    return any(f"-{job}-" in name or name == f"{_RECORD}{job}" for name in disk.names(directory))


def commit_parts(
    disk: Disk, directory: str, epoch: Epoch, names: Sequence[str], then: Callable[[], None] = lambda: None
) -> None:
    """Give the parts of an epoch their names, and record it.

    Args:
        disk: where the directory is.
        directory: where all parts are, or below it.
        epoch: the epoch.
        names: the parts.
        then: called when all parts have their names, before it is recorded.

    Raises:
        CheckpointError: a newer run has committed, or a part is gone that was never shown.
        OSError: the directory cannot be changed.
    """
    store, record_name = _store(disk, directory), _record_name(epoch)
    seen = store.look(record_name) if isinstance(store, ObjectStore) else None
    done = _progress(store, record_name, seen)
    if done["fence"] > epoch.fence:
        raise _overtaken(directory, epoch, done)
    if done["numbers"].get(str(epoch.lineage), -1) >= epoch.number:
        # whoever recorded it may have been broken off before its name was durable
        disk.sync_directory(directory)
        return
    for name in names:
        _show(disk, directory, name)
        failpoint("sink.renamed")
    for inner in sorted({os.path.dirname(name) for name in names}):
        disk.sync_directory(os.path.join(directory, inner))
    then()
    failpoint("sink.progress")
    numbers = {**done["numbers"], str(epoch.lineage): epoch.number}
    record = {"numbers": numbers, "fence": epoch.fence, "parts": list(names)}
    data = json.dumps(record, sort_keys=True).encode()
    if not isinstance(store, ObjectStore):
        store.put(record_name, data)
    elif not store.swap(record_name, data, seen):
        # a run that stood still since it looked must not take the record back
        raise _overtaken(directory, epoch, _progress(store, record_name, store.look(record_name)))


def _show(disk: Disk, directory: str, name: str) -> None:
    path = os.path.join(directory, name)
    try:
        disk.rename(hidden(directory, name), path)
    except FileNotFoundError as error:
        if not disk.exists(path):
            raise CheckpointError(
                "a file of results that belongs to a checkpoint is gone",
                code="sink-staged-missing",
                where=hidden(directory, name),
                hint="--from-checkpoint NUMBER goes on from an earlier checkpoint, and writes its rows again",
            ) from error


def discard_parts(
    disk: Disk, directory: str, epoch: Epoch, kept: Iterable[str], marker: str | None = None
) -> None:
    """Remove hidden parts of this and earlier runs of the lineage, but for those that are kept.

    Also those in partitions; with them go progress records that were never complete, and such files as mark
    partitions (`marker`). Newer runs have staged what they are yet to commit: a run that was overtaken may
    come here late.
    """
    broken_off = {_record_name(epoch), marker} - {None}
    mine = re.compile(rf"-{epoch.job_tag}-{epoch.lineage}-(\d+)\.")
    stay = {hidden(directory, name) for name in kept}
    for path in list(disk.walk(directory)):
        name = os.path.basename(path)
        run = mine.search(name) if name.startswith(".") and name.endswith(_TAIL) else None
        is_old = run is not None and int(run[1]) <= epoch.fence
        if (is_old and path not in stay) or name_of_incomplete(name) in broken_off:
            with contextlib.suppress(FileNotFoundError):
                disk.remove(path)


def _store(disk: Disk, directory: str) -> Store:
    """Where whole files are written: an object is one anyway, and needs no temporary name."""
    return ObjectStore(directory) if is_remote(directory) else DirectoryStore(directory, disk)


def _record_name(epoch: Epoch) -> str:
    return f"{_RECORD}{epoch.job_tag}"


def _progress(store: Store, name: str, seen: Seen | None) -> dict[str, Any]:
    """The last run that committed, and by lineage the last epoch; of objects as they were seen."""
    try:
        held: dict[str, Any] = json.loads(store.get(name) if seen is None else seen.data)
    except KeyError:
        return {"numbers": {}, "fence": 0}
    except ValueError as error:
        raise CheckpointError(
            "the progress record of a sink is damaged, so that it cannot be told what was committed",
            code="sink-progress-damaged",
            where=store.describe(name),
            found="no JSON",
        ) from error
    return held


def _overtaken(directory: str, epoch: Epoch, done: dict[str, Any]) -> CheckpointError:
    return CheckpointError(
        "another run of the job has committed, and this one may not any more",
        code="checkpoint-overtaken",
        where=directory,
        found=f"run {epoch.fence}; run {done['fence']} has committed",
    )
