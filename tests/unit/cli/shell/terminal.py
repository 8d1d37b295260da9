"""Run the shell on a pseudo-terminal, type into it, and wait for what it answers."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import TracebackType

SOURCE = Path(__file__).resolve().parents[4] / "src"
PROMPT, MORE = "thalweg> ", "    ...> "
DEADLINE = 60.0
CTRL_C, CTRL_D = "\x03", "\x04"
# the terminal becomes the process's own, so that Ctrl-C reaches it as a signal
_START = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
_MAIN = "from thalweg.cli import main; main()"


class Terminal:
    """A process on a terminal of its own, 100 columns wide."""

    def __init__(self, *arguments: str, before: str = "pass") -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        program = "\n".join((_START, before, _MAIN))
        paths = os.pathsep.join([str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": paths, "TERM": "dumb", "INPUTRC": "/dev/null"},
        )
        os.close(slave)
        self._unread = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._master)

    def type(self, text: str) -> None:
        """Type a text, without a line break."""
        os.write(self._master, text.encode())

    def until(self, wanted: str) -> str:
        """Everything that comes up to and including a text."""
        assert self._has_come(wanted, DEADLINE), f"{wanted!r} did not come, but {self._unread!r}"
        found, _, self._unread = self._unread.partition(wanted)
        return found + wanted

    def say(self, line: str, prompt: str = PROMPT) -> str:
        """Type a line; everything that comes up to the next prompt."""
        self.type(f"{line}\n")
        # the line itself is echoed, and a prompt may be in it
        self.until("\n")
        return self.until(prompt)

    def give_up_line(self) -> None:
        """Press Ctrl-C until there is a new prompt; more than one may come.

        Python misses a signal that comes just before it waits for a key, until the next key comes.
        """
        for _ in range(int(DEADLINE / 2)):
            self.type(CTRL_C)
            if self._has_come(PROMPT, 2.0):
                self.until(PROMPT)
                return
        raise AssertionError(f"Ctrl-C brought no prompt, but {self._unread!r}")

    def leave(self, keys: str) -> int:
        """Type something that leaves; the exit code."""
        self.type(keys)
        return self.process.wait(DEADLINE)

    def _has_come(self, wanted: str, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while wanted not in self._unread:
            if not select.select([self._master], [], [], max(0.0, end - time.monotonic()))[0]:
                return False
            self._unread += self._read(wanted)
        return True

    def _read(self, wanted: str) -> str:
        try:
            read = os.read(self._master, 65536)
        except OSError:
            read = b""
        assert read, f"the shell has ended before {wanted!r} came: {self._unread!r}"
        return read.decode(errors="replace").replace("\r\n", "\n")
