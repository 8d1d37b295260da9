"""One question and one answer per connection, each a line of JSON. No code, no pickles.

A question is {"op": "status" | "why" | "metrics" | "stop" | "drain" | "save"}; an answer has "ok", or else
"error". "save", and "stop" with "savepoint", may name a directory ("to"), and are answered with the "path" of
what was saved when it is complete.
"""

from __future__ import annotations

import json
import socket
from typing import Any

OPS = ("status", "why", "metrics", "stop", "drain", "save")
QUESTION_MAX = 4096
ANSWER_MAX = 16 << 20
TIMEOUT = 2.0
"""Seconds that one side waits for the other."""


def send(connection: socket.socket, message: dict[str, Any]) -> None:
    """Write one line."""
    connection.sendall(json.dumps(message).encode() + b"\n")


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
