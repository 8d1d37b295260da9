"""Keep the records of who holds a job: as locked files on this machine, or in a store that has no locks.

    JOB/.lock-000007      on a disk: locked by its holder, which the system ends with the process
    JOB/holders/000007    in a store: there is nothing but the record and its beat

Changes:  a file, or a name in the store, for the newest holder; those of older ones are removed.
Not here: who may hold it (hold.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from thalweg.checkpoint.disk import LocalDisk
from thalweg.checkpoint.store import DirectoryStore, Store
from thalweg.errors import StoreError

_LOCK = re.compile(r"\.lock-(\d+)")


class Holders(Protocol):
    """Who has held a job: a record for each, by numbers that only grow. The highest one holds it.

    Contract:
        H1 of several `add` of one number that is higher than all before, exactly one is true.
        H2 `newest` sees every `add` that has returned.
        H3 `read` gives what was written last, or something on the way there from what was before.

    Calls raise `StoreError`.

    Attributes:
        knows: whether a holder of which `is_gone` is false is there for sure.
    """

    knows: bool

    def newest(self) -> int:
        """The highest number; 0: nobody has held the job."""
        ...

    def add(self, number: int, record: bytes) -> bool:
        """Become the holder with a number; whether it was free."""
        ...

    def read(self, number: int) -> bytes | None:
        """What a holder has written; None: it was forgotten."""
        ...

    def is_gone(self, number: int) -> bool:
        """Whether a holder has ended for sure."""
        ...

    def write(self, number: int, record: bytes) -> None:
        """Write one's own record anew; it has the same length."""
        ...

    def forget(self, below: int) -> None:
        """Remove the records of holders with lower numbers."""
        ...

    def close(self) -> None:
        """Hold the job no longer."""
        ...

    def describe(self) -> str:
        """Where they are, for messages."""
        ...


def holders_of(store: Store, job: str) -> Holders:
    """The holders of a job, by the name of its directory in a store."""
    if isinstance(store, DirectoryStore):
        return LockedFiles(store.describe(job))
    return StoredRecords(store, job)


class LockedFiles:
    """See `Holders`: files of one directory of this machine.

    A holder locks its file before that gets its name, and the system frees the lock with the process, however
    it ends. Several files can be locked: one of a process that stands still, and a later one.
    """

    knows = True

    def __init__(self, directory: str) -> None:
        self._directory, self._disk = directory, LocalDisk()
        self._descriptor: int | None = None

    def describe(self) -> str:
        return self._directory

    def _path(self, number: int) -> str:
        return os.path.join(self._directory, f".lock-{number:06}")

    def newest(self) -> int:
        return max(self._numbers(), default=0)

    def _numbers(self) -> list[int]:
        with self._told("read"):
            matches = map(_LOCK.fullmatch, self._disk.names(self._directory))
            return [int(m[1]) for m in matches if m]

    def add(self, number: int, record: bytes) -> bool:
        with self._told("written to"):
            self._disk.make_directory(self._directory)
            temporary = f"{self._path(number)}.{self._disk.unique()}.tmp"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            self._descriptor = os.open(temporary, flags, 0o600)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX)
                os.write(self._descriptor, record)
                os.link(temporary, self._path(number))
            except (FileExistsError, FileNotFoundError):
                # somebody else was faster, or has tidied up
                self.close()
                return False
            except BaseException:
                self.close()
                raise
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)
            return True

    def read(self, number: int) -> bytes | None:
        with self._told("read"):
            try:
                return self._disk.read(self._path(number))
            except FileNotFoundError:
                return None

    def is_gone(self, number: int) -> bool:
        with self._told("read"):
            try:
                descriptor = os.open(self._path(number), os.O_RDONLY | os.O_NOFOLLOW)
            except FileNotFoundError:
                return True
            try:
                # shared, so that two that look do not take each other for the holder
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            finally:
                os.close(descriptor)
            return True

    def write(self, number: int, record: bytes) -> None:
        assert self._descriptor is not None, "only a holder writes"
        with self._told("written to"):
            # in place, where a full disk has room, and not synced: others look at it while both are alive
            os.pwrite(self._descriptor, record, 0)

    def forget(self, below: int) -> None:
        with self._told("written to"):
            for number in self._numbers():
                if number < below:
                    with contextlib.suppress(FileNotFoundError):
                        self._disk.remove(self._path(number))

    def close(self) -> None:
        if self._descriptor is not None:
            # and not unlocked: a process that was forked off has the same lock
            os.close(self._descriptor)
            self._descriptor = None

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"the directory of checkpoints cannot be {what}",
                code="store-failed",
                where=self._directory,
                found=error.strerror or str(error),
                hint="choose another directory; nothing was changed",
            ) from error


class StoredRecords:
    """See `Holders`: names in a store. After a crash the next process waits out the lease."""

    knows = False

    def __init__(self, store: Store, job: str) -> None:
        self._store, self._prefix = store, f"{job}/holders"

    def describe(self) -> str:
        return self._store.describe(self._prefix)

    def _name(self, number: int) -> str:
        return f"{self._prefix}/{number:06}"

    def _numbers(self) -> list[int]:
        return [int(n) for n in self._store.names(self._prefix) if n.isdecimal()]

    def newest(self) -> int:
        return max(self._numbers(), default=0)

    def add(self, number: int, record: bytes) -> bool:
        return self._store.put_new(self._name(number), record)

    def read(self, number: int) -> bytes | None:
        try:
            return self._store.get(self._name(number))
        except KeyError:
            return None

    def is_gone(self, number: int) -> bool:
        # the record says so of one that has ended by itself; of others nobody knows
        return False

    def write(self, number: int, record: bytes) -> None:
        self._store.put(self._name(number), record)

    def forget(self, below: int) -> None:
        for number in self._numbers():
            if number < below:
                self._store.delete(self._name(number))

    def close(self) -> None:
        """Nothing is open."""
