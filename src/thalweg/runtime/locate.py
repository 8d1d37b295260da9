"""Find the source row that made a chain of row-wise steps fail.

Steps compute whole batches, and a filter before the failing step hides which row of the source it
was. On failure, and only then, the batch is halved until one row is left that fails alone.
"""

from __future__ import annotations

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.columnar.batch import Batch
from thalweg.errors import DataError, Span
from thalweg.protocols.source import Chunk
from thalweg.runtime.chain import Chain


def locate(
    error: DataError, chain: Chain, batch: Batch, *, place: tuple[str, str], chunk: Chunk
) -> DataError:
    """The error of the first row that fails, with its split and offset.

    Args:
        error: what the whole batch gave.
        chain: the steps.
        batch: the rows that they got.
        place: the id of the split, and what messages call it.
        chunk: the rows as they were read.
    """
    if error.split is not None:
        return error
    low, high = 0, len(batch)
    while high - low > 1:
        middle = (low + high) // 2
        if _failure(chain, batch, low, middle) is not None:
            high = middle
        else:
            low = middle
    # another row may have failed first in the whole batch, at an earlier step
    error = _failure(chain, batch, low, high) or error
    row = batch.frame.slice(low, 1).row(0, named=True)
    shown = {n: v for n, v in row.items() if not n.startswith(SYSTEM_PREFIX)}
    error.split, name = place
    error.offset = chunk.offset + low if chunk.offsets is None else chunk.offsets[low]
    error.sample = str(shown)[:200]
    error.found = error.found or (error.sample if shown else None)
    error.where = _place(error, f"{name}, {chunk.unit}")
    return error


def _place(error: DataError, unit: str) -> str:
    """The row, and the place in the program if that is known."""
    row = f"{unit} {error.offset}"
    written = error.where.render() if isinstance(error.where, Span) else error.where
    return row if written is None else f"{row}\n{written}"


def _failure(chain: Chain, batch: Batch, low: int, high: int) -> DataError | None:
    """The error that a part of the batch gives, if it gives one."""
    weight = None if batch.weight is None else batch.weight.slice(low, high - low)
    try:
        for _ in chain.on_batch(0, Batch(batch.frame.slice(low, high - low), weight)):
            pass
    except DataError as error:
        return error
    return None
