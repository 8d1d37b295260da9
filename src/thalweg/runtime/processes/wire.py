"""Carry messages with frames between two processes of one machine.

What a message says goes through a socket, as MessagePack; its frames lie in memory that both processes have
mapped, as Arrow IPC streams. Each side writes into a region of its own, and does so again when the other has
answered: only one message is ever under way.

Not here: what messages mean (host.py, workers.py).
"""

from __future__ import annotations

import io
import mmap
import os
import socket
from collections.abc import Sequence
from typing import Any

import msgspec
import polars as pl

_LENGTH_BYTES = 4
_FIRST_BYTES = 1 << 20


class Closed(Exception):
    """The other side has gone."""


class Region:
    """Memory that two processes have mapped; one of them writes.

    Args:
        file: a file in memory (`memfd_create`), which has no name and is gone with the processes.

    Example:
        >>> region = Region.new()
        >>> sizes = region.write([pl.DataFrame({"n": [1, 2]}), pl.DataFrame(height=3)])
        >>> [frame.height for frame in Region(region.file).read(sizes)]
        [2, 3]
    """

    def __init__(self, file: int) -> None:
        self.file = file
        self._map = mmap.mmap(file, os.fstat(file).st_size)

    @staticmethod
    def new() -> Region:
        """Memory of its own."""
        file = os.memfd_create("thalweg-edge", os.MFD_CLOEXEC)
        os.ftruncate(file, _FIRST_BYTES)
        return Region(file)

    def write(self, frames: Sequence[pl.DataFrame]) -> list[list[int]]:
        """Put frames there, over those before; the rows and bytes of each."""
        found, start = [], 0
        for frame in frames:
            size = 0
            if frame.width:
                held = io.BytesIO()
                frame.write_ipc_stream(held)
                size = held.tell()
                self._reach(start + size)
                self._map[start : start + size] = held.getbuffer()
            found.append([frame.height, size])
            start += size
        return found

    def read(self, sizes: Sequence[Sequence[int]]) -> list[pl.DataFrame]:
        """The frames that the other side has put there."""
        found, start = [], 0
        for height, size in sizes:
            if start + size > len(self._map):
                self._map.close()
                self._map = mmap.mmap(self.file, os.fstat(self.file).st_size)
            data = self._map[start : start + size]
            found.append(pl.read_ipc_stream(io.BytesIO(data)) if size else pl.DataFrame(height=height))
            start += size
        return found

    def _reach(self, size: int) -> None:
        if size > len(self._map):
            # twice as much, so that frames that grow little by little do not map it anew each time
            self._map.resize(1 << (size - 1).bit_length())

    def close(self) -> None:
        """Let go of it."""
        self._map.close()
        os.close(self.file)


class Wire:
    """One end of the connection of two processes.

    Args:
        connection: a socket to the other.
        out, into: the memory that this side writes, and the one that the other side does.
    """

    def __init__(self, connection: socket.socket, out: Region, into: Region) -> None:
        self._socket, self._out, self._into = connection, out, into

    def send(self, head: Sequence[Any], frames: Sequence[pl.DataFrame] = ()) -> None:
        """A message.

        Args:
            head: plain data.
            frames: what goes with it.

        Raises:
            Closed: nobody is there to take it.
        """
        data = msgspec.msgpack.encode([head, self._out.write(frames)])
        try:
            self._socket.sendall(len(data).to_bytes(_LENGTH_BYTES, "little") + data)
        except OSError as error:
            raise Closed from error

    def receive(self) -> tuple[list[Any], list[pl.DataFrame]]:
        """The next message; waits for it.

        Raises:
            Closed: there will be none.
        """
        size = int.from_bytes(self._exactly(_LENGTH_BYTES), "little")
        head, sizes = msgspec.msgpack.decode(self._exactly(size))
        return head, self._into.read(sizes)

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            try:
                part = self._socket.recv(count - len(found))
            except OSError as error:
                raise Closed from error
            if not part:
                raise Closed
            found += part
        return found

    def close(self) -> None:
        """End the connection."""
        self._socket.close()
        self._out.close()
        self._into.close()
