"""Hold accumulators that live within one call of an operator: one place per group, no keys.

Not here: state that outlives a call (protocols/state.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from thalweg.columnar.cells import Cells, addresses_of
from thalweg.columnar.dictionary import NULL_CODE, Dictionary
from thalweg.protocols.state import ColumnSpec

Array = np.ndarray[Any, Any]


class Accumulators:
    """Columns with initial values for a known number of groups; see `thalweg.protocols.state.Columns`.

    Attributes:
        whole: the columns, below as many rows of words as the caller wants for something else.
        arrays: every column by name.

    Example:
        >>> Accumulators(cells_of({"n": ColumnSpec("int64")}), 3).column("n").tolist()
        [0, 0, 0]
    """

    def __init__(self, layout: Cells, groups: int, *, above: int = 0, coded: Iterable[str] = ()) -> None:
        """`coded`: the columns that hold codes of a dictionary."""
        self.whole = layout.new(groups, above=above)
        cells = self.whole[above:] if above else self.whole
        self.arrays: Mapping[str, Array] = layout.named(cells)
        self._dictionaries = {name: Dictionary() for name in coded}

    def column(self, name: str) -> Array:
        """The array of a column."""
        return self.arrays[name]

    @property
    def addresses(self) -> Array:
        """Where each column begins in memory."""
        return addresses_of(self.whole[-len(self.arrays) :])

    def dictionary(self, name: str) -> Dictionary:
        """The dictionary of a `bytes` column."""
        return self._dictionaries[name]


def cells_of(columns: Mapping[str, ColumnSpec]) -> Cells:
    """How the columns of accumulators lie; those of codes begin with NULL."""
    return Cells({name: (spec.kind, _initial(spec)) for name, spec in columns.items()})


def _initial(spec: ColumnSpec) -> int | float | bool:
    if spec.kind == "bytes":
        assert spec.initial is None, "accumulators of one call begin with NULL"
        return NULL_CODE
    assert isinstance(spec.initial, (int, float)), "only a bytes column begins with bytes or NULL"
    return spec.initial
