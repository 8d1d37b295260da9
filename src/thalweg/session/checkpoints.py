"""Begin a job where its checkpoints say, and keep checkpoints of it while it runs.

What a run does before its first row, in this order: it takes hold of the job; takes a fence number; reads
which checkpoint holds, and records it as its base; opens a lineage if there is none; reads and checks all of
the state; commits what was staged with that checkpoint, and forgets what was staged later.

Reads, changes:  the directory of checkpoints; what sinks have staged.
Not here: which checkpoint holds (checkpoint/history.py), how one is written (checkpoint/writer.py).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from thalweg import __version__
from thalweg.checkpoint.failpoints import failpoint
from thalweg.checkpoint.frames import directory_name
from thalweg.checkpoint.history import History, Place
from thalweg.checkpoint.hold import LEASE, Lease, Terms, held
from thalweg.checkpoint.holders import holders_of
from thalweg.checkpoint.manifest import Manifest
from thalweg.checkpoint.places import absolute, store_at
from thalweg.checkpoint.savepoint import (
    Saving,
    is_savepoint,
    not_taken,
    opened,
    save,
    savepoints_of,
    with_origin,
)
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.checkpoint.writer import CLOCKS, Checkpointer, Clocks
from thalweg.errors import CheckpointError, StoreError, ThalwegError
from thalweg.job.job import Job
from thalweg.job.restart import RestartStrategy
from thalweg.job.shape import Program, program_of
from thalweg.plan.nodes import Plan, Write
from thalweg.protocols.sink import Epoch, Sink, TransactionalSink
from thalweg.session.journals import Journals
from thalweg.session.upgrades import TakenOver, taken_over

if TYPE_CHECKING:
    from thalweg.runtime.restore import Loaded

Sinks = dict[str, Sink]
"""The sinks of a job by their ids."""
Load = Callable[[JobSnapshot], "Loaded | None"]
_SHOWN = 3


def _nothing(snapshot: JobSnapshot) -> None:
    """What has no state loads none."""


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
        dropping: steps whose state a changed program need not take over; None: it must not have changed.
        strategy: what follows from a failure; None: it is the end.
        keeps_bytes: whether a checkpoint is read into memory as a whole before its rows are used.
        lease: seconds without a sign of life after which another process may take the job over.
        say: told in a line where the job goes on.
        warn: told in a line that it failed, and what follows.
        clocks: what time is measured with, and read from.
    """

    directory: str
    interval: float = 10.0
    retained: int = 3
    tolerated: int = 3
    start: str = "newest"
    dropping: frozenset[str] | None = None
    strategy: RestartStrategy | None = None
    keeps_bytes: bool = True
    lease: float = LEASE
    say: Callable[[str], None] = lambda line: None
    warn: Callable[[str], None] = lambda line: None
    clocks: Clocks = CLOCKS


@dataclass
class Begun:
    """Where a run begins.

    Attributes:
        checkpointer: what keeps its checkpoints; None: the job had reached its end before.
        epoch: its first epoch.
        loaded: the state that it goes on from, if it goes on.
        journals: what its sources may write down.
    """

    checkpointer: Checkpointer | None
    epoch: Epoch
    loaded: Loaded | None = None
    journals: Journals | None = None

    def take_loaded(self) -> Loaded | None:
        """The state, once: it goes with the run."""
        loaded, self.loaded = self.loaded, None
        return loaded


class Kept:
    """The checkpoints of a job that this process runs, over all of its attempts.

    Attributes:
        has_run: whether an attempt has begun to read; set by whoever runs it.
        is_stopping: whether the last attempt was asked to stop; set by whoever runs it.
    """

    def __init__(
        self,
        history: History,
        lease: Lease,
        options: CheckpointOptions,
        job: str,
        program: Program,
        sinks: Sinks,
    ) -> None:
        self._history, self._lease, self._options = history, lease, options
        self._job, self._program, self._sinks = job, program, sinks
        self._start = options.start
        self.has_run = self.is_stopping = False

    @contextmanager
    def begun(self, load: Load = _nothing) -> Iterator[Begun]:
        """One attempt: the first from where the user says, others from the newest checkpoint.

        Args:
            load: makes the state of the tasks from that of a checkpoint.
        """
        is_first = not self.has_run
        options = replace(self._options, start=self._start)
        if not is_first:
            # that it goes on was said when it failed
            options = replace(options, say=lambda line: None)
        begun = None
        try:
            mine = self._job, self._program, self._sinks
            begun = begin(self._history, options, *mine, load, self._lease.confirm)
            self._start = "newest"
            yield begun
        except Exception as error:
            self._explain(error)
            raise
        finally:
            if begun is not None and begun.checkpointer is not None:
                begun.checkpointer.close()

    def check(self) -> None:
        """Raise if another process has taken the job over.

        Raises:
            CheckpointError: `checkpoint-overtaken`.
        """
        self._lease.check()

    def _explain(self, error: Exception) -> None:
        """Whatever goes wrong in a run that was overtaken, that is why: others change what it stands on."""
        with suppress(StoreError):
            try:
                self._lease.confirm()
            except CheckpointError as overtaken:
                raise overtaken from error

    @property
    def reached(self) -> Place | None:
        """The newest checkpoint."""
        return self._history.newest()[1]

    def save(self, saving: Saving) -> None:
        """Take a savepoint of the newest checkpoint, while no attempt runs."""
        try:
            place = self.reached
            if place is None:
                raise not_taken("the job has no complete checkpoint")
            manifest = self._history.manifest(place)
            saving.complete(save(self._history, manifest, saving.directory, is_committed=False))
        except (ThalwegError, OSError) as error:
            saving.fail(error)

    @property
    def savepoints(self) -> str:
        """The directory of savepoints for which nobody names one."""
        return savepoints_of(self._history)

    def in_words(self) -> str:
        """The newest checkpoint, for messages."""
        place = self.reached
        return "the beginning" if place is None else f"checkpoint {place.number}"


