"""One question and one answer per connection, each a line of JSON. No code, no pickles.

A question is {"op": "status" | "why" | "metrics" | "stop" | "drain" | "save" | "states" | "state"}; an answer
has "ok", or else "error". "save", and "stop" with "savepoint", may name a directory ("to"), and are answered
with the "path" of what was saved when it is complete. "state" names an "operator", and may name a "state", a
"key" and for how many seconds to wait ("timeout"); behind its answer comes a stream of Arrow IPC.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from thalweg.errors import ThalwegError

OPS = ("status", "why", "metrics", "stop", "drain", "save", "states", "state")
QUESTION_MAX = 4096
ANSWER_MAX = 16 << 20
LABELS = ("where", "expected", "found", "choices", "hint")
"""What an answer may say of an error."""
TIMEOUT = 2.0
"""Seconds that one side waits for the other."""


def send(connection: socket.socket, message: dict[str, Any]) -> None:
    """Write one line."""
    connection.sendall(json.dumps(message).encode() + b"\n")


def refused(error: Exception) -> dict[str, Any]:
    """An error as an answer."""
    if not isinstance(error, ThalwegError):
        return {"ok": False, "error": str(error)}
    told: dict[str, Any] = {label: getattr(error, label) for label in LABELS}
    if error.where is not None:
        told["where"] = str(error.where)
    return {"ok": False, "kind": type(error).__name__, "code": error.code, "error": error.message, **told}


def receive(connection: socket.socket, limit: int) -> dict[str, Any]:
    """Read one line.

    Raises:
        ValueError: the line is too long, or no JSON object.
        OSError: the other side is gone, or too slow.
    """
    held = bytearray()
    while not held.endswith(b"\n"):
        part = connection.recv(65_536)
        if not part:
            raise ConnectionError("the other side is gone")
        held += part
        if len(held) > limit:
            raise ValueError(f"more than {limit} bytes")
    message = json.loads(held)
    if not isinstance(message, dict):
        raise ValueError("a JSON object is expected")
    return message
