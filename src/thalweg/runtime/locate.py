"""Find the source row that made a chain of row-wise steps fail.

Steps compute whole batches, and a filter before the failing step hides which row of the source it
was. On failure, and only then, the batch is halved until one row is left that fails alone.
"""

from __future__ import annotations

from thalweg.columnar.batch import Batch
from thalweg.errors import DataError
from thalweg.runtime.chain import Chain


def locate(error: DataError, chain: Chain, batch: Batch, *, split: str, first: int) -> DataError:
    """The same error with the split and offset of the first row that fails."""
    if error.split is not None:
        return error
    low, high = 0, len(batch)
    while high - low > 1:
        middle = (low + high) // 2
        if _fails(chain, batch, low, middle):
            high = middle
        else:
            low = middle
    row = batch.frame.slice(low, 1)
    error.split, error.offset = split, first + low
    error.sample = str(row.row(0, named=True))[:200]
    place = f"{split}, row {first + low}"
    error.where = place if error.where is None else f"{error.where}; {place}"
    error.found = error.sample
    return error


def _fails(chain: Chain, batch: Batch, low: int, high: int) -> bool:
    weight = None if batch.weight is None else batch.weight.slice(low, high - low)
    try:
        for _ in chain.on_batch(0, Batch(batch.frame.slice(low, high - low), weight)):
            pass
    except DataError:
        return True
    return False
