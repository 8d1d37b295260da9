"""Keep Python's garbage collector from what stays anyway: modules, and whatever was there before a job.

A full collection over the objects of the libraries alone takes from 50 to 80 ms, in which no row moves.

Used by: runtime/threads.py, cli/startup.py. Changes: the collector of the process.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_kept: list[object] = []
"""Who has asked for it: to count what is kept from the collector would go through all of it."""


def keep() -> None:
    """What is there now is not looked at again, as long as the process runs."""
    _kept.append(None)
    gc.freeze()


@contextmanager
def frozen() -> Iterator[None]:
    """What was there before is not looked at in here."""
    me = object()
    _kept.append(me)
    # whoever asked first gives back what is kept
    is_first = _kept[0] is me
    if is_first:
        gc.freeze()
    try:
        yield
    finally:
        _kept.remove(me)
        if is_first:
            gc.unfreeze()


@contextmanager
def paused() -> Iterator[None]:
    """Nothing is collected in here; what is not in a cycle goes all the same."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # whoever has switched it off switches it on, also where several threads are in here
        if was_enabled:
            gc.enable()