@contextmanager
def kept(options: CheckpointOptions, job: str, program: Program, sinks: Sinks) -> Iterator[Kept]:
    """The checkpoints of a job, which no other process runs meanwhile.

    Args:
        options: how it is kept.
        job: its name.
        program: what it does.
        sinks: where it writes.

    Raises:
        ConfigError: another process runs the job.
        StoreError: the directory cannot be read or written.
    """
    name = directory_name(job)
    store = store_at(options.directory)
    terms = Terms(options.lease, overtakes=True, warn=options.warn)
    with held(holders_of(store, name), job, terms) as lease:
        yield Kept(History(store, name), lease, options, job, program, sinks)


def kept_job(options: CheckpointOptions, job: Job, name: str) -> AbstractContextManager[Kept]:
    """A run of a stream."""
    sinks = {s.write.id: s.write.sink for s in job.stages if s.write is not None}
    return kept(options, name, program_of(job), sinks)


def kept_batch(
    options: CheckpointOptions, writes: Sequence[Write], name: str
) -> AbstractContextManager[Kept]:
    """A run of a batch, which has no state, and commits once."""
    lines = "\n".join(line for write in writes for line in _lines(write))
    program = hashlib.sha256(f"batch\n{lines}".encode()).hexdigest()
    return kept(options, name, Program(program), {f"write{n}": w.sink for n, w in enumerate(writes, 1)})


def _lines(plan: Plan) -> Iterator[str]:
    yield plan.describe()
    for step in plan.inputs:
        yield from _lines(step)


def begin(
    history: History,
    options: CheckpointOptions,
    job: str,
    program: Program,
    sinks: Sinks,
    load: Load = _nothing,
    confirm: Callable[[], None] = lambda: None,
) -> Begun:
    """What a run does before its first row, but for the hold on the job.

    Args:
        history: the checkpoints of the job.
        options: how it is kept.
        job: its name.
        program: what it does.
        sinks: where it writes.
        load: makes the state of the tasks from that of a checkpoint; what the checkpoint has staged is shown
            when all of it is there.
        confirm: raises if another process has taken the job over.

    Raises:
        CheckpointError: the checkpoints are not of this program, or damaged.
        StoreError: they cannot be read or written.
    """
    identity = history.identity()
    lineage, place = history.newest()
    manifest = None if place is None else history.manifest(place)
    if (
        options.start == "newest"
        and place is not None
        and manifest is not None
        and manifest.has_ended
        and (fence := _settled(history, place)) is not None
    ):
        # the process that took it over may have brought it to its end
        confirm()
        taken_over(manifest, program, options.dropping, history.where(place.name))
        history.settle(manifest.lineage, place)
        return _ended(history, options, job, sinks, manifest, fence)
    fence = history.take_fence(confirm)
    # read again: a run that was overtaken may have completed one until now
    lineage, place = _opened(history, options, fence, program)
    taken = None
    if place is not None:
        taken = taken_over(history.manifest(place), program, options.dropping, history.where(place.name))
        if taken.manifest.has_ended and options.start == "newest":
            history.record_base(fence, place, lineage)
            return _ended(history, options, job, sinks, taken.manifest, fence)
        if taken.is_changed and options.start == "newest":
            # the old one stays for the program that wrote it
            lineage = history.open_lineage(place, fence)
    history.record_base(fence, place, lineage)
    loaded = None
    epoch = Epoch(identity, "", lineage, 0 if place is None else place.number, fence)
    if taken is not None:
        snapshot = history.snapshot(taken.manifest, keeps_bytes=options.keeps_bytes, is_checked=False)
        loaded = load(snapshot)
        history.check_unread()
        _complete(sinks, epoch, taken, snapshot.staged)
        for line in (*taken.lines, _resumed(job, taken.manifest, options.clocks[1]())):
            options.say(line)
    _discard(sinks, epoch)
    history.tidy()
    failpoint("restore.committed")
    head = Manifest(
        job, lineage, 0, fence, program.fingerprint, __version__, "", physical=program.shape.plain()
    )
    journals = Journals(history, epoch)

    def commit(number: int, staged: Mapping[str, list[Any]]) -> None:
        _commit(sinks, replace(epoch, number=number), staged)
        journals.prune()

    checkpointer = Checkpointer(
        history,
        head,
        commit,
        base=None if taken is None else taken.manifest,
        interval=options.interval,
        retained=options.retained,
        tolerated=options.tolerated,
        clocks=options.clocks,
    )
    return Begun(checkpointer, epoch, loaded, journals)


