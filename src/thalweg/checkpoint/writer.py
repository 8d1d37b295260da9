"""Write the checkpoints of one run in the background, and commit what they show.

One checkpoint is under way at a time: its data files, then its manifest, then the commits of the sinks. What
sinks have staged for a checkpoint that could not be written is committed with the next one. A commit that
fails ends the run.

Reads:    a clock.
Changes:  a store; starts one thread.
Not here: when tasks pass a barrier (runtime/), how bytes become durable (store.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from thalweg.checkpoint.encoding import encoded
from thalweg.checkpoint.failpoints import failpoint
from thalweg.checkpoint.history import History
from thalweg.checkpoint.manifest import Manifest, as_staged
from thalweg.checkpoint.savepoint import Saving, not_taken, save
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.checkpoint.states import WrittenStates
from thalweg.errors import StoreError, ThalwegError

Commit = Callable[[int, Mapping[str, list[Any]]], None]


def now() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


Clocks = tuple[Callable[[], float], Callable[[], datetime]]
"""Seconds of a clock that only measures, and the time of day."""
CLOCKS: Clocks = (time.monotonic, now)


class Checkpointer:
    """The checkpoints of one run.

    Args:
        history: where they go.
        head: what all of their manifests have in common.
        commit: shows what was staged for the checkpoint of a number; called when that is durable.
        base: the checkpoint that the run goes on from, to which increments are added.
        interval: seconds between the beginnings of two checkpoints.
        retained: how many checkpoints of the lineage are kept.
        tolerated: how many in a row may fail before the job does.
        clocks: what it measures time with, and reads it from.

    Attributes:
        completed, failed: how many the run has completed, and how many it had to give up.
        began_at: when the writing of the newest began, by the clock that measures.
        last: the newest complete checkpoint of the run.
        failures: how many have failed since.
        seconds: how long the newest took, from the barrier to the last commit.
        retain_error: why increments could not be joined or old checkpoints removed, if so.
    """

    def __init__(
        self,
        history: History,
        head: Manifest,
        commit: Commit,
        *,
        base: Manifest | None = None,
        interval: float = 10.0,
        retained: int = 3,
        tolerated: int = 3,
        clocks: Clocks = CLOCKS,
    ) -> None:
        self._history, self._head, self._commit = history, head, commit
        self._clock, self._now = clocks
        self._interval, self._retained, self._tolerated = interval, retained, tolerated
        self._waiting: list[JobSnapshot] = []
        self._owed: dict[str, list[Any]] = {}
        self._states = WrittenStates(history, () if base is None else base.states)
        self._savings: list[tuple[int, Saving]] = []
        self._changed = threading.Condition()
        self._is_closing = self._is_asked = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._ask: Callable[[], None] = _nobody
        self._progress: Callable[[], int] = _nothing
        self._due, self._seen = 0.0, 0
        self.last: Manifest | None = None
        self.failures = 0
        self.completed = self.failed = 0
        self.began_at = 0.0
        self.seconds = 0.0
        self.retain_error: ThalwegError | None = None

    @property
    def bytes(self) -> dict[str, int]:
        """How many bytes of state this run has written: for `increments`, and for such as were `joined`."""
        return dict(self._states.bytes)

    def start(self, ask: Callable[[], None], progress: Callable[[], int]) -> None:
        """Begin to ask for checkpoints.

        Args:
            ask: asks the run for one; it comes through `take`.
            progress: a number that grows whenever something happened that is worth one.
        """
        self.prepare(ask, progress)
        self._thread = threading.Thread(target=self._run, name="thalweg-checkpoints", daemon=True)
        self._thread.start()

    def prepare(self, ask: Callable[[], None], progress: Callable[[], int]) -> None:
        """As `start`, without a thread: the caller calls `step` again and again."""
        self._ask, self._progress = ask, progress
        self._due, self._seen = self._clock() + self._interval, progress()

    @property
    def is_wanted(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._waiting)

    def take(self, snapshot: JobSnapshot) -> None:
        """Write a snapshot, later and in the order in which they come."""
        with self._changed:
            self._waiting.append(snapshot)
            self._is_asked = False
            self._changed.notify_all()

    def save_after(self, number: int, saving: Saving) -> None:
        """Take a savepoint of the first checkpoint from a number on, before any is removed."""
        with self._changed:
            if not self._is_closing:
                self._savings.append((number, saving))
                return
        saving.fail(not_taken("the job has ended or was stopped"))

    def check(self) -> bool:
        """Raise what has gone wrong; False, so that a runtime can ask whether to stop."""
        if self._error is not None:
            raise self._error
        return False

    def finish(self, snapshot: JobSnapshot | None) -> None:
        """Wait for what is under way, and write the last checkpoint of a job that has ended.

        Raises:
            ThalwegError: it could not be written or committed.
        """
        self.close()
        self.check()
        if snapshot is not None:
            failpoint("final.ended")
            self._tolerated = 0
            self._write(snapshot, has_ended=True)
            self.check()
        elif self.failures:
            raise StoreError(
                "the last checkpoint could not be written",
                code="store-failed",
                where=self._history.where(),
                hint="the next run goes on from the last complete one; nothing is lost",
            )

    def close(self) -> None:
        """Stop asking; what was taken is written."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        while self._savings:
            self._savings.pop()[1].fail(not_taken("the job ended, failed or was stopped before"))

    def _run(self) -> None:
        while (wait := self.step()) is not None:
            with self._changed:
                if not self._waiting and not self._is_closing:
                    self._changed.wait(wait)

    def step(self) -> float | None:
        """Write what waits, or ask for what is due.

        Returns:
            The seconds until there is something to do, if nothing is taken before; None: never again.
        """
        try:
            return self._step()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the job must not run on without checkpoints
            self._error = error
            return None

    def _step(self) -> float | None:
        with self._changed:
            if self._error is not None or (self._is_closing and not self._waiting):
                return None
            snapshot = self._waiting.pop(0) if self._waiting else None
        if snapshot is not None:
            self._seen = snapshot.number
            self._write(snapshot)
        elif self._clock() >= self._due:
            self._due = self._clock() + self._interval
            if self._progress() > self._seen and not self._is_asked:
                self._is_asked = True
                self._ask()
        return max(0.001, self._due - self._clock())

    def _write(self, snapshot: JobSnapshot, *, has_ended: bool = False) -> None:
        begun = self._clock()
        for sink, parts in snapshot.staged.items():
            self._owed.setdefault(sink, []).extend(parts)
        self._states.owe(snapshot.keyed)
        try:
            manifest = self._published(snapshot, has_ended=has_ended)
        except StoreError as error:
            self.failures += 1
            self.failed += 1
            if self.failures > self._tolerated:
                self._error = error
            return
        except (ThalwegError, OSError) as error:
            self.failed += 1
            self._error = error
            return
        try:
            # some sinks may have shown what others have not: it belongs to this number, and is not owed with
            # the next one. Whoever goes on from this checkpoint commits the rest
            self._commit(manifest.number, self._owed)
        except (ThalwegError, OSError) as error:
            self.failed += 1
            self._error = error
            return
        self.completed, self.began_at = self.completed + 1, begun
        self._owed = {}
        self._states.complete(manifest.states, manifest.files)
        self.last, self.failures, self.seconds = manifest, 0, self._clock() - begun
        failpoint("checkpoint.complete")
        self._save(manifest)
        self._tidy_up()

    def _published(self, snapshot: JobSnapshot, *, has_ended: bool) -> Manifest:
        failpoint("checkpoint.taken")
        states = self._states.write(snapshot.keyed)
        failpoint("checkpoint.data")
        splits = (
            {"stage": stage, "split": split, "data": data} for (stage, split), data in snapshot.splits.items()
        )
        manifest = replace(
            self._head,
            number=snapshot.number,
            at=self._now().isoformat(timespec="seconds"),
            has_ended=has_ended,
            states=states,
            splits=tuple(splits),
            staged={sink: [self._kept(p) for p in parts] for sink, parts in self._owed.items()},
        )
        self._history.publish(manifest)
        failpoint("final.published" if has_ended else "checkpoint.published")
        return manifest

    def _kept(self, part: Any) -> Any:
        """Something staged as plain JSON: rows become a data file."""
        if not isinstance(part, pl.DataFrame):
            return part
        entry, data = encoded(part)
        self._history.put_data(entry.sha256, data, self._states.known)
        return as_staged(entry)

    def _save(self, manifest: Manifest) -> None:
        """Take the savepoints that were asked for; one that fails is no matter of the job's."""
        with self._changed:
            due = [s for number, s in self._savings if number <= manifest.number]
            self._savings = [(n, s) for n, s in self._savings if n > manifest.number]
        for saving in due:
            self.save_last(saving)

    def save_last(self, saving: Saving) -> None:
        """Take a savepoint of the newest checkpoint of the run, which is committed."""
        if self.last is None:
            saving.fail(not_taken("the run has no complete checkpoint"))
            return
        try:
            saving.complete(save(self._history, self.last, saving.directory, is_committed=True))
        except (ThalwegError, OSError) as error:
            saving.fail(error)

    def _tidy_up(self) -> None:
        """Join increments, remove what is not needed; where that fails, the next checkpoint tries again."""
        try:
            self._states.join()
            self._history.retain(self._head.lineage, self._retained, self._head.fence)
        except ThalwegError as error:
            self.retain_error = error


def _nobody() -> None:
    """Asks nobody for a checkpoint."""


def _nothing() -> int:
    """The progress of a run that has not begun."""
    return 0
