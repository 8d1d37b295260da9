"""Let one process at a time run a job, and take it over from one that stands still.

Whoever holds a job has the highest number. Ten times in the time of the lease it says that it is alive,
from a thread of its own: it raises a *beat* in its record. Another process that wants the job looks at the
record. As soon as it changes, the holder is alive, and the other one is refused. If it stays the same for the
whole lease, the other one takes the next number, by compare-and-set, and with it the job. Where the system
tells that the holder has ended (holders.py), nobody waits.

A holder that was overtaken finds a higher number. It may find it late: what it does until then must not
count, which the fences see to (history.py). A holder that cannot write its beat runs on, and says so.

Reads:    a clock that only measures.
Changes:  the record of the holder; starts one thread.
Not here: where records are (holders.py), what they tell (beats.py), runs that were overtaken (history.py).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from thalweg.checkpoint.beats import Record, Watch
from thalweg.checkpoint.holders import Holders
from thalweg.errors import CheckpointError, ConfigError, StoreError

TAKEN = "job-already-running"
LEASE = 10.0
"""Seconds without a sign of life after which another process may take a job over."""
_BEATS = 10
"""How often in the time of a lease a holder says that it is alive."""


def _nobody(line: str) -> None:
    """Told, and does nothing."""


@dataclass(frozen=True)
class Terms:
    """How a job is held, and taken over.

    Attributes:
        lease: seconds without a sign of life after which another process may take the job over.
        overtakes: whether a holder is overtaken that stands still, though it is known to be there.
        warn: told in a line that a holder was overtaken, or cannot say that it is alive.
        clock: seconds of a clock that only measures.
        sleep: waits for some seconds.
    """

    lease: float = LEASE
    overtakes: bool = False
    warn: Callable[[str], None] = _nobody
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@contextmanager
def held(holders: Holders, job: str, terms: Terms | None = None) -> Iterator[Lease]:
    """No other process is in here with the same holders, as long as this one gives signs of life.

    Args:
        holders: who has held the job.
        job: its name.
        terms: how it is held.

    Raises:
        ConfigError: `job-already-running`.
        StoreError: the holders cannot be read or written.
    """
    lease = taken(holders, job, terms or Terms())
    lease.start()
    try:
        yield lease
    finally:
        lease.release()


def taken(holders: Holders, job: str, terms: Terms) -> Lease:
    """The hold on a job, without the thread that keeps it; waits for as long as nobody knows who has it.

    Raises:
        ConfigError: `job-already-running`.
        StoreError: the holders cannot be read or written.
    """
    me, watch = Record.mine(terms.lease), Watch(terms.lease, terms.clock())
    while True:
        number = holders.newest()
        overtaken = None
        if number and not holders.is_gone(number):
            if holders.knows and not terms.overtakes:
                raise _refused(holders, job)
            asked = terms.clock()
            record = holders.read(number)
            found = "unknown"
            if record is not None:
                found = watch.look(number, record, asked=asked, now=terms.clock())
            if found == "alive":
                raise _refused(holders, job)
            if found == "unknown":
                terms.sleep(watch.pause)
                continue
            if record is not None and found == "silent":
                overtaken = Record.decoded(record)
        if holders.add(number + 1, me.encode()):
            # a lower number is free again once it is forgotten
            if holders.newest() == number + 1:
                break
            holders.close()
    if overtaken is not None:
        silent = f"which has given no sign of life for {watch.lease:g} s"
        terms.warn(f"the job {job} is taken over from {overtaken.who}, {silent}")
    with contextlib.suppress(StoreError):
        holders.forget(number + 1)
    return Lease(holders, number + 1, me, job, terms)


def _refused(holders: Holders, job: str) -> ConfigError:
    return ConfigError(
        f'the job "{job}" is being run by another process',
        code=TAKEN,
        where=holders.describe(),
        hint="wait for it or stop it (thalweg stop); another job needs another name",
    )


class Lease:
    """The hold of this process on a job; `taken` and `held` give it."""

    def __init__(self, holders: Holders, number: int, me: Record, job: str, terms: Terms) -> None:
        self._holders, self._number, self._me = holders, number, me
        self._job, self._terms = job, terms
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._tried = terms.clock()
        self._is_warned = self._is_lost = False

    # -- for whoever runs the job --------------------------------------------------------------

    def check(self) -> None:
        """Raise if another process is known to have taken the job; to be called often.

        Raises:
            CheckpointError: `checkpoint-overtaken`.
        """
        if not self._is_lost and self._terms.clock() - self._tried > self._terms.lease / 2:
            # the whole process has stood still
            self.beat(waits=False)
        if self._is_lost:
            raise self._overtaken()

    def confirm(self) -> None:
        """Raise if another process has taken the job until now.

        Raises:
            CheckpointError: `checkpoint-overtaken`.
            StoreError: nobody can tell.
        """
        self._look()
        if self._is_lost:
            raise self._overtaken()

    def _overtaken(self) -> CheckpointError:
        return CheckpointError(
            f'the job "{self._job}" was taken over by another process, and this one may not go on',
            code="checkpoint-overtaken",
            where=self._holders.describe(),
            found=f"this process has given no sign of life for {self._terms.lease:g} s",
            hint="nothing is lost: the other one goes on from the last complete checkpoint",
        )

    # -- signs of life -------------------------------------------------------------------------

    def start(self) -> None:
        """Give signs of life until the end, from a thread."""
        self._thread = threading.Thread(target=self._run, name="thalweg-lease", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing.wait(self._terms.lease / _BEATS):
            self.beat()

    def beat(self, *, waits: bool = True) -> None:
        """Look whether the job is still one's own, and give a sign of life.

        Args:
            waits: whether to wait for one that is under way.
        """
        if not self._lock.acquire(blocking=waits):
            return
        try:
            self._tried = self._terms.clock()
            self._look()
            if not self._is_lost and not self._closing.is_set():
                self._me = self._me.next()
                self._holders.write(self._number, self._me.encode())
                self._is_warned = False
        except StoreError as error:
            if not self._is_warned:
                self._is_warned = True
                self._terms.warn(self._silence(error))
        finally:
            self._lock.release()

    def _look(self) -> None:
        # a process that was forked off does not hold it
        if os.getpid() == self._process and self._holders.newest() > self._number:
            self._is_lost = True

    def _silence(self, error: StoreError) -> str:
        return (
            f"the job {self._job} cannot say that it is alive ({error.found or error.message}): a process "
            f"that sees nothing of it for {self._terms.lease:g} s may take it over"
        )

    def release(self) -> None:
        """Hold the job no longer."""
        self._closing.set()
        if os.getpid() != self._process:
            # the process that this one was forked off from still holds it
            self._holders.close()
            return
        if self._thread is not None:
            self._thread.join(self._terms.lease)
        if not self._lock.acquire(blocking=False):
            # the thread hangs in a call, and with it the file that it writes to: both end with the process
            return
        with contextlib.suppress(StoreError):
            if self._holders.newest() == self._number:
                self._holders.write(self._number, self._me.free().encode())
        self._holders.close()
