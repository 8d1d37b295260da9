"""Hold accumulators that live within one call of an operator: one place per group, no keys.

Not here: state that outlives a call (protocols/state.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.protocols.state import ColumnSpec

if TYPE_CHECKING:
    # The dictionary's module loads the compiler.
    from thalweg.columnar.dictionary import Dictionary

Array = np.ndarray[Any, Any]


class Accumulators:
    """Columns with initial values for a known number of groups; see `thalweg.protocols.state.Columns`.

    Example:
        >>> Accumulators({"n": ColumnSpec("int64")}, 3).column("n").tolist()
        [0, 0, 0]
    """

    def __init__(self, columns: Mapping[str, ColumnSpec], groups: int) -> None:
        from thalweg.columnar.cells import columns_of, new_cells

        self._dictionaries: dict[str, Dictionary] = {}
        initials = [self._initial(name, spec) for name, spec in columns.items()]
        self.cells: Array = new_cells(initials, groups)
        self.arrays: Mapping[str, Array] = columns_of(self.cells, {n: c.kind for n, c in columns.items()})
        """Every column."""

    def column(self, name: str) -> Array:
        """The array of a column."""
        return self.arrays[name]

    def dictionary(self, name: str) -> Dictionary:
        """The dictionary of a `bytes` column."""
        return self._dictionaries[name]

    def _initial(self, name: str, spec: ColumnSpec) -> int | float | bool:
        if spec.kind != "bytes":
            assert isinstance(spec.initial, (int, float)), "only a bytes column begins with bytes or NULL"
            return float(spec.initial) if spec.kind == "float64" else spec.initial
        from thalweg.columnar.dictionary import NULL_CODE, Dictionary

        assert spec.initial is None, "accumulators of one call begin with NULL"
        self._dictionaries[name] = Dictionary()
        return NULL_CODE
