"""Begin a job where its checkpoints say, and keep checkpoints of it while it runs.

What a run does before its first row, in this order: it locks the job's directory; takes a fence number; reads
which checkpoint holds, and records it as its base; opens a lineage if there is none; reads and checks all of
the state; commits what was staged with that checkpoint, and forgets what was staged later.

Reads, changes:  the directory of checkpoints; what sinks have staged.
Not here: which checkpoint holds (checkpoint/history.py), how one is written (checkpoint/writer.py).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from thalweg import __version__
from thalweg.checkpoint.failpoints import failpoint
from thalweg.checkpoint.history import History, Place
from thalweg.checkpoint.hold import held
from thalweg.checkpoint.manifest import Manifest
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.checkpoint.store import DirectoryStore
from thalweg.checkpoint.writer import CLOCKS, Checkpointer, Clocks
from thalweg.errors import CheckpointError, ConfigError
from thalweg.job.fingerprint import fingerprint
from thalweg.job.job import Job
from thalweg.plan.nodes import Plan, Write
from thalweg.protocols.sink import Epoch, Sink, TransactionalSink

Sinks = dict[str, Sink]
"""The sinks of a job by their ids."""
_SHOWN = 3


@dataclass(frozen=True)
class CheckpointOptions:
    """How a job is kept.

    Attributes:
        directory: where the checkpoints of all jobs are.
        interval: seconds between two.
        retained: how many of a lineage are kept.
        tolerated: how many in a row may fail before the job does.
        start: `newest`; `fresh`, in a new lineage without state; or the number or path of a checkpoint, from
            which a new lineage goes on.
        say: told in a line where the job goes on.
        clocks: what time is measured with, and read from.
    """

    directory: str
    interval: float = 10.0
    retained: int = 3
    tolerated: int = 3
    start: str = "newest"
    say: Callable[[str], None] = lambda line: None
    clocks: Clocks = CLOCKS


@dataclass(frozen=True)
class Begun:
    """Where a run begins.

    Attributes:
        checkpointer: what keeps its checkpoints; None: the job had reached its end before.
        epoch: its first epoch.
        snapshot: the state that it goes on from.
    """

    checkpointer: Checkpointer | None
    epoch: Epoch
    snapshot: JobSnapshot | None = None


@contextmanager
def kept(options: CheckpointOptions, job: str, program: str, sinks: Sinks) -> Iterator[Begun]:
    """A run of a job, from its newest checkpoint or another.

    Args:
        options: how it is kept.
        job: its name.
        program: the fingerprint of what it does.
        sinks: where it writes.

    Raises:
        ConfigError: another process runs the job.
        CheckpointError: its checkpoints are not of this program, or damaged.
        StoreError: the directory cannot be read or written.
    """
    name = directory_name(job)
    history = History(DirectoryStore(options.directory), name)
    with held(os.path.join(options.directory, name), job):
        begun = begin(history, options, job, program, sinks)
        try:
            yield begun
        finally:
            if begun.checkpointer is not None:
                begun.checkpointer.close()


def kept_job(options: CheckpointOptions, job: Job, name: str) -> AbstractContextManager[Begun]:
    """A run of a stream."""
    sinks = {s.write.id: s.write.sink for s in job.stages if s.write is not None}
    return kept(options, name, fingerprint(job), sinks)


def kept_batch(
    options: CheckpointOptions, writes: Sequence[Write], name: str
) -> AbstractContextManager[Begun]:
    """A run of a batch, which has no state, and commits once."""
    lines = "\n".join(line for write in writes for line in _lines(write))
    program = hashlib.sha256(f"batch\n{lines}".encode()).hexdigest()
    return kept(options, name, program, {f"write{n}": w.sink for n, w in enumerate(writes, 1)})


def _lines(plan: Plan) -> Iterator[str]:
    yield plan.describe()
    for step in plan.inputs:
        yield from _lines(step)


def directory_name(job: str) -> str:
    """A job's name as the name of a directory.

    Example:
        >>> directory_name("hot items/1")
        'hot%20items%2f1'
    """
    safe = "".join(c if c.isalnum() or c in "-_" else f"%{ord(c):02x}" for c in job)
    if not safe or len(safe.encode()) > 200:
        raise ConfigError(
            "a job with checkpoints needs a name of at most 200 bytes",
            code="checkpoint-name",
            found=repr(job),
        )
    return safe


def begin(history: History, options: CheckpointOptions, job: str, program: str, sinks: Sinks) -> Begun:
    """What a run does before its first row, but for the lock.

    Args:
        history: the checkpoints of the job.
        options: how it is kept.
        job: its name.
        program: the fingerprint of what it does.
        sinks: where it writes.

    Raises:
        CheckpointError: the checkpoints are not of this program, or damaged.
        StoreError: they cannot be read or written.
    """
    identity = history.identity()
    lineage, place = history.newest()
    manifest = None if place is None else history.manifest(place)
    if options.start == "newest" and manifest is not None and manifest.has_ended:
        _check_program(history, manifest, place, program)
        history.settle(manifest.lineage, place)
        epoch = Epoch(identity, "", manifest.lineage, manifest.number, manifest.fence)
        _commit(sinks, epoch, history.staged(manifest))
        _discard(sinks, epoch)
        history.tidy()
        options.say(f"the job {job} has reached its end ({manifest.at}); nothing is done")
        return Begun(None, epoch)
    fence = history.take_fence()
    # read again: a run that was overtaken may have completed one until now
    lineage, place = history.newest()
    if options.start == "fresh":
        place, lineage = None, history.open_lineage(None, fence)
    elif options.start != "newest":
        place = _chosen(history, options.start, lineage)
        lineage = history.open_lineage(place, fence)
    elif lineage is None:
        lineage = history.open_lineage(None, fence)
    history.record_base(fence, place, lineage)
    snapshot = None
    epoch = Epoch(identity, "", lineage, 0 if place is None else place.number, fence)
    if place is not None:
        manifest = history.manifest(place)
        _check_program(history, manifest, place, program)
        snapshot = history.snapshot(manifest)
        # in its own lineage, where it may have been committed long ago
        _commit(sinks, replace(epoch, lineage=place.lineage), snapshot.staged)
        options.say(_resumed(job, manifest, options.clocks[1]()))
    _discard(sinks, epoch)
    history.tidy()
    failpoint("restore.committed")
    head = Manifest(job, lineage, 0, fence, program, __version__, "")
    checkpointer = Checkpointer(
        history,
        head,
        lambda number, staged: _commit(sinks, replace(epoch, number=number), staged),
        interval=options.interval,
        retained=options.retained,
        tolerated=options.tolerated,
        clocks=options.clocks,
    )
    return Begun(checkpointer, epoch, snapshot)


def _chosen(history: History, start: str, lineage: int | None) -> Place:
    """The checkpoint that the user names, by number or path."""
    places = [p for n in history.lineages() for p in history.places(n)]
    wanted = os.path.abspath(start)
    for place in reversed(places):
        path = os.path.dirname(os.path.abspath(history.where(place.name)))
        if wanted in (path, os.path.join(path, "manifest")) or (
            start.isdecimal() and place.number == int(start)
        ):
            return place
    raise CheckpointError(
        f'the job has no complete checkpoint "{start}"',
        code="checkpoint-missing",
        where=history.where(),
        choices=[str(p.number) for p in places if p.lineage == lineage],
    )


def _check_program(history: History, manifest: Manifest, place: Place | None, program: str) -> None:
    if manifest.program == program:
        return
    raise CheckpointError(
        "the checkpoint is of another program: its steps are not those of the job",
        code="checkpoint-other-program",
        where=history.where() if place is None else history.where(place.name),
        expected=f"the program that wrote it, with Thalweg {manifest.engine}",
        hint="--fresh starts the changed program without state, and deletes nothing",
    )


def _transactional(sinks: Sinks) -> Iterable[tuple[str, TransactionalSink]]:
    return ((name, sink) for name, sink in sorted(sinks.items()) if isinstance(sink, TransactionalSink))


def _commit(sinks: Sinks, epoch: Epoch, staged: Mapping[str, list[Any]]) -> None:
    for name, sink in _transactional(sinks):
        sink.commit(replace(epoch, sink=name), staged.get(name, []))
        failpoint("checkpoint.committed")


def _discard(sinks: Sinks, epoch: Epoch) -> None:
    for name, sink in _transactional(sinks):
        sink.discard(replace(epoch, sink=name), ())


def _resumed(job: str, manifest: Manifest, now: datetime) -> str:
    age = (now - datetime.fromisoformat(manifest.at)).total_seconds()
    read = sum(int(s["data"].get("rows", 0)) for s in manifest.splits)
    shown = [f"{os.path.basename(s['split'])} {dict(s['data'].get('position', {}))}" for s in manifest.splits]
    rest = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return (
        f"the job {job} goes on from checkpoint {manifest.number} ({age:.0f} s old, "
        f"{manifest.size / 1024:.0f} KiB, {read} rows read; {', '.join(shown[:_SHOWN])}{rest})"
    )
