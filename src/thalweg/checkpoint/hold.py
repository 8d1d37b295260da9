"""Let one process at a time run a job.

Changes:  a lock file in the job's directory, which the system frees when the process ends in any way.
Not here: runs that were overtaken nevertheless (history.py).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from thalweg.errors import ConfigError, StoreError

TAKEN = "job-already-running"


@contextmanager
def held(directory: str, job: str) -> Iterator[None]:
    """No other process is in here with the same directory.

    Raises:
        ConfigError: `job-already-running`.
        StoreError: the directory cannot be written to.
    """
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        descriptor = os.open(os.path.join(directory, ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(
            "the directory of checkpoints cannot be written to",
            code="store-failed",
            where=directory,
            found=error.strerror,
            hint="choose another directory; nothing was read or changed",
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f'the job "{job}" is being run by another process',
                code=TAKEN,
                where=directory,
                hint="wait for it or stop it (thalweg stop); another job needs another name",
            ) from error
        yield
    finally:
        os.close(descriptor)
