"""Watch what a process and everything that it started use.

Not here: what is run meanwhile (runner.py).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_EVERY_SECONDS = 0.1
_PAGE, _TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


@dataclass
class Used:
    """What a tree of processes used."""

    peak_rss_mib: float = 0.0
    """All resident memory, added up over the processes; what they share counts for each."""
    peak_own_mib: float = 0.0
    """The part of it that is not backed by files."""
    cpu_seconds: float = 0.0
    """Of all threads: compilers and garbage collectors included."""


@contextmanager
def watched(pid: int) -> Iterator[Used]:
    """Watch a process and its descendants while the work in here is done."""
    used, done = Used(), threading.Event()

    def look() -> None:
        while True:
            pids = tree(pid)
            used.peak_rss_mib = max(used.peak_rss_mib, sum(_rss_mib(p) for p in pids))
            used.peak_own_mib = max(used.peak_own_mib, sum(_own_mib(p) for p in pids))
            if done.wait(_EVERY_SECONDS):
                return

    thread = threading.Thread(target=look, daemon=True)
    before = sum(_cpu_seconds(p) for p in tree(pid))
    thread.start()
    try:
        yield used
    finally:
        done.set()
        thread.join()
        used.cpu_seconds = sum(_cpu_seconds(p) for p in tree(pid)) - before


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    found, ahead = [], [pid]
    while ahead:
        found.append(ahead.pop())
        for path in Path(f"/proc/{found[-1]}/task").glob("*/children"):
            with suppress(OSError):
                ahead += [int(child) for child in path.read_text().split()]
    return found


def _read(pid: int, name: str) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_text()
    return ""


def _rss_mib(pid: int) -> float:
    fields = _read(pid, "statm").split()
    return int(fields[1]) * _PAGE / 2**20 if fields else 0.0


def _own_mib(pid: int) -> float:
    lines = (line for line in _read(pid, "status").splitlines() if line.startswith("RssAnon:"))
    return sum(int(line.split()[1]) / 1024 for line in lines)


def _cpu_seconds(pid: int) -> float:
    # the name, in parentheses, may hold spaces; children that have ended are counted by their parent
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return sum(int(value) for value in fields[11:15]) / _TICKS if fields else 0.0
