"""Make keyed functions of plain functions of Python: of a row, and of a dataclass that is the state.

Not here: classes with state (process_functions.py).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, TypeGuard, get_type_hints

from thalweg.api.process_functions import ProcessFunction
from thalweg.errors import PlanError

# Any: what a function takes and gives is its own business
RowCall = Callable[..., Any]


def is_plain(function: object) -> TypeGuard[RowCall]:
    """Whether something is a function, and no object of a class with state."""
    return inspect.isroutine(function)


def as_object(function: RowCall, on_timer: RowCall | None = None) -> ProcessFunction:
    """A keyed function that calls plain ones.

    Args:
        function: takes a row; or a row and its state, annotated with a dataclass; or also the turn, a
            `ProcessFunction`, which has the time, the key, and the timers.
        on_timer: takes the state; or also the turn.

    Raises:
        PlanError: `plan-process-function`.
    """
    state = _state_of(function, 1) or (None if on_timer is None else _state_of(on_timer, 0))
    members: dict[str, Any] = {"__module__": function.__module__, "__annotations__": {}}
    for field in [] if state is None else fields(state):
        members["__annotations__"][field.name] = get_type_hints(state)[field.name]
        members.update(_begin(field))
    count = _arity(function, 1, 3)
    members["on_event"] = lambda me, row: function(*(row, me, me)[:count])
    if on_timer is not None:
        timed, called = _arity(on_timer, 1, 2), on_timer
        members["on_timer"] = lambda me: called(*(me, me)[:timed])
    # so that the methods of the dataclass are there; its fields are set for each key
    members["__init__"] = lambda me: None
    kind = type(function.__name__, (ProcessFunction, *(() if state is None else (state,))), members)
    found: ProcessFunction = kind()
    return found


def _begin(field: Field[Any]) -> dict[str, Any]:
    """What a key begins with, if the dataclass says it."""
    if field.default is not MISSING:
        return {field.name: field.default}
    return {} if field.default_factory is MISSING else {field.name: field.default_factory()}


def _arity(function: RowCall, least: int, most: int) -> int:
    count = len(inspect.signature(function).parameters)
    if least <= count <= most:
        return count
    expected = "a row, its state, the turn" if most == 3 else "its state, the turn"
    raise _wrong(function, f"{count} parameters", f"{least} to {most}: {expected}")


def _state_of(function: RowCall, place: int) -> Any:
    """The dataclass that a parameter is annotated with; None if the function has no such parameter."""
    names = list(inspect.signature(function).parameters)
    if len(names) <= place:
        return None
    found = get_type_hints(function).get(names[place])
    # after `is_dataclass` it would be no class any more to a checker of types
    hint: Any = found
    if found is None or not is_dataclass(found):
        raise _wrong(function, f"{names[place]}: {hint}", f"{names[place]}, annotated with a dataclass")
    if hint.__dataclass_params__.frozen or "__slots__" in vars(hint):
        raise _wrong(
            function, f"{hint.__name__}, which is frozen or has slots", "a dataclass that can be changed"
        )
    return hint


def _wrong(function: RowCall, found: str, expected: str) -> PlanError:
    return PlanError(
        f"{function.__name__} does not take what a keyed function is given",
        code="plan-process-function",
        expected=expected,
        found=found,
    )
