"""Freed memory stays in the process, so that the next batch does not fault it in again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from thalweg.runtime import freed

_PROGRAM = """
import resource, sys
import numpy as np
from thalweg.runtime.freed import keep_freed
kept = keep_freed() if sys.argv[1] == "keep" else None
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def batches(count):
    for _ in range(count):
        columns = [np.empty(1 << 16) for _ in range(8)]
        for column in columns:
            column[::512] = 1
batches(2)
before = faults()
batches(100)
print(kept, faults() - before)
"""

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is another one")


def run(how: str, **said: str) -> tuple[str, int]:
    """What was said of keeping, and the page faults of a hundred batches."""
    own = {k: v for k, v in os.environ.items() if k not in freed._SAID}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, how], capture_output=True, text=True, check=True, env={**own, **said}
    )
    kept, faults = done.stdout.split()
    return kept, int(faults)


def test_batches_come_without_faults() -> None:
    usual, (kept, faults) = run("not"), run("keep")
    assert usual[1] > 10 * 8 * 128, "the batch's memory goes back and forth"
    assert (kept, faults < usual[1] / 10) == ("True", True)


@pytest.mark.parametrize("name", freed._SAID)
def test_the_environment_has_the_last_word(name: str) -> None:
    kept, _ = run("keep", **{name: "glibc.malloc.trim_threshold=1" if name == "GLIBC_TUNABLES" else "131072"})
    assert kept == "False"
