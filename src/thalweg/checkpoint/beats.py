"""Tell from what a holder writes whether it is alive.

Only that its record changes counts, and only the clock of the one that looks: no two clocks are compared.

Reads:    the name of this machine, and the number of this process.
Not here: who writes and who looks (hold.py), where (holders.py).
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from dataclasses import dataclass, replace
from typing import Any

_LOOKS = 20
"""How often in the time of a lease another process looks."""


@dataclass(frozen=True)
class Record:
    """What a holder writes; all that one writes have the same length.

    Attributes:
        id: of this holder and no other.
        host, process: who it is, for messages.
        lease: for how many seconds it may be silent.
        beat: how often it has said that it is alive.
        is_free: whether it has ended.
    """

    id: str
    host: str
    process: int
    lease: float
    beat: int = 0
    is_free: bool = False

    @staticmethod
    def mine(lease: float) -> Record:
        """Of this process."""
        return Record(uuid.uuid4().hex, socket.gethostname(), os.getpid(), lease)

    @property
    def who(self) -> str:
        """The process, for messages."""
        return f"process {self.process} on {self.host}" if self.process else "another process"

    def next(self) -> Record:
        """One beat later."""
        return replace(self, beat=self.beat + 1)

    def free(self) -> Record:
        """Of the same holder when it has ended."""
        return replace(self, is_free=True)

    def encode(self) -> bytes:
        """As bytes."""
        state = {"beat": f"{self.beat:012}", "state": "free" if self.is_free else "held"}
        who = {"id": self.id, "host": self.host, "process": self.process, "lease": self.lease}
        return f"{json.dumps(who | state)}\n".encode()

    @staticmethod
    def decoded(data: bytes) -> Record:
        """From bytes; what cannot be read is of somebody unknown, with no lease of its own."""
        try:
            read: dict[str, Any] = json.loads(data)
            is_free = read["state"] == "free"
            beat = int(read["beat"])
            return Record(read["id"], read["host"], int(read["process"]), float(read["lease"]), beat, is_free)
        except (ValueError, KeyError, TypeError):
            return Record("", "", 0, 0.0)


class Watch:
    """Looks at the record of a holder again and again.

    Args:
        lease: seconds of silence after which one is overtaken that does not say how long it may be silent.
        begun: the time by the clock of the one that looks.

    Attributes:
        lease: the same of the holder that is looked at.
    """

    def __init__(self, lease: float, begun: float) -> None:
        self.lease = lease
        self._silent, self._last = 0.0, begun
        self._seen: tuple[int, bytes] | None = None

    @property
    def pause(self) -> float:
        """Seconds until the next look."""
        return self.lease / _LOOKS

    def look(self, number: int, record: bytes, *, asked: float, now: float) -> str:
        """What is known of the holder: `alive`, `ended`, `silent` for the whole lease, or still `unknown`.

        Args:
            number, record: the holder, and what it has written.
            asked: when the record was asked for.
            now: when it was there.
        """
        found = Record.decoded(record)
        if found.is_free:
            return "ended"
        if self._seen is None:
            self._seen, self._last = (number, record), now
            # what counts is how long the holder may be silent, and not how long this process might
            self.lease = found.lease or self.lease
            return "unknown"
        if (number, record) != self._seen:
            return "alive"
        # in a time in which this process stood still, and maybe the machine, the other one may have, too
        self._silent += min(asked - self._last, 2 * self.pause)
        self._last = asked
        return "silent" if self._silent >= self.lease else "unknown"
