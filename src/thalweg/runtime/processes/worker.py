"""Be a process that holds tasks for another one: what workers.py starts.

Not here: what it does (host.py).
"""

from __future__ import annotations

import signal
import socket
import sys

from thalweg.runtime.processes.host import Host
from thalweg.runtime.processes.wire import Closed, Region, Wire


def main() -> None:
    """Serve the process at the other end of a socket that was handed down, with two regions of memory."""
    # whoever has started this process ends it; a key that is pressed in the terminal is for that one
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection, out, into = map(int, sys.argv[-3:])
    wire = Wire(socket.socket(fileno=connection), Region(out), Region(into))
    try:
        Host(wire).serve()
    except Closed:
        # nobody is there any more: there is nobody to tell
        return
