"""Rows of state as the bytes of a data file, and back.

Arrow IPC, compressed; the file's name is the hash of its bytes, and both hash and rows are checked before a
row is used.

Not here: which files belong together (manifest.py).
"""

from __future__ import annotations

import hashlib
import io

import polars as pl

from thalweg.checkpoint.manifest import StateFile, damaged


def encoded(key: tuple[str, str, str], frame: pl.DataFrame) -> tuple[StateFile, bytes]:
    """The file of a state's rows.

    Args:
        key: stage, operator and name of the state.
        frame: its rows.
    """
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compression="lz4")
    data = buffer.getvalue()
    stage, operator, state = key
    return StateFile(stage, operator, state, hashlib.sha256(data).hexdigest(), len(data), frame.height), data


def decoded(entry: StateFile, data: bytes, where: str) -> pl.DataFrame:
    """The rows of a data file.

    Raises:
        CheckpointError: `checkpoint-damaged`, naming the file.
    """
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise damaged(where, "its bytes have another hash than the manifest says")
    frame = pl.read_ipc(io.BytesIO(data))
    if frame.height != entry.rows:
        raise damaged(where, f"it has {frame.height} rows instead of {entry.rows}")
    return frame
