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
_NUMPY: dict[str, Any] = {"int64": np.int64, "float64": np.float64, "bool": np.bool_, "bytes": np.int64}


class Accumulators:
    """Columns with initial values for a known number of groups; see `thalweg.protocols.state.Columns`.

    Example:
        >>> Accumulators({"n": ColumnSpec("int64")}, 3).column("n").tolist()
        [0, 0, 0]
    """

    def __init__(self, columns: Mapping[str, ColumnSpec], groups: int) -> None:
        self._dictionaries: dict[str, Dictionary] = {}
        self._arrays = {name: self._filled(name, spec, groups) for name, spec in columns.items()}

    def column(self, name: str) -> Array:
        """The array of a column."""
        return self._arrays[name]

    def dictionary(self, name: str) -> Dictionary:
        """The dictionary of a `bytes` column."""
        return self._dictionaries[name]

    @property
    def arrays(self) -> Mapping[str, Array]:
        """Every column."""
        return self._arrays

    def _filled(self, name: str, spec: ColumnSpec, groups: int) -> Array:
        if spec.kind == "bytes":
            from thalweg.columnar.dictionary import NULL_CODE, Dictionary

            assert spec.initial is None, "accumulators of one call begin with NULL"
            self._dictionaries[name] = Dictionary()
            return np.full(groups, NULL_CODE, np.int64)
        if not spec.initial:
            return np.zeros(groups, _NUMPY[spec.kind])
        return np.full(groups, spec.initial, _NUMPY[spec.kind])
