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
    return any(f"-{job}-" in name for name in disk.names(directory))


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
    done = _progress(disk, directory, epoch)
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
    _store(disk, directory).put(_record_name(epoch), json.dumps(record, sort_keys=True).encode())
    if done["fence"] != epoch.fence:
        # the new record says what the older ones did
        for fence, name in _records(disk, directory, epoch):
            if fence < epoch.fence:
                with contextlib.suppress(FileNotFoundError):
                    disk.remove(os.path.join(directory, name))


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
    mine = re.compile(rf"-{epoch.job_tag}-{epoch.lineage}-(\d+)\.")
    stay = {hidden(directory, name) for name in kept}
    for path in list(disk.walk(directory)):
        name = os.path.basename(path)
        run = mine.search(name) if name.startswith(".") and name.endswith(_TAIL) else None
        is_old = run is not None and int(run[1]) <= epoch.fence
        incomplete = name_of_incomplete(name)
        is_broken_off = incomplete is not None and (
            incomplete == marker or 0 < _fence_of(incomplete, epoch) <= epoch.fence
        )
        if (is_old and path not in stay) or is_broken_off:
            with contextlib.suppress(FileNotFoundError):
                disk.remove(path)


def _store(disk: Disk, directory: str) -> Store:
    """Where whole files are written: an object is one anyway, and needs no temporary name."""
    return ObjectStore(directory) if is_remote(directory) else DirectoryStore(directory, disk)


def _record_name(epoch: Epoch) -> str:
    """Of each run another one, so that one that was overtaken cannot write over that of a newer one."""
    return f"{_RECORD}{epoch.job_tag}-{epoch.fence}"


def _records(disk: Disk, directory: str, epoch: Epoch) -> list[tuple[int, str]]:
    """The records of all runs of the job, with their fences."""
    found = ((_fence_of(name, epoch), name) for name in disk.names(directory))
    return [(fence, name) for fence, name in found if fence]


def _fence_of(name: str, epoch: Epoch) -> int:
    """The number of the run whose record has a name; 0: it is no record of the job."""
    number = name.removeprefix(f"{_RECORD}{epoch.job_tag}-")
    return int(number) if number != name and number.isdecimal() else 0


def _progress(disk: Disk, directory: str, epoch: Epoch) -> dict[str, Any]:
    """The last run that committed, and by lineage the last epoch."""
    own = _record(disk, directory, _record_name(epoch))
    if own is not None:
        # it says what all before it did; a newer run takes it away, and a directory may have very many names
        return own
    numbers: dict[str, int] = {}
    newest = 0
    for fence, name in _records(disk, directory, epoch):
        held = _record(disk, directory, name) or {"numbers": {}}
        newest = max(newest, fence)
        for lineage, number in held["numbers"].items():
            numbers[lineage] = max(number, numbers.get(lineage, -1))
    return {"numbers": numbers, "fence": newest}


def _record(disk: Disk, directory: str, name: str) -> dict[str, Any] | None:
    """What a record says; None: there is none, or no more."""
    try:
        held: dict[str, Any] = json.loads(_store(disk, directory).get(name))
    except KeyError:
        return None
    except ValueError as error:
        raise CheckpointError(
            "the progress record of a sink is damaged, so that it cannot be told what was committed",
            code="sink-progress-damaged",
            where=os.path.join(directory, name),
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
