"""Turn the first Ctrl-C into a stop of the job, and a later one into the end of the process.

Not here: what a stop means (runtime/run.py).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from thalweg.cli.failures import INTERRUPTED

if TYPE_CHECKING:
    from thalweg.runtime.run import Run

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Knows which jobs run, and stops them when a signal comes.

    Attributes:
        drain: whether a stop closes open windows, as if the input had ended.
        number: the signal that came, if one did.
        presses: how many signals only stop; the next one leaves.
    """

    def __init__(self, *, drain: bool = False, presses: int = 1) -> None:
        self.drain, self.presses = drain, presses
        self.number: int | None = None
        self._count = 0
        self._runs: list[Run] = []

    @property
    def came(self) -> bool:
        """Whether a signal came."""
        return self.number is not None

    @contextmanager
    def caught(self) -> Iterator[Interrupts]:
        """Handle signals in here; only in the main thread."""
        before: list[tuple[signal.Signals, Any]] = [(s, signal.signal(s, self._handle)) for s in SIGNALS]
        try:
            yield self
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    @contextmanager
    def watch(self, run: Run) -> Iterator[None]:
        """The run is stopped if a signal comes meanwhile."""
        self._runs.append(run)
        try:
            yield
        finally:
            self._runs.remove(run)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count > self.presses:
            os._exit(INTERRUPTED)
        self.number = number
        if not self._runs:
            raise KeyboardInterrupt
        again = (
            "once more leaves at once" if self._count == self.presses else "Ctrl-C again if that takes long"
        )
        sys.stderr.write(f"\nstopping; {again}\n")
        # a handler may interrupt a thread that holds the lock which stop needs
        for run in self._runs:
            threading.Thread(target=run.stop, kwargs={"drain": self.drain}, daemon=True).start()
