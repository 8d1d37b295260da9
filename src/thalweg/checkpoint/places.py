"""Say what a place for checkpoints is: a directory of this machine, or objects below an address.

Not here: the stores themselves (store.py, object_store.py).
"""

from __future__ import annotations

import os

from thalweg.checkpoint.addresses import is_remote
from thalweg.checkpoint.object_store import ObjectStore
from thalweg.checkpoint.store import DirectoryStore, Store


def store_at(path: str) -> Store:
    """What keeps bytes at a place.

    Example:
        >>> store_at("kept").describe("job/identity")
        'kept/job/identity'
    """
    return ObjectStore(path) if is_remote(path) else DirectoryStore(path)


def absolute(path: str) -> str:
    """A path that means the same wherever a process runs.

    Example:
        >>> absolute("s3://rows/kept/")
        's3://rows/kept'
    """
    return path.rstrip("/") if is_remote(path) else os.path.abspath(path)


def is_file(path: str) -> bool:
    """Whether there are bytes at a path."""
    if not is_remote(path):
        return os.path.isfile(path)
    above, name = os.path.split(path)
    return name in store_at(above).names("")
