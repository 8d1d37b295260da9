"""Keep freed memory in the process for the next batch, instead of giving it back and taking it anew.

A batch's columns are some hundred kilobytes each, and are freed with it. The C library would give most of
them back to the system, which clears every page again when the next batch touches it.

Used by: runtime/restore.py. Changes: the C library's allocator, for the process.
Not here: Polars' own allocator, large arrays of state (columnar/reserved.py).
"""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache

_SAID = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
"""Who runs the process may have said what they want."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of `mallopt`."""
_KEPT = 128 << 20
"""So much stays, of each arena, at most."""
_FROM_SYSTEM = 32 << 20
"""Larger pieces come from the system and go back to it; glibc takes no larger number."""


@cache
def keep_freed() -> bool:
    """From now on; whether it was done: not without glibc, nor where the environment says otherwise."""
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in _SAID):
        return False
    library = ctypes.CDLL(None)
    return bool(library.mallopt(_MMAP_THRESHOLD, _FROM_SYSTEM) and library.mallopt(_TRIM_THRESHOLD, _KEPT))
