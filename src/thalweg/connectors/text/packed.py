"""Open a file as bytes, unpacking gzip and zstd on the way.

What a file is packed with is told by its first bytes, not by its name.

Not here: what the bytes mean.
"""

from __future__ import annotations

import gzip
import importlib
import io
import zlib
from typing import IO, Any

from thalweg.errors import ConfigError, ConnectorError

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SKIPPED_BYTES = 1 << 20


def open_unpacked(file: str, byte: int = 0) -> IO[bytes]:
    """The unpacked bytes of a file, from a byte on.

    Raises:
        ConfigError: the file is packed with zstd and no library for it is installed.
        ConnectorError: the file cannot be opened.
    """
    try:
        raw = open(file, "rb")  # noqa: SIM115 - the caller closes it
        head = raw.read(4)
        raw.seek(0)
    except OSError as error:
        raise ConnectorError(
            "a file cannot be read",
            code="source-cannot-read",
            where=file,
            found=error.strerror or str(error),
        ) from error
    if head.startswith(_GZIP):
        stream = _Unpacked(gzip.GzipFile(fileobj=raw), file, raw)
    elif head == _ZSTD:
        try:
            stream = _Unpacked(_zstd_reader(raw, file), file, raw)
        except ConfigError:
            raw.close()
            raise
    else:
        raw.seek(byte)
        return raw
    while byte:
        skipped = len(stream.read(min(byte, _SKIPPED_BYTES)))
        byte -= skipped
        if not skipped:
            break
    return stream


class _Unpacked(io.BytesIO):
    """Unpacked bytes whose errors name the file."""

    def __init__(self, stream: Any, file: str, raw: IO[bytes]) -> None:
        super().__init__()
        self._stream, self._file, self._raw = stream, file, raw

    def read(self, size: int | None = -1) -> bytes:
        parts: list[bytes] = []
        missing = -1 if size is None else size
        try:
            # Unpackers may give less than asked for although there is more.
            while missing and (part := self._stream.read(missing)):
                parts.append(part)
                missing -= len(part)
        except (OSError, EOFError, zlib.error, RuntimeError) as error:
            raise ConnectorError(
                "a packed file is damaged",
                code="source-damaged-file",
                where=self._file,
                found=str(error),
            ) from error
        return b"".join(parts)

    def close(self) -> None:
        self._stream.close()
        self._raw.close()
        super().close()


def _zstd_reader(raw: IO[bytes], file: str) -> Any:
    """A zstd stream by what is there: Python's own module (3.14 and later) or `zstandard`."""
    for name in ("compression.zstd", "zstandard"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if name == "zstandard":
            return module.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        return module.ZstdFile(raw)
    raise ConfigError(
        "reading zstd needs a library that is not installed",
        code="dependency-missing",
        where=file,
        hint='pip install "thalweg[zstd]"',
    )
