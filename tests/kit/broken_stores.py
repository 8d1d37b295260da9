"""A store that keeps its contract, and deviations from it, each named by the line that it breaks.

Not here: the stores that are used (tests/conformance/test_stores.py).
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from thalweg.errors import StoreError


@dataclass
class Medium:
    """What several handles share."""

    held: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_losing: bool = False

    @contextmanager
    def loses_answers(self) -> Iterator[None]:
        """What is written is there, and its writer is told that it failed."""
        self.is_losing = True
        try:
            yield
        finally:
            self.is_losing = False


class DictStore:
    """A handle of a store in memory, with at most one deviation."""

    def __init__(self, medium: Medium, breaks: str = "") -> None:
        self._medium, self._breaks = medium, breaks

    def describe(self, name: str = "") -> str:
        return f"memory/{name}"

    def put(self, name: str, data: bytes) -> None:
        if self._breaks == "T1 of halves":
            self._medium.held[name] = data[: len(data) // 2], ""
            time.sleep(0.002)
        if self._breaks == "T1 of large ones":
            data = data[:5_000_000]
        if self._breaks == "T6 of what is there" and self._medium.is_losing:
            self._medium.held[name] = b"", ""
            raise self._failed(name)
        self._medium.held[name] = data, ""
        if self._medium.is_losing:
            if self._breaks == "T6 of the error":
                raise OSError("lost")
            raise self._failed(name)

    def put_new(self, name: str, data: bytes) -> bool:
        writer = uuid.uuid4().hex
        if self._breaks == "T2 of looking first":
            if name in self._medium.held:
                return False
            time.sleep(0.002)
            self._medium.held[name] = data, writer
            return True
        with self._medium.lock:
            mine = self._medium.held.setdefault(name, (data, writer))
        if self._medium.is_losing and self._breaks == "T6":
            # repeated without knowing who has made what is there
            return False
        if self._breaks == "T2 of equal bytes":
            return mine[0] == data
        if self._breaks == "T2 of writing over" and mine[1] != writer:
            self._medium.held[name] = data, writer
        return mine[1] == writer

    def get(self, name: str) -> bytes:
        found = self._medium.held.get(name)
        if found is None:
            if self._breaks == "T3":
                return b""
            raise KeyError(name)
        return found[0]

    def digest(self, name: str) -> str:
        found = self.get(name)
        return hashlib.sha256(found[1:] if self._breaks == "T3 of hashes" else found).hexdigest()

    def names(self, prefix: str) -> list[str]:
        start = f"{prefix}/" if prefix else ""
        if self._breaks == "T4 of prefixes":
            start = prefix
        below = [n.removeprefix(start) for n in self._medium.held if n.startswith(start)]
        found = list(dict.fromkeys(n.partition("/")[0] for n in below))
        if self._breaks == "T4 of late lists":
            return sorted(found[:-1])
        return found if self._breaks == "T4 of order" else sorted(found)

    def delete(self, name: str) -> None:
        gone = [n for n in self._medium.held if n == name]
        if self._breaks == "T5 of prefixes":
            gone = [n for n in self._medium.held if n.startswith(name)]
        if self._breaks == "T5 of nothing" and not gone:
            raise KeyError(name)
        for found in gone:
            del self._medium.held[found]

    def age(self, name: str) -> float:
        return -1.0 if self._breaks == "T5 of age" else 0.0

    def tidy(self, name: str) -> None:
        if self._breaks == "T5 of tidying":
            for found in [n for n in self._medium.held if n.startswith(name)]:
                del self._medium.held[found]

    def settle(self, name: str) -> None:
        """Everything is."""

    def _failed(self, name: str) -> StoreError:
        return StoreError("nobody answers", code="store-failed", where=name)


BREAKERS = (
    *("T1 of halves", "T1 of large ones"),
    *("T2 of looking first", "T2 of equal bytes", "T2 of writing over"),
    *("T3", "T3 of hashes", "T4 of prefixes", "T4 of late lists", "T4 of order"),
    *("T5 of prefixes", "T5 of nothing", "T5 of age", "T5 of tidying"),
    *("T6", "T6 of what is there", "T6 of the error"),
)
