"""Put the strings of Nexmark events together, many at a time.

Almost every string is a piece of a fixed text: a pool of random characters or a table of names. `Pieces`
says which pieces; `text_column` copies them into one Arrow string column.

Changes:  only the arrays named `out`, `views`, `view_bytes` (the same memory), `starts`, `lengths`.
Not here: random numbers (kernels.py), the fixed texts (pools.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from thalweg.columnar.arrow import Column

Array = np.ndarray[Any, Any]
_SPACE, _ZERO, _CARD_SIZE, _CARD_GROUPS = 32, 48, 19, 4
_INLINE, _VIEW_SIZE = 12, 16


@dataclass(frozen=True)
class Pieces:
    """Strings as pieces of one text: where each starts in it, and how long it is."""

    source: Array
    starts: Array
    lengths: Array

    def trimmed(self) -> Pieces:
        """The same pieces without spaces at either end."""
        starts, lengths = self.starts.copy(), self.lengths.copy()
        trim(self.source, starts, lengths)
        return Pieces(self.source, starts, lengths)


@dataclass(frozen=True)
class Table:
    """A fixed list of texts, one after the other; text i is `source[offsets[i]:offsets[i + 1]]`."""

    source: Array
    offsets: Array

    @staticmethod
    def of(texts: Sequence[str]) -> Table:
        """A table of ASCII texts."""
        sizes = np.array([0, *map(len, texts)], dtype=np.int64)
        source = np.array(bytearray("".join(texts), "ascii"), dtype=np.uint8)
        return Table(source, np.cumsum(sizes))

    def pieces(self, choice: Array) -> Pieces:
        """The chosen texts.

        Example:
            >>> Table.of(["ab", "c"]).pieces(np.array([1, 0])).lengths.tolist()
            [1, 2]
        """
        starts = self.offsets[choice]
        return Pieces(self.source, starts, self.offsets[choice + 1] - starts)


def text_column(count: int, rows: Array, pieces: Pieces, validity: Array | None) -> Column:
    """A string column of `count` rows with the pieces at `rows` and nothing elsewhere.

    The layout is Arrow's string view, which is what Polars holds: 16 bytes per row with the length and
    either the whole string or its first four bytes and where the rest is.
    """
    views = np.zeros((count, 4), dtype=np.int32)
    lengths = pieces.lengths
    out = np.empty(int(np.sum(lengths, where=lengths > _INLINE)), dtype=np.uint8)
    place(pieces.source, pieces.starts, lengths, rows, views, views.view(np.uint8), out)
    return Column("vu", count, [validity, views, out, np.array([len(out)], dtype=np.int64)])


def emails(local: Pieces, domain: Pieces) -> Pieces:
    """`local@domain.com` for each pair; both are pieces of the same text."""
    lengths = local.lengths + domain.lengths + len("@.com")
    starts = np.cumsum(lengths) - lengths
    out = np.empty(int(lengths.sum()), dtype=np.uint8)
    write_emails(local.source, local.starts, local.lengths, domain.starts, domain.lengths, out)
    return Pieces(out, starts, lengths)


def cards(groups: Array) -> Pieces:
    """Credit card numbers from an array of shape (4, n) of numbers below 10 000."""
    count = groups.shape[1]
    out = np.full(count * _CARD_SIZE, _SPACE, dtype=np.uint8)
    write_cards(groups, out)
    lengths = np.full(count, _CARD_SIZE, dtype=np.int64)
    return Pieces(out, np.arange(count, dtype=np.int64) * _CARD_SIZE, lengths)


@intrinsic
def copy_bytes(
    context: Any, target: Any, target_at: Any, source: Any, source_at: Any, size: Any
) -> tuple[Any, Any]:
    """`target[target_at:][:size] = source[source_at:][:size]`, without checks, as one memcpy.

    A loop over bytes takes ten times as long for strings of some tens of bytes.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, to_at, of, of_at, length = arguments
        to_data = context.make_array(signature.args[0])(context, builder, to).data
        of_data = context.make_array(signature.args[2])(context, builder, of).data
        cgutils.raw_memcpy(builder, builder.gep(to_data, [to_at]), builder.gep(of_data, [of_at]), length, 1)
        return context.get_dummy_value()

    return types.none(target, types.int64, source, types.int64, types.int64), generate


@njit(
    "void(uint8[::1], int64[::1], int64[::1], int64[::1], int32[:, ::1], uint8[:, ::1], uint8[::1])",
    cache=True,
    nogil=True,
)
def place(
    source: Array, starts: Array, lengths: Array, rows: Array, views: Array, view_bytes: Array, out: Array
) -> None:
    """Write the views of the pieces at `rows`, and the bytes of the long ones one after the other."""
    at, cells = 0, view_bytes.reshape(view_bytes.size)
    for k in range(len(rows)):
        j, length = rows[k], lengths[k]
        views[j, 0] = length
        if length <= _INLINE:
            copy_bytes(cells, j * _VIEW_SIZE + 4, source, starts[k], length)
        else:
            copy_bytes(cells, j * _VIEW_SIZE + 4, source, starts[k], 4)
            copy_bytes(out, at, source, starts[k], length)
            views[j, 3] = at
            at += length


@njit("void(uint8[::1], int64[::1], int64[::1])", cache=True, nogil=True)
def trim(source: Array, starts: Array, lengths: Array) -> None:
    """Leave out spaces at both ends of each piece."""
    for k in range(len(starts)):
        first, end = starts[k], starts[k] + lengths[k]
        while first < end and source[first] == _SPACE:
            first += 1
        while end > first and source[end - 1] == _SPACE:
            end -= 1
        starts[k], lengths[k] = first, end - first


@njit("void(uint8[::1], int64[::1], int64[::1], int64[::1], int64[::1], uint8[::1])", cache=True, nogil=True)
def write_emails(
    source: Array, local: Array, local_sizes: Array, domain: Array, domain_sizes: Array, out: Array
) -> None:
    """Write the addresses one after the other."""
    at = 0
    for k in range(len(local)):
        for i in range(local_sizes[k]):
            out[at + i] = source[local[k] + i]
        at += local_sizes[k]
        out[at] = ord("@")
        at += 1
        for i in range(domain_sizes[k]):
            out[at + i] = source[domain[k] + i]
        at += domain_sizes[k]
        for letter in (ord("."), ord("c"), ord("o"), ord("m")):
            out[at] = letter
            at += 1


@njit("void(int64[:, ::1], uint8[::1])", cache=True, nogil=True)
def write_cards(groups: Array, out: Array) -> None:
    """Write four digits per group, leaving the bytes between groups as they are."""
    for k in range(groups.shape[1]):
        for g in range(_CARD_GROUPS):
            rest, end = groups[g, k], k * _CARD_SIZE + g * (_CARD_GROUPS + 1) + _CARD_GROUPS
            for i in range(1, _CARD_GROUPS + 1):
                out[end - i] = _ZERO + rest % 10
                rest //= 10
