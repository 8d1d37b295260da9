"""Keep named bytes so that each is there as a whole, or not at all.

The order of calls decides what a crash leaves behind: write, sync the file, rename, sync the directory. A
file whose sync failed is thrown away and written anew under another name: the system may have dropped its
pages, and a second sync would report nothing.

Changes:  one directory.
Not here: what the names mean (history.py), the single calls (disk.py).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from thalweg.checkpoint.disk import Disk, LocalDisk, OpenFile
from thalweg.checkpoint.failpoints import failpoint
from thalweg.errors import StoreError

_LEFT = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp")
"""The names of files that are not complete yet, with those that they will have."""


def name_of_incomplete(file: str) -> str | None:
    """The name that a file will have which is not complete yet, or never will be; None: it is another file.

    Example:
        >>> name_of_incomplete("._SUCCESS.0123abcd.tmp"), name_of_incomplete("_SUCCESS")
        ('_SUCCESS', None)
    """
    found = _LEFT.fullmatch(file)
    return None if found is None else found[1]


Read = TypeVar("Read")


class Store(Protocol):
    """Bytes by name; names have `/` between their parts.

    Contract:
        T1 `put` is durable and whole when it returns; a reader sees the old bytes, or the new ones.
        T2 of several `put_new` of one name, at any time and from any process, exactly one is true, and its
           bytes are there from then on.
        T3 `get` gives what was put, or raises `KeyError`; `digest` its SHA-256.
        T4 `names` lists what is below a name, in order, with every `put` that has returned.
        T5 `delete` forgets one name and no other; `tidy` and `settle` none.
        T6 A call that fails raises `StoreError`. After it the name has the old bytes or the new ones, and a
           `put_new` is never false because of what it has written itself.

    Checked by: `thalweg.testing.check_store`.
    """

    def put(self, name: str, data: bytes) -> None:
        """Write, in place of what has the name."""
        ...

    def put_new(self, name: str, data: bytes) -> bool:
        """Write unless the name is taken; whether it was free."""
        ...

    def get(self, name: str) -> bytes:
        """Read; `KeyError` if there is nothing."""
        ...

    def digest(self, name: str) -> str:
        """The SHA-256 of what `get` gives, in hexadecimal; `KeyError` if there is nothing."""
        ...

    def names(self, prefix: str) -> list[str]:
        """The last parts of the names below a name."""
        ...

    def delete(self, name: str) -> None:
        """Forget; nothing happens if there is nothing."""
        ...

    def age(self, name: str) -> float:
        """Seconds since it was written."""
        ...

    def tidy(self, name: str) -> None:
        """Remove what writers have left below a name that were broken off; nothing that `get` gives."""
        ...

    def settle(self, name: str) -> None:
        """What `get` gives of the names right below a name is durable, also if its writer was broken off."""
        ...

    def describe(self, name: str = "") -> str:
        """Where it is, for messages."""
        ...


class DirectoryStore:
    """See `Store`: a directory of this machine."""

    def __init__(self, path: str, disk: Disk | None = None) -> None:
        self._path, self._disk = path, disk or LocalDisk()
        self._known: set[str] = set()

    def describe(self, name: str = "") -> str:
        return os.path.join(self._path, name) if name else self._path

    def put(self, name: str, data: bytes) -> None:
        with self._told("written", name):
            self._named(name, data, self._disk.rename)

    def link(self, path: str, name: str) -> bool:
        """Give a durable file of the same disk another name; False where that cannot be."""
        own = self.describe(name)
        with self._told("written", name):
            self._disk.make_directory(os.path.dirname(own))
            try:
                self._disk.link(path, own)
            except FileExistsError:
                return True
            except OSError:
                # another disk, or one without second names; or the file is missing, which reading it says
                return False
            self._disk.sync_directory(os.path.dirname(own))
            return True

    def put_new(self, name: str, data: bytes) -> bool:
        with self._told("written", name):
            try:
                # a link fails where a rename would write over what somebody else has just put there
                self._named(name, data, self._linked)
            except FileExistsError:
                return False
            return True

    def _named(self, name: str, data: bytes, call: Callable[[str, str], None]) -> None:
        """Write a file, give it its name, and make that durable."""
        while True:
            path, temporary = self._written(name, data)
            try:
                call(temporary, path)
            except FileNotFoundError:
                # another run has begun meanwhile, and has tidied up
                continue
            failpoint("store.renamed")
            self._disk.sync_directory(os.path.dirname(path))
            return

    def _linked(self, temporary: str, path: str) -> None:
        try:
            self._disk.link(temporary, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                self._disk.remove(temporary)

    def _written(self, name: str, data: bytes) -> tuple[str, str]:
        """A synced file under a temporary name, beside the name that it will have."""
        path = self.describe(name)
        directory, last = os.path.split(path)
        temporary = os.path.join(directory, f".{last}.{self._disk.unique()}.tmp")
        file = self._created(directory, temporary)
        try:
            half = len(data) // 2
            file.write(data[:half])
            failpoint("store.partial")
            file.write(data[half:])
            failpoint("store.written")
            file.sync()
            failpoint("store.synced")
        except BaseException:
            with contextlib.suppress(OSError):
                self._disk.remove(temporary)
            raise
        finally:
            file.close()
        return path, temporary

    def _created(self, directory: str, path: str) -> OpenFile:
        """A new file; its directory is made if it is not there, or not any more."""
        if directory in self._known:
            with contextlib.suppress(FileNotFoundError):
                return self._disk.create(path)
        self._disk.make_directory(directory)
        self._known.add(directory)
        return self._disk.create(path)

    def get(self, name: str) -> bytes:
        return self._read(name, self._disk.read)

    def digest(self, name: str) -> str:
        return self._read(name, self._disk.digest)

    def _read(self, name: str, read: Callable[[str], Read]) -> Read:
        try:
            return read(self.describe(name))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise KeyError(name) from error
        except OSError as error:
            raise self._failed("read", name, error) from error

    def names(self, prefix: str) -> list[str]:
        with self._told("listed", prefix):
            return [n for n in self._disk.names(self.describe(prefix)) if not n.startswith(".")]

    def delete(self, name: str) -> None:
        path = self.describe(name)
        with self._told("changed", name), contextlib.suppress(FileNotFoundError):
            self._disk.remove(path)
            self._disk.remove_empty(os.path.dirname(path))
            self._known.discard(os.path.dirname(path))

    def age(self, name: str) -> float:
        with self._told("looked at", name):
            return self._disk.age(self.describe(name))

    def tidy(self, name: str) -> None:
        with self._told("tidied", name):
            for path in list(self._disk.walk(self.describe(name))):
                if name_of_incomplete(os.path.basename(path)) is not None:
                    with contextlib.suppress(FileNotFoundError):
                        self._disk.remove(path)

    def settle(self, name: str) -> None:
        with self._told("read", name), contextlib.suppress(FileNotFoundError):
            self._disk.sync_directory(self.describe(name))

    @contextlib.contextmanager
    def _told(self, what: str, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._failed(what, name, error) from error

    def _failed(self, what: str, name: str, error: OSError) -> StoreError:
        return StoreError(
            f"the checkpoint store cannot be {what}",
            code="store-failed",
            where=self.describe(name),
            found=error.strerror or str(error),
            hint="nothing was deleted; the last complete checkpoint is as it was",
        )
