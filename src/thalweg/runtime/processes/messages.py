"""Turn what tasks take and give into a few plain values and a frame, and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.batch import WEIGHT, Batch
from thalweg.columnar.eager import beside, without
from thalweg.protocols.messages import Watermark
from thalweg.protocols.operator import Output, Pause, Side
from thalweg.runtime.chain import Counts

_PART = "__part"


def from_batch(batch: Batch) -> tuple[list[Any], pl.DataFrame]:
    """A batch as plain values and a frame: what kind of rows, and how many of its columns are added ones.

    Example:
        >>> batch = Batch(pl.DataFrame({"a": [1, 2]}), pl.Series("__weight", [1, -1]))
        >>> to_batch(*from_batch(batch)).weights().to_list()
        [1, -1]
    """
    if batch.parts is not None:
        parts = [pl.Series(f"{_PART}{i}", cells) for i, cells in enumerate(batch.parts)]
        frame = pl.DataFrame(parts) if not batch.frame.width else beside(batch.frame, parts)
        return ["parts", len(parts)], frame
    if batch.weight is not None:
        return ["weighted", 1], beside(batch.frame, [batch.weight.alias(WEIGHT)])
    return ["rows", 0], batch.frame


def to_batch(head: Sequence[Any], frame: pl.DataFrame) -> Batch:
    """The inverse of `from_batch`."""
    kind, added = head
    if kind == "rows":
        return Batch(frame)
    if kind == "weighted":
        return Batch(without(frame, WEIGHT), frame.get_column(WEIGHT))
    names = frame.columns[frame.width - added :]
    cells = [frame.get_column(n).to_numpy() for n in names]
    # rows that were added up may have no other columns: then the cells alone say how many they are
    rows = without(frame, *names) if frame.width > added else pl.DataFrame()
    return Batch(rows, parts=np.array(cells, np.int64).reshape(added, frame.height))


def from_output(out: Output) -> tuple[list[Any], pl.DataFrame]:
    """What a chain emits, likewise."""
    if isinstance(out, Watermark):
        return [out.time], pl.DataFrame()
    assert not isinstance(out, Pause), "steps that wait for answers stay where they are asked for"
    if isinstance(out, Side):
        head, frame = from_batch(out.batch)
        return [head, out.port, out.pairs, out.rows], frame
    head, frame = from_batch(out)
    return [head], frame


def to_output(head: Sequence[Any], frame: pl.DataFrame) -> Output:
    """The inverse of `from_output`."""
    if isinstance(head[0], int):
        return Watermark(head[0])
    batch = to_batch(head[0], frame)
    return Side(head[1], batch, head[2], head[3]) if len(head) > 1 else batch


def counts_as_data(counts: Iterable[Counts]) -> list[list[Any]]:
    """What was counted, operator by operator."""
    return [[*(v for n, v in vars(c).items() if n != "aside"), dict(c.aside)] for c in counts]


def counts_from_data(counts: Iterable[Counts], data: Sequence[Sequence[Any]]) -> None:
    """The same, put where it is looked at."""
    for each, (*numbers, aside) in zip(counts, data, strict=True):
        names = [n for n in vars(each) if n != "aside"]
        for name, value in zip(names, numbers, strict=True):
            setattr(each, name, value)
        each.aside = Counter(aside)
