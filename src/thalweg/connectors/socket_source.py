"""Read lines from a socket, as Flink's `socket` connector does.

Rows that have been read are gone for the sender: after a crash they cannot be read again.

Reads:    a network connection, and the clock for the time at which rows arrived.
Not here: how lines become rows (text/).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import STRING
from thalweg.connectors.connector import Connector, needed_columns
from thalweg.connectors.files.connector import CSV_OPTIONS, check_format, csv_text
from thalweg.connectors.files.select import pruned
from thalweg.connectors.options import Option, Values, choice, flag, whole
from thalweg.connectors.text.block import RECORD_MAX, Block, BlockRecords, TextDecoder, bad_record, too_long
from thalweg.connectors.text.csv import CsvOptions, CsvTextDecoder
from thalweg.connectors.text.csv_values import check_types
from thalweg.connectors.text.json import JsonTextDecoder
from thalweg.connectors.text.reader import rows_chunk
from thalweg.errors import ConfigError, ConnectorError
from thalweg.protocols.source import BadRow, Chunk, Fields, Position, Reader, Replay, Split

_POLL_SECONDS = 0.005
_RECEIVED_BYTES = 1 << 18
_BUFFER_BYTES = 8 << 20


@dataclass(frozen=True)
class SocketSource:
    """Rows from a socket that somebody else listens on.

    Attributes:
        hostname, port: where to connect to.
        schema: the columns.
        format: `raw` (one column of text), `csv` or `json`.
        delimiter: the byte between rows.
        csv: how CSV is written.
        timeout: seconds to wait for the connection.
    """

    hostname: str
    port: int
    schema: Schema
    format: str = "raw"
    delimiter: int = 10
    csv: CsvOptions = field(default_factory=CsvOptions)
    timeout: float = 10.0

    @property
    def is_bounded(self) -> bool:
        """It ends when the other side closes, and nobody knows when."""
        return False

    @property
    def replay(self) -> Replay:
        """What was read is gone."""
        return "none"

    @property
    def is_ordered(self) -> bool:
        """There is one split."""
        return False

    @property
    def is_live(self) -> bool:
        """Rows come as they are made."""
        return True

    def describe(self) -> str:
        """The address."""
        return f"socket {self.hostname}:{self.port}"

    def splits(self) -> Sequence[Split]:
        """One connection."""
        return [Split(f"{self.hostname}:{self.port}")]

    def open(self, split: Split, position: Position, fields: Fields | None) -> Reader:
        """Connect."""
        decoder = _decoder(self, pruned(self.schema, fields))
        try:
            connection = socket.create_connection((self.hostname, self.port), self.timeout)
        except OSError as error:
            raise ConnectorError(
                "the connection to a socket was refused",
                code="socket-connect",
                where=f"{self.hostname}:{self.port}",
                found=str(error),
                hint="the other side must listen first, for example: nc -lk 9999",
            ) from error
        return SocketReader(connection, decoder, self, int(position.get("line", 1)))


class SocketReader:
    """Takes what has arrived, without waiting for more."""

    def __init__(
        self, connection: socket.socket, decoder: TextDecoder, source: SocketSource, line: int
    ) -> None:
        connection.setblocking(False)
        self._connection, self._decoder, self._source = connection, decoder, source
        self._line = self._next_line = line
        self._data, self._is_ended, self._is_skipping = b"", False, False
        self._frame, self._lines = pl.DataFrame(), np.empty(0, dtype=np.int64)
        self._bad: list[BadRow] = []
        self._records: BlockRecords | None = None

    @property
    def position(self) -> Position:
        """The number of the next line; it only numbers rows, nothing can be read again."""
        return {"line": self._line}

    def read(self, rows_max: int) -> Chunk:
        """The rows that have arrived."""
        if not len(self._lines) and not self._bad:
            self._receive()
            self._decode()
        bad, self._bad = tuple(self._bad), []
        if not len(self._lines) and not bad:
            return Chunk(None, offset=self._line, ended=self._is_ended, wait=_POLL_SECONDS)
        frame, lines = self._frame[:rows_max], self._lines[:rows_max]
        self._frame, self._lines = self._frame[rows_max:], self._lines[rows_max:]
        self._line = int(self._lines[0]) if len(self._lines) else self._next_line
        return replace(rows_chunk(frame, lines, bad, self._records), arrived=time.time_ns() // 1000)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        self._frame, self._lines, self._bad = self._frame[:0], self._lines[:0], []
        self._data, self._is_ended = b"", True

    def _receive(self) -> None:
        parts, size = [self._data], len(self._data)
        while not self._is_ended and size < _BUFFER_BYTES:
            try:
                part = self._connection.recv(_RECEIVED_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                raise ConnectorError(
                    "the connection of a socket broke",
                    code="socket-broken",
                    where=f"{self._source.hostname}:{self._source.port}",
                    found=str(error),
                ) from error
            self._is_ended = not part
            parts.append(part)
            size += len(part)
        self._data = b"".join(parts)

    def _decode(self) -> None:
        data, delimiter = self._data, bytes([self._source.delimiter])
        if self._is_skipping:
            end = data.find(delimiter) + 1
            self._is_skipping = not end
            data = data[end:] if end else b""
        if len(data) > RECORD_MAX and delimiter not in data:
            self._bad, self._is_skipping = [too_long(self._next_line, data)], True
            self._next_line += 1
            data = b""
        self._data = data
        if not data:
            return
        text = data if delimiter == b"\n" else data.replace(delimiter, b"\n")
        block = self._decoder.decode(text, self._next_line, is_last=self._is_ended)
        self._records = BlockRecords(block, text, self._next_line, None)
        self._next_line += text.count(b"\n", 0, block.taken)
        self._data = data[block.taken :]
        self._frame, self._lines, self._bad = block.frame, block.lines, list(block.bad)


class RawDecoder:
    """Every line is a value of the one column."""

    def __init__(self, target: Schema) -> None:
        self._target = target

    def decode(self, data: bytes, first_line: int, *, is_last: bool) -> Block:
        """All complete lines."""
        taken = len(data) if is_last else data.rfind(b"\n") + 1
        raws = data[:taken].split(b"\n")
        if not raws[-1]:
            raws.pop()
        texts: list[str] = []
        numbers: list[int] = []
        bad: list[BadRow] = []
        for line, raw in enumerate(raws, first_line):
            try:
                texts.append(raw.removesuffix(b"\r").decode())
                numbers.append(line)
            except UnicodeDecodeError:
                bad.append(bad_record(line, "the text is not UTF-8", raw))
        frame = pl.DataFrame(dict.fromkeys(self._target.names, texts), schema=self._target.polars)
        return Block(frame, np.array(numbers, dtype=np.int64), tuple(bad), taken)


def _decoder(source: SocketSource, target: Schema) -> TextDecoder:
    if source.format == "json":
        return JsonTextDecoder(target)
    if source.format == "csv":
        return CsvTextDecoder(source.schema.names, target, source.csv)
    return RawDecoder(target)


def _source(values: Values, schema: Schema | None) -> SocketSource:
    columns = needed_columns(schema, "socket", values)
    is_text = [f.type for f in columns] == [STRING]
    form = values["format"] or ("raw" if is_text else "csv")
    check_format(form, values.given, lambda _: values.where)
    if form == "raw" and not is_text:
        raise ConfigError(
            "the format 'raw' needs exactly one column of type STRING",
            code="source-format-type",
            where=values.where,
            found=str(columns),
            choices=["csv", "json"],
        )
    if form == "csv":
        check_types(columns, where="socket")
    options = csv_text(values)
    return SocketSource(values["hostname"], values["port"], columns, form, values["byte-delimiter"], options)


SOCKET = Connector(
    "socket",
    (
        Option("hostname", str, None, "the host to connect to", is_required=True),
        Option("port", whole(1, 65_535), None, "the port to connect to", is_required=True),
        Option("byte-delimiter", whole(0, 255), 10, "the byte between rows"),
        choice("format", ("raw", "csv", "json"), None, "what a row is written in; raw: one column of text"),
        *CSV_OPTIONS,
        Option("json.ignore-parse-errors", flag, False, "whether rows that cannot be read are kept apart"),
    ),
    source=_source,
)