def _settled(history: History, place: Place) -> int | None:
    """The newest run, if it has written a checkpoint or goes on from it; otherwise it may still undo it."""
    newest = history.highest_fence()
    is_built_on = newest == place.fence or history.bases().get(newest) == (place, place.lineage)
    return newest if is_built_on else None


def _ended(
    history: History, options: CheckpointOptions, job: str, sinks: Sinks, manifest: Manifest, fence: int
) -> Begun:
    """What a run does whose job has reached its end: see that all of it is shown."""
    epoch = Epoch(history.identity(), "", manifest.lineage, manifest.number, fence)
    _commit(sinks, epoch, history.staged(manifest))
    _discard(sinks, epoch)
    history.tidy()
    options.say(f"the job {job} has reached its end ({manifest.at}); nothing is done")
    return Begun(None, epoch)


def _opened(
    history: History, options: CheckpointOptions, fence: int, program: Program
) -> tuple[int, Place | None]:
    """The lineage of a run, opened if it is a new one, and the checkpoint that it goes on from."""
    lineage, place = history.newest()
    if options.start == "fresh":
        return history.open_lineage(None, fence), None
    if options.start == "newest":
        return history.open_lineage(None, fence) if lineage is None else lineage, place
    place = _chosen(history, options.start, lineage)
    if place is not None:
        return history.open_lineage(place, fence), place
    place = _adopted(history, options.start, fence, program, options.dropping)
    return place.lineage, place


def _chosen(history: History, start: str, lineage: int | None) -> Place | None:
    """The checkpoint of the job that the user names, by number or path; None: it is a savepoint."""
    places = [p for n in history.lineages() for p in history.places(n)]
    wanted = absolute(start)
    for place in reversed(places):
        path = os.path.dirname(absolute(history.where(place.name)))
        if wanted in (path, os.path.join(path, "manifest")) or (
            start.isdecimal() and place.number == int(start)
        ):
            return place
    if is_savepoint(start):
        return None
    raise CheckpointError(
        f'the job has no complete checkpoint "{start}"',
        code="checkpoint-missing",
        where=history.where(),
        expected="a number, or the path of a checkpoint or savepoint",
        choices=[str(p.number) for p in places if p.lineage == lineage],
    )


def _adopted(
    history: History, start: str, fence: int, program: Program, dropping: frozenset[str] | None
) -> Place:
    """The checkpoint that a new lineage begins with: what was saved somewhere else."""
    source, manifest = opened(start)
    taken_over(manifest, program, dropping, source.where())
    if manifest.origin is None:
        # a checkpoint of another directory, of which nobody knows whether it was committed
        manifest = with_origin(source, manifest, is_committed=False)
    return history.adopt(source, manifest, fence, path=absolute(start))


def _complete(sinks: Sinks, epoch: Epoch, taken: TakenOver, parts: Mapping[str, list[Any]]) -> None:
    """Commit what was staged for the checkpoint that a run goes on from, unless that was done."""
    manifest, origin = taken.manifest, taken.manifest.origin
    # a sink is known by the name that it had when it was written to
    if taken.is_changed:
        parts = {before: parts[name] for name, before in taken.sinks.items() if name in parts}
        sinks = {before: sinks[name] for name, before in taken.sinks.items()}
    if origin is None:
        # in its own lineage, where it may have been committed long ago
        _commit(sinks, replace(epoch, lineage=manifest.lineage), parts)
        return
    if origin["is_committed"]:
        return
    lineage, number = origin["lineage"], origin["number"]
    if origin["job"] == epoch.job:
        _commit(sinks, replace(epoch, lineage=lineage, number=number), parts)
        return
    with _overtaken_is_done():
        # by the job that it is of; had that run on, it would have begun with this commit
        _commit(sinks, Epoch(origin["job"], "", lineage, number, origin["fence"]), parts)


@contextmanager
def _overtaken_is_done() -> Iterator[None]:
    """A commit that a newer run has made in here is no error."""
    try:
        yield
    except CheckpointError as error:
        if error.code != "checkpoint-overtaken":
            raise


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
