"""Be a process that holds tasks for another one: what workers.py starts.

Not here: what it does (host.py).
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

from thalweg.runtime.processes.host import Host
from thalweg.runtime.processes.wire import Closed, Region, Wire


def main() -> None:
    """Serve the process at the other end of a socket that was handed down, with two regions of memory.

    The last thing that was handed down is a pipe into which nobody ever writes: it ends with that process.
    """
    # whoever has started this process ends it; a key that is pressed in the terminal is for that one
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection, out, into, life = map(int, sys.argv[-4:])
    threading.Thread(target=_follow, args=(life,), name="thalweg-life", daemon=True).start()
    wire = Wire(socket.socket(fileno=connection), Region(out), Region(into))
    try:
        Host(wire).serve()
    except Closed:
        # nobody is there any more: there is nobody to tell
        return


def _follow(life: int) -> None:
    """End when the other process has ended, whatever a function is doing just now."""
    os.read(life, 1)
    os._exit(1)
