"""Keep what was typed, from one shell to the next, in a file that only its owner can read.

One entry is one line; line breaks within an entry are kept as the character 1, as psql does. Entries are
added as they are typed, so that nothing is lost when the shell is killed, and several shells can share
the file.

Reads:    `$XDG_STATE_HOME`.
Changes:  `thalweg/history` there, or below `~/.local/state`.
"""

from __future__ import annotations

import os
from pathlib import Path

ENTRIES_MAX = 2000
_BREAK = "\x01"


def history_path() -> Path:
    """Where the file is."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "thalweg" / "history"


class History:
    """The file of earlier entries.

    Args:
        path: the file; it and its folder are made when the first entry comes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = ""

    def load(self) -> list[str]:
        """Earlier entries, the oldest first; a file that has grown long is cut."""
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return []
        entries = [line.replace(_BREAK, "\n") for line in lines if line]
        if len(entries) > 2 * ENTRIES_MAX:
            self._write(entries[-ENTRIES_MAX:], os.O_TRUNC)
        return entries[-ENTRIES_MAX:]

    def add(self, entry: str) -> bool:
        """Keep an entry, unless it repeats the one before; whether it is a new one."""
        if not entry or entry == self._last:
            return False
        self._last = entry
        self._write([entry], os.O_APPEND)
        return True

    def _write(self, entries: list[str], how: int) -> None:
        text = "".join(e.replace("\n", _BREAK) + "\n" for e in entries)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | how, 0o600)
        except OSError:
            # a shell without a home still works; it forgets when it ends
            return
        with os.fdopen(file, "w", encoding="utf-8", errors="replace") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(text)
