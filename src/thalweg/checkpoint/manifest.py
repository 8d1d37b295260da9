"""What one checkpoint consists of, as one small file that is written last.

The first line names the format and the SHA-256 of everything behind it, so that no byte can change unseen;
the rest is JSON. Data files are named by the hash of their bytes, which the manifest repeats.

Not here: where manifests are (history.py), what is in the data files (encoding.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from thalweg.errors import CheckpointError
from thalweg.protocols.increments import Identity

VERSION = 2
_MAGIC = "thalweg-checkpoint"


@dataclass(frozen=True)
class DataFile:
    """A file of rows: its hash, which is its name, its size, how many rows, and which partitions they are of.

    Attributes:
        partitions: the first and the last that it may have rows of; None: any.
    """

    sha256: str
    bytes: int
    rows: int
    partitions: tuple[int, int] | None = None


Piece = tuple[DataFile, ...]
"""The files of one increment; they have no row in common."""


@dataclass(frozen=True)
class StateEntry:
    """One state: the increments that make it.

    Attributes:
        stage, operator, state: whose it is, and its name.
        identity: what makes rows of two increments the same.
        tasks: how many tasks the stage has.
        rows: how many rows the whole state has.
        pieces: its increments, the oldest first; the first one is whole.
        migrating: columns that a changed program is to change; it is never written.
    """

    stage: str
    operator: str
    state: str
    identity: Identity
    tasks: int
    rows: int
    pieces: tuple[Piece, ...] = ()
    migrating: frozenset[str] = frozenset()

    @property
    def key(self) -> tuple[str, str, str]:
        """Stage, operator and name."""
        return self.stage, self.operator, self.state

    @property
    def bytes(self) -> int:
        """The size of its files."""
        return sum(f.bytes for piece in self.pieces for f in piece)


@dataclass(frozen=True)
class Manifest:
    """One checkpoint.

    Attributes:
        job: the name of the job.
        lineage, number: which checkpoint it is: numbers grow within a lineage.
        fence: the number of the run that wrote it.
        program: the fingerprint of the job's steps.
        engine: the version that wrote it.
        at: when, as ISO 8601 in UTC.
        has_ended: whether all input had ended; then there is no state.
        states: keyed state, each as its increments.
        splits: how far each split was read, with its stage.
        staged: by sink, what is to be committed with this checkpoint, as plain JSON.
        physical: the job that wrote it: its stages, steps, state and edges, as `job/shape.py` has them.
        origin: for a savepoint, and for the checkpoint that a lineage begins with that was opened at one: of
            which job, lineage, number and run it is, and whether all sinks have committed it.
    """

    job: str
    lineage: int
    number: int
    fence: int
    program: str
    engine: str
    at: str
    has_ended: bool = False
    states: tuple[StateEntry, ...] = ()
    splits: tuple[Mapping[str, Any], ...] = ()
    staged: Mapping[str, list[Any]] = field(default_factory=dict)
    physical: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] | None = None

    @property
    def files(self) -> Iterator[str]:
        """The names of all data files: rows of state, and rows that sinks have staged."""
        yield from (f.sha256 for s in self.states for piece in s.pieces for f in piece)
        yield from (f.sha256 for parts in self.staged.values() for p in parts if (f := staged_file(p)))

    @property
    def size(self) -> int:
        """The size of its data files, in bytes."""
        return sum(s.bytes for s in self.states)

    def encode(self) -> bytes:
        """The file's bytes."""
        held = asdict(self)
        for state in held["states"]:
            del state["migrating"]
        body = json.dumps(held, sort_keys=True, ensure_ascii=True, indent=1).encode()
        return f"{_MAGIC} {VERSION} {hashlib.sha256(body).hexdigest()}\n".encode() + body


_FRAME = "__thalweg_rows"


def as_staged(file: DataFile) -> dict[str, Any]:
    """A data file among what sinks have staged."""
    return {_FRAME: asdict(file)}


def staged_file(part: Any) -> DataFile | None:
    """The data file that something staged stands for, if it is one."""
    held = part.get(_FRAME) if isinstance(part, dict) else None
    return None if held is None else _file(held)


def _file(held: Mapping[str, Any]) -> DataFile:
    partitions = held["partitions"]
    return DataFile(**{**held, "partitions": None if partitions is None else tuple(partitions)})


def _entry(held: Mapping[str, Any]) -> StateEntry:
    named = held["identity"]
    identity = Identity(named["change"], tuple(named["columns"]), tuple(named["partition"]))
    pieces = tuple(tuple(map(_file, piece)) for piece in held["pieces"])
    return StateEntry(**{**held, "identity": identity, "pieces": pieces})


def decode(data: bytes, where: str) -> Manifest:
    """A manifest from its bytes.

    Raises:
        CheckpointError: `checkpoint-damaged` or `checkpoint-version`, naming the file.
    """
    head, newline, body = data.partition(b"\n")
    words = head.split(b" ")
    if not newline or len(words) != 3 or words[0] != _MAGIC.encode():
        raise damaged(where, "its first line is not that of a manifest")
    if hashlib.sha256(body).hexdigest().encode() != words[2]:
        raise damaged(where, "its bytes have another hash than its first line says")
    if words[1] != str(VERSION).encode():
        raise CheckpointError(
            "a checkpoint was written in another format",
            code="checkpoint-version",
            where=where,
            expected=f"format {VERSION}",
            found=f"format {words[1].decode(errors='replace')[:20]}",
            hint="the version of Thalweg that wrote it can read it; nothing was changed",
        )
    held: dict[str, Any] = json.loads(body)
    held["states"] = tuple(map(_entry, held["states"]))
    held["splits"] = tuple(held["splits"])
    return Manifest(**held)


def damaged(where: str, why: str) -> CheckpointError:
    """The error for a file of a checkpoint that is not what it was."""
    return CheckpointError(
        "a file of a checkpoint is damaged",
        code="checkpoint-damaged",
        where=where,
        found=why,
        hint="nothing was read from it or deleted; --from-checkpoint NUMBER goes on from another checkpoint",
    )
