"""Turn the first Ctrl-C into a stop of the job, and the second into the end of the process.

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

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Knows which jobs run, and stops them when a signal comes.

    Attributes:
        drain: whether a stop closes open windows, as if the input had ended.
        came: whether a signal came.
    """

    def __init__(self, *, drain: bool = False) -> None:
        self.drain, self.came = drain, False
        self._runs: list[Run] = []

    @contextmanager
    def caught(self) -> Iterator[Interrupts]:
        """Handle signals in here; only in the main thread."""
        before: list[tuple[signal.Signals, Any]] = [(s, signal.signal(s, self._handle)) for s in _SIGNALS]
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
        if self.came:
            os._exit(INTERRUPTED)
        self.came = True
        if not self._runs:
            raise KeyboardInterrupt
        sys.stderr.write("\nstopping; once more leaves at once\n")
        # a handler may interrupt a thread that holds the lock which stop needs
        for run in self._runs:
            threading.Thread(target=run.stop, kwargs={"drain": self.drain}, daemon=True).start()
