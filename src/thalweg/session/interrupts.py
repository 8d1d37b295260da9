"""Turn the first Ctrl-C or SIGTERM into a stop of the job, and the second into the end of the process.

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
    from thalweg.runtime.run import Run
    from thalweg.session.hooks import Watcher

INTERRUPTED = 130
_DEFAULTS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class Interrupts:
    """Knows which jobs run, and stops them when a signal comes.

    Attributes:
        drain: whether a stop closes open windows, as if the input had ended.
        came: whether a signal came.
    """

    def __init__(self, *, drain: bool = False, leaves: bool = True) -> None:
        self.drain, self.came = drain, False
        self._leaves = leaves
        self._runs: list[Run] = []

    @contextmanager
    def caught(self, signals: Sequence[signal.Signals] = tuple(_DEFAULTS)) -> Iterator[Interrupts]:
        """Handle signals in here; only in the main thread."""
        before: list[tuple[signal.Signals, Any]] = [(s, signal.signal(s, self._handle)) for s in signals]
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
        if self.came and self._leaves:
            os._exit(INTERRUPTED)
        if self.came or not self._runs:
            self.came = True
            raise KeyboardInterrupt
        self.came = True
        sys.stderr.write("\nstopping; once more leaves at once\n")
        # a handler may interrupt a thread that holds the lock which stop needs
        for run in self._runs:
            threading.Thread(target=run.stop, kwargs={"drain": self.drain}, daemon=True).start()


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
    return [s for s, usual in _DEFAULTS.items() if signal.getsignal(s) is usual]


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
