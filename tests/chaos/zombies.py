"""Stop a process that runs a job, let another one take the job over, and wake the first.

What must hold: the first ends by itself with the error of a run that was overtaken, and changes nothing that
counts; no row is lost or repeated.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import job
from thalweg.checkpoint.failpoints import VARIABLE

LEASE = 2
"""Seconds: shorter than by default, and longer than a busy machine lets a process wait for its turn."""
_SAID = "is taken over from process"
_FAILED, _OVERTAKEN = 3, 4
_PROGRESS = ".thalweg-progress-"


@dataclass
class Zombie:
    """A process that was stopped, and what became of it and of the one that took its job over.

    Attributes:
        folder: the input of the job, what it writes, and its checkpoints.
        sinks: `files` or `sqlite`.
        wrong: rows that are lost or repeated, and whether the first one has changed something that counts.
        is_locked: whether the first one was stopped in a transaction of SQLite, so that the other one could
            not write, and ended with that: then a third one brings the job to its end.
    """

    folder: Path
    sinks: str
    wrong: Counter[str] = field(default_factory=Counter)
    is_locked: bool = False

    def stopped(self, armed: str = "", seconds: float | None = None) -> subprocess.Popen[str] | None:
        """A process that was stopped at a place, or so long after its first row; None: it ended before."""
        process = self._process(armed)
        assert process.stdout is not None
        if seconds is not None and process.stdout.readline():
            time.sleep(seconds)
            process.send_signal(signal.SIGSTOP)
        if _has_ended(process):
            _, said = process.communicate()
            assert process.returncode == 0, said
            return None
        return process

    def overtake(self, zombie: subprocess.Popen[str], *, wakes: float | None) -> None:
        """Run the job to its end in another process, and see how the first one ends.

        Args:
            zombie: the first one.
            wakes: so many seconds after the other one has begun to read; None: after that has ended.
        """
        other = self._process()
        try:
            assert other.stdout is not None
            if wakes is not None and other.stdout.readline():
                time.sleep(wakes)
                zombie.send_signal(signal.SIGCONT)
            _, said = other.communicate()
            assert said.count(_SAID) == 1, said
            has_ended = "has reached its end" in said
            self.is_locked = other.returncode == _FAILED and "database is locked" in said
            assert self.is_locked or other.returncode == 0, said
            # a database that is locked cannot be read either
            before = {} if self.is_locked else self._all_that_counts()
            zombie.send_signal(signal.SIGCONT)
            _, said = zombie.communicate()
        finally:
            for process in (zombie, other):
                if process.poll() is None:
                    process.kill()
                    process.communicate()
        if has_ended:
            # its last checkpoint was complete when it was stopped
            assert zombie.returncode == 0, said
        else:
            assert zombie.returncode == _OVERTAKEN, said
            assert "checkpoint-overtaken" in said, said
        if self.is_locked:
            last = self._process()
            _, said = last.communicate()
            assert last.returncode == 0, said
        else:
            self.wrong["stale"] += self._all_that_counts() != before
        self.wrong += job.wrong_rows(self.sinks, self.folder / "out")

    def _process(self, armed: str = "") -> subprocess.Popen[str]:
        places = [str(self.folder / n) for n in ("input", "out", "kept")]
        runtime = self.folder / "run"
        runtime.mkdir(exist_ok=True)
        begin = "import sys; from thalweg.cli import main; sys.exit(main())"
        return subprocess.Popen(
            [sys.executable, "-c", begin, "run", job.__file__, "--no-progress", "--", *places, self.sinks],
            env={
                **os.environ,
                VARIABLE: armed,
                "THALWEG_HIGH_AVAILABILITY_LEASE_DURATION": f"{LEASE} s",
                "XDG_RUNTIME_DIR": str(runtime),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _all_that_counts(self) -> dict[str, object]:
        """What others see: results, and what was committed."""
        out = self.folder / "out"
        files = {str(p.relative_to(out)): p for p in out.rglob("*") if p.is_file()}
        found: dict[str, object] = {}
        for name, path in files.items():
            if path.suffix == ".db":
                found |= {f"{name} {table}": rows for table, rows in _tables(path)}
            elif not path.name.startswith("."):
                found[name] = path.read_bytes()
        # of the records of several runs the newest is read
        records = ((int(n.rpartition("-")[2]), n) for n in files if _PROGRESS in n and not n.endswith(".tmp"))
        for _, name in sorted(records):
            found[name.rpartition("-")[0]] = name, files[name].read_bytes()
        return found


def _tables(path: Path) -> Iterator[tuple[str, list[str]]]:
    with closing(sqlite3.connect(path)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            yield name, sorted(map(repr, database.execute(f'SELECT * FROM "{name}"')))


def _has_ended(process: subprocess.Popen[str]) -> bool:
    """Wait until a process stands still, or has ended."""
    while True:
        with suppress(ChildProcessError):
            ended, status = os.waitpid(process.pid, os.WUNTRACED | os.WNOHANG)
            if ended and os.WIFSTOPPED(status):
                return False
            if ended:
                process.returncode = os.waitstatus_to_exitcode(status)
                return True
        time.sleep(0.01)
