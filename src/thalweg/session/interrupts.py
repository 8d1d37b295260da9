"""Turn the first Ctrl-C or SIGTERM into a stop of the job, and a later one into the end of the process.

`python job.py` and `thalweg run job.py` do the same: sources stop, what was read is processed, the
program goes on, and when it ends its exit code is 130. Where somebody types, in a shell or a notebook,
the process lives on, and a second Ctrl-C is the usual `KeyboardInterrupt`.

Changes:  signal handlers, for as long as jobs run.
Not here: what a stop means (runtime/run.py).
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from thalweg.session.hooks import HOOKS

if TYPE_CHECKING:
    from thalweg.session.handle import JobHandle
    from thalweg.session.hooks import Watcher

INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_USUAL = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class Interrupts:
    """Knows which jobs run, and stops them when a signal comes.

    Attributes:
        drain: whether a stop closes open windows, as if the input had ended.
        number: the signal that came, if one did.
        presses: how many signals only stop; the next one leaves.
        leaves: whether it ends the process, or is a `KeyboardInterrupt`.
    """

    def __init__(self, *, drain: bool = False, presses: int = 1, leaves: bool = True) -> None:
        self.drain, self.presses, self.leaves = drain, presses, leaves
        self.number: int | None = None
        self._count = 0
        self._runs: list[JobHandle] = []

    @property
    def came(self) -> bool:
        """Whether a signal came."""
        return self.number is not None

    @contextmanager
    def caught(self, signals: Sequence[signal.Signals] = SIGNALS) -> Iterator[Interrupts]:
        """Handle signals in here; only in the main thread."""
        before: list[tuple[signal.Signals, Any]] = [(s, signal.signal(s, self._handle)) for s in signals]
        try:
            yield self
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    @contextmanager
    def watch(self, run: JobHandle) -> Iterator[None]:
        """The run is stopped if a signal comes meanwhile."""
        self._runs.append(run)
        try:
            yield
        finally:
            self._runs.remove(run)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count > self.presses and self.leaves:
            os._exit(INTERRUPTED)
        self.number = number
        if self._count > self.presses or not self._runs:
            raise KeyboardInterrupt
        sys.stderr.write(f"\nstopping; {self._once_more()}\n")
        # a handler may interrupt a thread that holds the lock which stop needs
        for run in self._runs:
            threading.Thread(target=run.stop, kwargs={"drain": self.drain}, daemon=True).start()

    def _once_more(self) -> str:
        if self._count < self.presses:
            return "Ctrl-C again if that takes long"
        return "once more leaves at once" if self.leaves else "once more breaks off"


@contextmanager
def interruptible() -> Iterator[tuple[Watcher, ...]]:
    """Signals stop the jobs in here, unless the program or the command line handles them itself.

    Gives whoever has to watch the runs.
    """
    free = _unhandled()
    if not free:
        yield ()
        return
    interrupts = Interrupts(leaves=_is_program())
    try:
        with interrupts.caught(free):
            yield (interrupts.watch,)
    finally:
        if interrupts.came and _is_program():
            atexit.register(_leave)


def _unhandled() -> list[signal.Signals]:
    """The signals that nobody handles; another thread than the main one cannot handle any."""
    if HOOKS.handles_signals or threading.current_thread() is not threading.main_thread():
        return []
    return [s for s, usual in _USUAL.items() if signal.getsignal(s) is usual]


def _is_program() -> bool:
    """Whether the process ends when the program does: nobody types further statements."""
    is_typed = hasattr(sys, "ps1") or sys.flags.interactive
    return not is_typed and hasattr(sys.modules.get("__main__"), "__file__")


def _leave() -> None:
    """End with the exit code of an interrupted process; a library has no other way to set it.

    Registered when the signal came, it is called early among those that run at the exit; the others are
    called from here, before the process leaves.
    """
    atexit.unregister(_leave)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(INTERRUPTED)
