"""Read the state of keys for a keyed function, and write it back.

Not here: how the state is kept (state/).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from thalweg.base.codecs import KEPT_NONE
from thalweg.errors import DataError
from thalweg.protocols.process import FunctionState, KeyedFunction
from thalweg.protocols.state import BriefColumns

Array = np.ndarray[Any, Any]
_SHOWN_MAX = 200
_ALLOWED: dict[str, tuple[tuple[type, ...], str]] = {
    "int64": ((int, np.integer), "an int of 64 bits"),
    "float64": ((int, float, np.number), "a float"),
    "bool": ((bool, np.bool_), "True or False"),
}

_PYTHON: dict[str, Callable[[Any], Any]] = {"int64": int, "float64": float, "bool": bool}


def read_values(state: FunctionState, kept: BriefColumns, slots: Array) -> Array:
    """The values of a state by key; a key that has none gets what a key begins with."""
    found: Array = kept.column(state.name).take(slots)
    if state.fresh is not None:
        for place, value in enumerate(found.tolist()):
            if value is None:
                found[place] = state.fresh()
            elif value is KEPT_NONE:
                found[place] = None
    return found


def write_values(
    function: KeyedFunction,
    state: FunctionState,
    values: Sequence[Any] | Array,
    kept: BriefColumns,
    slots: Array,
) -> None:
    """Keep the values of a state by key.

    Raises:
        DataError: `data-python-state`.
    """
    column = kept.column(state.name)
    if state.fresh is not None:
        # an array of lists would have two dimensions
        held = np.empty(len(slots), np.object_)
        held[:] = [KEPT_NONE if value is None else value for value in values]
        column[slots] = held
        return
    column[slots] = _fitting(function, state, values, column.dtype, lambda: kept.keys(slots))


def check_value(function: KeyedFunction, state: FunctionState, value: Any, kept: BriefColumns) -> None:
    """Refuse a value that the state of one key cannot hold.

    Raises:
        DataError: `data-python-state`.
    """
    if state.fresh is None:
        _fitting(function, state, [value], kept.column(state.name).dtype)
        return
    codec = state.column.codec
    assert codec is not None, "objects have one"
    try:
        codec.checked(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise _unheld(function, state, value, codec.name, f": {error}") from error


def kept_value(function: KeyedFunction, state: FunctionState, value: Any) -> Any:
    """A value as it comes back from a checkpoint: what is kept within the state of another function.

    Raises:
        DataError: `data-python-state`.
    """
    codec = state.column.codec
    if codec is None:
        kinds, expected = _ALLOWED[state.column.kind]
        is_of_type = isinstance(value, kinds)
        if is_of_type and not (state.column.kind == "int64" and abs(value) >= 1 << 63):
            return _PYTHON[state.column.kind](value)
        raise _unheld(function, state, value, expected)
    try:
        return codec.decode(codec.encode(value))
    except (TypeError, ValueError, OverflowError) as error:
        raise _unheld(function, state, value, codec.name, f": {error}") from error


def _unheld(
    function: KeyedFunction, state: FunctionState, value: Any, expected: str, why: str = ""
) -> DataError:
    return DataError(
        f'the state "{state.name}" of {function.name} was given a value that it cannot hold{why}',
        code="data-python-state",
        where=function.place,
        expected=expected,
        found=f"{value!r} of Python type {type(value).__name__}"[:_SHOWN_MAX],
    )


def _fitting(
    function: KeyedFunction,
    state: FunctionState,
    values: Sequence[Any] | Array,
    dtype: Any,
    keys: Callable[[], pl.DataFrame] | None = None,
) -> Array:
    count = len(values)
    try:
        held = np.asarray(values)
        rule = "safe" if dtype == np.bool_ else "same_kind"
        is_right = held.shape == (count,) and np.can_cast(held.dtype, dtype, rule)  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        is_right = False
    if not is_right:
        raise _misfit(function, state, values, keys)
    return held


def _misfit(
    function: KeyedFunction,
    state: FunctionState,
    values: Sequence[Any] | Array,
    keys: Callable[[], pl.DataFrame] | None,
) -> DataError:
    kinds, expected = _ALLOWED[state.column.kind]
    is_bad = (not isinstance(v, kinds) or abs(v) >= 1 << 63 for v in values)  # type: ignore[arg-type]
    place = next((place for place, wrong in enumerate(is_bad) if wrong), 0)
    found = f"{values[place]!r} of Python type {type(values[place]).__name__}"[:_SHOWN_MAX]
    if keys is not None:
        found += f", key {keys().row(place)}"[:_SHOWN_MAX]
    return DataError(
        f'the state "{state.name}" of {function.name} was given a value that it cannot hold',
        code="data-python-state",
        where=function.place,
        expected=expected,
        found=found,
    )


def idle_slots(states: Sequence[FunctionState], kept: BriefColumns, slots: Array) -> Array:
    """The slots of keys whose state is what a key begins with."""
    is_idle = np.ones(len(slots), np.bool_)
    for state in states:
        values = kept.column(state.name).take(slots)
        if state.fresh is None:
            is_idle &= values == state.column.initial
        else:
            is_idle &= np.fromiter((_is_begin(state, v) for v in values), np.bool_, len(values))
    return slots[is_idle]


def _is_begin(state: FunctionState, value: Any) -> bool:
    """Whether a value is what a key begins with: False is not 0, and 1.0 is not 1.00."""
    if value is None:
        return True
    held, begin, codec = None if value is KEPT_NONE else value, state.begin(), state.column.codec
    assert codec is not None, "objects have one"
    return bool(held == begin) and type(held) is type(begin) and codec.encode(held) == codec.encode(begin)
