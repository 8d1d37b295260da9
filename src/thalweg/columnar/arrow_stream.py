"""Write frames as one Arrow IPC stream, and read such a stream frame by frame.

Polars writes and reads a stream as a whole. A stream is a sequence of messages: the schema first, then
batches, then an end; so those of several frames are put together without looking into them, and taken
apart again (https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format).

Not here: where the bytes come from and go to.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable, Iterator

import polars as pl

END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""The message behind the last batch."""
_HEAD = 8
_SCHEMA, _RECORD_BATCH = 1, 3
_TYPE, _BODY = 1, 3
"""Fields of the table of a message: of what kind it is, and how long what follows it."""


def stream_of(frames: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    """The bytes of a stream of frames with the same columns, a piece for each frame, and the end.

    Example:
        >>> frames = [pl.DataFrame({"n": [1, 2]}), pl.DataFrame({"n": [3]})]
        >>> pl.read_ipc_stream(b"".join(stream_of(frames)))["n"].to_list()
        [1, 2, 3]
    """
    is_first = True
    for frame in frames:
        buffer = io.BytesIO()
        frame.write_ipc_stream(buffer)
        data = buffer.getvalue()
        assert data.endswith(END), "Polars ends a stream"
        yield data[0 if is_first else _HEAD + _length(data) : -len(END)]
        is_first = False
    yield END


def frames_of(read: Callable[[int], bytes]) -> Iterator[pl.DataFrame]:
    """The frames of a stream, one at a time.

    Args:
        read: gives exactly so many of the next bytes; fewer when there are no more.

    Raises:
        EOFError: the stream breaks off.

    Example:
        >>> data = io.BytesIO(b"".join(stream_of([pl.DataFrame({"n": [1, 2]})] * 2)))
        >>> [frame.height for frame in frames_of(data.read)]
        [2, 2]
    """
    schema, held = b"", b""
    while True:
        head = _exactly(read, _HEAD)
        if head == END:
            return
        metadata = _exactly(read, _length(head))
        kind, size = _field(metadata, _TYPE, "<B"), _field(metadata, _BODY, "<q")
        message = head + metadata + _exactly(read, size)
        if kind == _SCHEMA:
            schema = message
            continue
        # dictionaries come before the batch that needs them
        held += message
        if kind == _RECORD_BATCH:
            yield pl.read_ipc_stream(io.BytesIO(schema + held + END))
            held = b""


def _length(head: bytes) -> int:
    """How long the description of a message is; without a body that is the rest of it."""
    mark, length = struct.unpack_from("<Ii", head)
    if mark != 0xFFFF_FFFF or length < 0:
        raise EOFError("this is no stream of Arrow")
    return int(length)


def _field(table: bytes, number: int, kind: str) -> int:
    """A number of the outermost table of a flat buffer; 0 where it is left out."""
    (root,) = struct.unpack_from("<I", table)
    (back,) = struct.unpack_from("<i", table, root)
    places = root - back
    (size,) = struct.unpack_from("<H", table, places)
    entry = 4 + 2 * number
    (offset,) = struct.unpack_from("<H", table, places + entry) if entry < size else (0,)
    return int(struct.unpack_from(kind, table, root + offset)[0]) if offset else 0


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    found = read(size)
    if len(found) < size:
        raise EOFError("the stream breaks off")
    return found
