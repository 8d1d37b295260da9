"""Let single calls to the system fail in a process that runs a job: `strace` does it, from outside.

It counts the calls of each thread by itself: the nth of every thread fails. So it reaches what the engine
does not do itself, such as the pages that SQLite writes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from thalweg.checkpoint.failpoints import VARIABLE

CHECKPOINTS = 2
"""How many checkpoints of a job are looked at: the second is the first that follows on another one."""
_DATABASES = ("out.db", "out.db-journal", "users.db", "users.db-journal")


@dataclass(frozen=True)
class Call:
    """A call that fails: its name, how it fails, whether only with files of SQLite, and of which sinks."""

    name: str
    error: str
    is_sqlite: bool
    sinks: str


CALLS = {
    "sqlite-write": Call("pwrite64", "ENOSPC", True, "sqlite"),
    "sqlite-sync": Call("fdatasync", "EIO", True, "sqlite"),
    "files-sync": Call("fsync", "EIO", False, "files"),
}


def why_not() -> str | None:
    """Why processes cannot be traced here, if they cannot."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"no process can be traced here: {tried.stderr.strip()}"


def count(call: Call, source: Path, folder: Path) -> int:
    """How often the thread that makes most of them makes such calls, up to the end of a checkpoint."""
    log = folder / "log"
    armed = f"checkpoint.complete:kill:{CHECKPOINTS}"
    done = _traced(call, source, folder, ["-o", str(log), "-e", f"trace={call.name}"], armed)
    assert done.returncode == -signal.SIGKILL, done.stderr
    threads = Counter(line.split()[0] for line in log.read_text().splitlines() if f" {call.name}(" in line)
    return max(threads.values())


def failed(call: Call, nth: int, source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the job with a call that fails; it is not restarted."""
    log = folder / "log"
    inject = f"inject={call.name}:error={call.error}:when={nth}"
    done = _traced(call, source, folder, ["-o", str(log), "-e", f"trace={call.name}", "-e", inject])
    assert "(INJECTED)" in log.read_text(), "a call has failed"
    return done


def untraced(call: Call, source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the job."""
    return _run([], call, source, folder)


def _traced(
    call: Call, source: Path, folder: Path, options: list[str], armed: str = ""
) -> subprocess.CompletedProcess[str]:
    paths = [word for name in _DATABASES for word in ("-P", str(folder / "out" / name))]
    words = ["strace", "-f", "-qq", *(paths if call.is_sqlite else []), *options]
    return _run(words, call, source, folder, armed)


def _run(
    words: list[str], call: Call, source: Path, folder: Path, armed: str = ""
) -> subprocess.CompletedProcess[str]:
    places = [str(source), str(folder / "out"), str(folder / "kept")]
    return subprocess.run(
        [*words, sys.executable, "-m", "tests.chaos.job", *places, call.sinks],
        env={**os.environ, VARIABLE: armed, "THALWEG_RESTART_STRATEGY_TYPE": "none"},
        capture_output=True,
        text=True,
    )
