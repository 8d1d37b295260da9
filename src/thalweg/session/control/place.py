"""Say where running jobs are reached: one Unix socket per job, in a directory of the user's own.

Reads:    the environment.
Changes:  makes the directory, which only the user can enter.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thalweg.errors import ConfigError

_NAME_MAX = 40
"""Longer names are shortened: the path of a Unix socket has at most 107 bytes."""
_LOCKED_MAX, _LOOK = 10.0, 0.01
"""Seconds within which whoever decides has decided, and from one try to the next."""


def directory() -> Path:
    """`$XDG_RUNTIME_DIR/thalweg`, or else `~/.cache/thalweg/jobs`."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "thalweg" if runtime else Path.home() / ".cache" / "thalweg" / "jobs"


def own_directory() -> Path:
    """The directory, made if it is not there, closed to everybody else.

    Raises:
        ConfigError: it belongs to somebody else.
    """
    found = directory()
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = found.lstat()
    if held.st_uid != os.getuid() or not stat.S_ISDIR(held.st_mode):
        raise ConfigError(
            "the directory of running jobs is not your own", code="job-directory", where=str(found)
        )
    if held.st_mode & 0o077:
        found.chmod(0o700)
    return found


@contextmanager
def locked(place: Path) -> Iterator[None]:
    """One process, and one thread of it, at a time decides in here which sockets are stale.

    Raises:
        TimeoutError: another one has been in here for longer than it can take, and stands still.
    """
    with (place / ".lock").open("w") as lock:
        until = time.monotonic() + _LOCKED_MAX
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise TimeoutError(
                        f"{place / '.lock'} is locked by a process that stands still"
                    ) from None
                time.sleep(_LOOK)
        yield


def socket_path(name: str) -> Path:
    """The socket of a job.

    Example:
        >>> socket_path("hot items").name
        'hot%20items.sock'
    """
    safe = "".join(c if c.isalnum() or c in "-_." else f"%{ord(c):02x}" for c in name)
    if len(safe) > _NAME_MAX:
        safe = f"{safe[:_NAME_MAX]}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return directory() / f"{safe}.sock"
