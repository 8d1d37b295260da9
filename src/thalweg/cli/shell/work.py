"""Do something that Ctrl-C can always leave, whatever it is busy with.

Polars does not look at signals while it computes. So the work is done in a thread of its own, and the main
thread, which gets the signals, waits for it. A stream is stopped properly (interrupts.py); anything else is
told to end by an exception that it meets as soon as it runs Python again, hence before it writes anything;
if that takes long, it is left behind.

Not here: what a signal does to a stream (interrupts.py).
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
from collections.abc import Callable

from thalweg.session.interrupts import SIGNALS, Interrupts

_PATIENCE = 0.5
_LOOK_EVERY = 0.1


class Work:
    """Something to be done once.

    Attributes:
        is_left: whether it may still go on, unseen.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._error: BaseException | None = None
        # not join: in Python 3.11 a thread whose join was interrupted counts as ended
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="thalweg-statement", daemon=True)
        self.is_left = False

    def finish(self, interrupts: Interrupts) -> None:
        """Do it, until it has ended or Ctrl-C comes.

        Raises:
            KeyboardInterrupt: it was interrupted.
            BaseException: what it raised.
        """
        with interrupts.caught():
            try:
                self._start()
                # by turns: a signal that another thread received does not wake this one
                while not self._done.wait(_LOOK_EVERY):
                    pass
            except KeyboardInterrupt:
                self._end()
                raise
        if self._error is not None:
            raise self._error

    def wait(self) -> None:
        """Wait until it has ended, however long that takes."""
        self._done.wait()

    def _start(self) -> None:
        # a signal that comes while the thread starts waits until the thread can be told to end
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _end(self) -> None:
        thread = ctypes.c_ulong(self._thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(KeyboardInterrupt))
        # whoever presses again wants to wait even less
        with contextlib.suppress(KeyboardInterrupt):
            self._done.wait(_PATIENCE)
        self.is_left = not self._done.is_set()

    def _run(self) -> None:
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self._function()
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
            self._error = error
        finally:
            self._done.set()
