"""Keep a snapshot in a local directory, and read it back.

One Arrow IPC file per state, named by the hash of its bytes, and a manifest that is written last and
renamed into place: a directory without a manifest is no snapshot. Every file's hash and row count are in the
manifest and are checked before a row is used.

Not here: increments, retention and fencing; what is in a snapshot (snapshot.py).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import polars as pl

from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.errors import CheckpointError

VERSION = 1
MANIFEST = "manifest.json"


def save(snapshot: JobSnapshot, directory: str | Path) -> Path:
    """Write a snapshot into a directory of its own, made anew; returns the directory.

    Raises:
        CheckpointError: `checkpoint-exists` if there is a snapshot already.
    """
    target = Path(directory)
    if (target / MANIFEST).exists():
        raise CheckpointError(
            f"{target} holds a snapshot already", code="checkpoint-exists", hint="choose a new directory"
        )
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    states = [_save_state(target, key, frame) for key, frame in sorted(snapshot.keyed.items())]
    splits = [
        {"stage": stage, "split": split, "data": data} for (stage, split), data in snapshot.splits.items()
    ]
    manifest = {"version": VERSION, "number": snapshot.number, "states": states, "splits": splits}
    _write(target / MANIFEST, json.dumps(manifest, indent=1).encode())
    return target


def _save_state(target: Path, key: tuple[str, str, str], frame: pl.DataFrame) -> dict[str, Any]:
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compression="zstd")
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    _write(target / f"{digest}.arrow", data)
    stage, operator, state = key
    return {"stage": stage, "operator": operator, "state": state, "sha256": digest, "rows": frame.height}


def _write(path: Path, data: bytes) -> None:
    """A file that is there as a whole or not at all, also after a power cut."""
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load(directory: str | Path) -> JobSnapshot:
    """Read a snapshot, and check all of it first.

    Raises:
        CheckpointError: `checkpoint-missing`, `checkpoint-version` or `checkpoint-damaged`, naming the file.
    """
    source = Path(directory)
    manifest = _manifest(source)
    keyed = {(s["stage"], s["operator"], s["state"]): _load_state(source, s) for s in manifest["states"]}
    splits = {(s["stage"], s["split"]): s["data"] for s in manifest["splits"]}
    return JobSnapshot(int(manifest["number"]), keyed, splits)


def _manifest(source: Path) -> dict[str, Any]:
    path = source / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{source} holds no complete snapshot", code="checkpoint-missing", expected=str(path)
        ) from error
    except ValueError as error:
        raise _damaged(path, "it is not JSON") from error
    if manifest.get("version") != VERSION:
        raise CheckpointError(
            f"{source} was written in another format",
            code="checkpoint-version",
            expected=f"version {VERSION}",
            found=f"version {manifest.get('version')}",
        )
    return manifest


def _load_state(source: Path, entry: dict[str, Any]) -> pl.DataFrame:
    path = source / f"{entry['sha256']}.arrow"
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise _damaged(path, "it is missing") from error
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise _damaged(path, "its bytes have another hash than the manifest says")
    frame = pl.read_ipc(io.BytesIO(data))
    if frame.height != entry["rows"]:
        raise _damaged(path, f"it has {frame.height} rows instead of {entry['rows']}")
    return frame


def _damaged(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"the snapshot file {path} is damaged: {why}", code="checkpoint-damaged", where=str(path)
    )
