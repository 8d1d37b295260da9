"""Lines from a socket become rows as they arrive."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.connectors import registry
from thalweg.connectors.socket_source import SocketReader
from thalweg.errors import ConfigError, ConnectorError
from thalweg.protocols.source import Chunk

TEXT = Schema.from_polars({"line": pl.String()})
PAIRS = Schema.from_polars({"a": pl.Int64(), "b": pl.String()})


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def connected(
    listener: socket.socket, schema: Schema, options: dict[str, str] | None = None
) -> tuple[SocketReader, socket.socket]:
    port = str(listener.getsockname()[1])
    given = {"connector": "socket", "hostname": "127.0.0.1", "port": port, **(options or {})}
    source = registry.create_source(given, schema).source
    reader = source.open(source.splits()[0], {}, None)
    assert isinstance(reader, SocketReader)
    return reader, listener.accept()[0]


def next_chunk(reader: SocketReader, rows_max: int = 100) -> Chunk:
    """The first chunk that says something; what was sent on this machine arrives within moments."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        chunk = reader.read(rows_max)
        if chunk.frame is not None or chunk.bad or chunk.ended:
            return chunk
    raise AssertionError("nothing arrived")


def test_lines(listener: socket.socket) -> None:
    reader, peer = connected(listener, TEXT)
    assert reader.read(10).wait is not None
    peer.sendall(b"one\ntwo\r\nthr")
    chunk = next_chunk(reader)
    assert chunk.frame is not None
    assert chunk.frame["line"].to_list() == ["one", "two"]
    assert (chunk.offset, reader.position) == (1, {"line": 3})
    assert chunk.arrived is not None
    peer.sendall(b"ee")
    peer.close()
    last = next_chunk(reader)
    assert last.frame is not None
    assert last.frame["line"].to_list() == ["three"]
    assert next_chunk(reader).ended
    reader.close()


def test_bad_rows_and_few_rows_at_a_time(listener: socket.socket) -> None:
    reader, peer = connected(listener, PAIRS, {"byte-delimiter": "0", "csv.field-delimiter": ";"})
    peer.sendall(b"1;x\0y;2\x003;z\0")
    peer.close()
    rows: list[object] = []
    bad: list[tuple[int, str]] = []
    while not (chunk := next_chunk(reader, 1)).ended:
        rows += [] if chunk.frame is None else chunk.frame.rows()
        bad += [(b.offset, b.message) for b in chunk.bad]
    assert rows == [(1, "x"), (3, "z")]
    assert bad == [(2, 'column "a": "y" is not a BIGINT')]
    reader.close()


def test_text_that_is_not_utf8(listener: socket.socket) -> None:
    reader, peer = connected(listener, TEXT)
    peer.sendall(b"a\n\xff\nb\n")
    peer.close()
    chunk = next_chunk(reader)
    assert chunk.frame is not None
    assert chunk.frame["line"].to_list() == ["a", "b"]
    assert [b.offset for b in chunk.bad] == [2]
    reader.close()


def test_lines_beyond_the_limit(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thalweg.connectors.socket_source.RECORD_MAX", 10)
    reader, peer = connected(listener, TEXT)
    peer.sendall(b"x" * 50)
    assert [b.offset for b in next_chunk(reader).bad] == [1]
    peer.sendall(b"xxx\nshort\n")
    chunk = next_chunk(reader)
    assert chunk.frame is not None
    assert chunk.frame["line"].to_list() == ["short"]
    reader.close()
    peer.close()


def test_nobody_listens(listener: socket.socket) -> None:
    port = str(listener.getsockname()[1])
    listener.close()
    source = registry.create_source(
        {"connector": "socket", "hostname": "127.0.0.1", "port": port}, TEXT
    ).source
    with pytest.raises(ConnectorError) as caught:
        source.open(source.splits()[0], {}, None)
    assert caught.value.code == "socket-connect"


def test_a_connection_that_breaks(listener: socket.socket) -> None:
    reader, peer = connected(listener, TEXT)
    # closed with what has arrived unread: the other side is told that it was reset
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    with pytest.raises(ConnectorError) as caught:
        next_chunk(reader)
    assert caught.value.code == "socket-broken"
    assert caught.value.where == f"127.0.0.1:{listener.getsockname()[1]}"
    reader.close()


def test_raw_rows_have_one_column() -> None:
    with pytest.raises(ConfigError):
        registry.create_source({"connector": "socket", "hostname": "h", "port": "1", "format": "raw"}, PAIRS)
