"""Put the rows of dead letters back into a directory that a job reads, each of them once.

What a crash leaves behind is completed by the next replay. In this order: the bytes of the new file are put
beside the letters; a mark names the letters that it holds, and from then on they are never put back again;
the file appears in the directory; the bytes beside the letters go.

Reads, changes:  both directories.
Not here: which letters there are (dead_letters.py).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from thalweg.base.schema import Schema
from thalweg.checkpoint.places import absolute, store_at
from thalweg.checkpoint.store import Store
from thalweg.columnar.json import JsonDecoder
from thalweg.connectors.files.format import EXTENSIONS, format_of_files
from thalweg.connectors.files.listing import listing
from thalweg.connectors.files.paths import find_files, local_path
from thalweg.connectors.files.source import file_source
from thalweg.errors import ConfigError, ConnectorError, DataError, StoreError, did_you_mean
from thalweg.protocols.letters import LATE

MARKS = "_replayed"
_DATA = ".data"
_BINARY = ("parquet", "arrow")
_ENDINGS = {"parquet": ".parquet", "arrow": ".arrow", "csv": ".csv", "json": ".jsonl"}
Row = dict[str, Any]


@dataclass(frozen=True)
class Replayed:
    """What became of the rows of dead letters.

    Attributes:
        file: the file that rows were put into; None if there were none.
        rows: how many.
        late: how many of them had come too late for a step: only what is still open takes them.
        left_out: how many were not put back, by reason.
    """

    file: str | None = None
    rows: int = 0
    late: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)

    def in_words(self) -> str:
        """What became of them, a line for each thing to know."""
        rows = f"{self.rows} row{'' if self.rows == 1 else 's'}"
        lines = [f"{rows} put back" + (f" in {self.file}" if self.file else "")]
        if self.late:
            lines.append(
                f"{self.late} of them came too late: windows that have closed take them only within the "
                "allowed lateness, and count them as late otherwise; a batch over the files takes all"
            )
        lines += [f"{count} left out: {why}" for why, count in self.left_out.items()]
        return "\n".join(lines)


@dataclass(frozen=True)
class Mark:
    """Which letters a file holds."""

    name: str
    target: str
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Edits:
    """Texts in the place of those of letters, by id."""

    texts: Mapping[str, bytes]
    path: str

    @classmethod
    def read(cls, path: str) -> Edits:
        """The texts of a file of JSON lines.

        Raises:
            ConfigError: `letters-edit`, with the line.
        """
        texts: dict[str, bytes] = {}
        try:
            with open(path, encoding="utf-8") as file:
                lines = file.read().split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                "the file of repaired rows cannot be read", code="letters-edit", where=path, found=str(error)
            ) from error
        for number, line in enumerate(lines, 1):
            if line.strip():
                name, text = _edit(line, f"{path}, line {number}")
                texts[name] = text
        return cls(texts, path)

    def check(self, known: Sequence[str]) -> None:
        """Raise if a letter is named that is not there."""
        for name in self.texts:
            if name not in known:
                raise ConfigError(
                    f'there is no dead letter "{name}"',
                    code="letters-edit",
                    where=self.path,
                    hint=did_you_mean(name, known),
                )


def _edit(line: str, where: str) -> tuple[str, bytes]:
    try:
        held = json.loads(line)
    except ValueError:
        held = None
    fits = isinstance(held, dict) and isinstance(held.get("id"), str) and isinstance(held.get("text"), str)
    if not fits:
        raise ConfigError(
            "a line is no repaired row",
            code="letters-edit",
            where=where,
            expected='{"id": "…", "text": "…"}, as "thalweg dlq show DIRECTORY --json" prints them',
            found=line[:200],
        )
    return held["id"], held["text"].encode()


def marks_of(store: Store) -> list[Mark]:
    """What was put back before."""
    names = [n for n in store.names(MARKS) if not n.endswith(_DATA)]
    read = [(n, json.loads(store.get(f"{MARKS}/{n}"))) for n in names]
    return [Mark(n, held["target"], tuple(held["ids"])) for n, held in read]


class Replaying:
    """Puts rows of letters into one directory.

    Args:
        letters: the directory of the letters.
        target: the directory that a job reads.
    """

    def __init__(self, letters: Store, target: str) -> None:
        self._letters, self._target = letters, target

    def complete(self) -> None:
        """Bring to its end what was broken off."""
        self._letters.tidy(MARKS)
        known = {mark.name: mark for mark in marks_of(self._letters)}
        for name in self._letters.names(MARKS):
            if name.endswith(_DATA):
                mark = known.get(name.removesuffix(_DATA))
                if mark is not None:
                    self._show(mark.target, self._letters.get(f"{MARKS}/{name}"))
                self._letters.delete(f"{MARKS}/{name}")

    def put(self, letters: pl.DataFrame, edits: Edits | None, *, late: bool) -> Replayed:
        """Put rows back that were not put back before."""
        if not listing(local_path(self._target)).is_directory(local_path(self._target)):
            find_files(self._target)
            raise ConfigError(
                f'"{self._target}" is no directory, so that no file can be added to it',
                code="letters-target",
                hint="name the directory that the job reads",
            )
        rows = [r | {"raw": r["raw"] or b""} for r in letters.to_dicts()]
        if edits is not None:
            edits.check([r["id"] for r in rows])
            texts = edits.texts
            rows = [r | {"raw": texts[r["id"]], "is_edited": True} for r in rows if r["id"] in texts]
        form = self._format(rows)
        chosen, left_out = _chosen(rows, form, late=late)
        if not chosen:
            return Replayed(left_out=left_out)
        data = self._encoded(form, chosen)
        ids = [r["id"] for r in chosen]
        digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:12]
        path = os.path.join(absolute(self._target), f"replayed-{digest}{_ENDINGS[form]}")
        self._put(Mark(f"replayed-{digest}", path, tuple(ids)), data)
        # the rows that a step missed in several windows are one row
        count = len({_place(r) for r in chosen})
        return Replayed(path, count, len({_place(r) for r in chosen if r["reason"] == LATE}), left_out)

    def _put(self, mark: Mark, data: bytes) -> None:
        held = {"target": mark.target, "ids": mark.ids, "at": datetime.now(UTC).isoformat()}
        self._letters.put(f"{MARKS}/{mark.name}{_DATA}", data)
        self._letters.put(f"{MARKS}/{mark.name}", json.dumps(held).encode())
        self._show(mark.target, data)
        self._letters.delete(f"{MARKS}/{mark.name}{_DATA}")

    def _show(self, path: str, data: bytes) -> None:
        directory, name = os.path.split(path)
        try:
            store_at(directory).put(name, data)
        except StoreError as error:
            raise ConnectorError(
                "rows cannot be put back",
                code="letters-target",
                where=path,
                found=error.found,
                hint="nothing is lost: the next replay goes on here",
            ) from error

    def _format(self, rows: Sequence[Row]) -> str:
        """The format of the files that are there; of an empty directory, that of the files rows came from."""
        found = find_files(self._target, may_be_empty=True).files
        if found:
            return format_of_files(found)
        splits = {r["split"] for r in rows if any(str(r["split"]).endswith(e) for e in EXTENSIONS)}
        return format_of_files(sorted(splits)) if splits else "json"

    def _encoded(self, form: str, rows: Sequence[Row]) -> bytes:
        first = {_place(r): r for r in reversed(rows)}
        whole = [r for r in rows if first[_place(r)] is r]
        if form in _BINARY:
            return self._binary(form, whole)
        lines = [r["raw"].rstrip(b"\r\n") for r in whole]
        headers = sorted({r["header"] for r in whole if r["header"]})
        if len(headers) > 1:
            raise ConfigError(
                "the rows come from files with different headers, and one file can have only one",
                code="letters-header",
                found="; ".join(h.decode(errors="replace") for h in headers),
                hint="--edit FILE puts only the rows of the file back, and so those of one header at a time",
            )
        return b"\n".join([*headers, *lines]) + b"\n"

    def _binary(self, form: str, rows: Sequence[Row]) -> bytes:
        """Rows that were put down as JSON, as a file like those that are there."""
        files = find_files(self._target, may_be_empty=True).files
        if not files:
            raise ConfigError(
                "there is no file whose columns the rows could be given",
                code="letters-target",
                where=self._target,
                hint="put them back into the directory that they came from",
            )
        schema: Schema = file_source(files[0]).schema
        decoded = JsonDecoder(dict(schema.polars)).decode(b"\n".join(r["raw"] for r in rows))
        if decoded.bad:
            bad = decoded.bad[0]
            raise DataError(
                f"a row does not fit the files that are there: {bad.message}",
                code="letters-row",
                where=f"letter {rows[bad.line - 1]['id']}",
                expected=str(schema),
                found=bad.sample,
            )
        held = io.BytesIO()
        if form == "parquet":
            decoded.frame.write_parquet(held)
        else:
            decoded.frame.write_ipc(held)
        return held.getvalue()


def _place(row: Row) -> tuple[object, ...]:
    return row["source"], row["split"], row["position"]


def _chosen(rows: Sequence[Row], form: str, *, late: bool) -> tuple[list[Row], dict[str, int]]:
    """The rows to put back, and how many are not, by reason."""
    chosen: list[Row] = []
    left_out: Counter[str] = Counter()
    for row in rows:
        why = _refused(row, form, late=late)
        if why is None:
            chosen.append(row)
        else:
            left_out[why] += 1
    return chosen, dict(left_out)


def _refused(row: Row, form: str, *, late: bool) -> str | None:
    """Why a row is not put back."""
    is_edited = bool(row.get("is_edited"))
    if row["replayed_to"] is not None:
        return "put back before"
    if row["reason"] == LATE and not late:
        return "came too late, and would again where windows have closed (--late)"
    if not row["is_whole"] and not is_edited:
        return "only the beginning of the row is known (--edit)"
    if row["form"] == "row" and form == "csv" and not is_edited:
        return "only the values of the row are known, and not its text (--edit)"
    if form == "json" and b"\n" in row["raw"].rstrip(b"\r\n"):
        return "more than one line, which no JSON line can be"
    if form in _BINARY and row["form"] == "bytes" and row["header"]:
        return "a CSV record, which is no row of the files that are there"
    return None


__all__ = ["MARKS", "Edits", "Mark", "Replayed", "Replaying", "marks_of"]
