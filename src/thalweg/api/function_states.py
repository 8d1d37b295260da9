"""Turn an object of a user's class into a function that a plan holds: its state, and how it is called.

Not here: the classes (process_functions.py), the steps (process.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import Error, copy, deepcopy
from typing import Any, ClassVar, Literal, TypeAlias, get_args, get_origin, get_type_hints

from thalweg.api.place import located
from thalweg.api.process_functions import (
    MISSING,
    Broadcast,
    BroadcastColumnFunction,
    BroadcastProcessFunction,
    CoColumnFunction,
    ColumnFunction,
    CoProcessFunction,
    Declared,
    ProcessFunction,
)
from thalweg.base.codecs import KEPT_TYPES, Codec, codec_of, type_name
from thalweg.errors import PlanError
from thalweg.protocols.process import FunctionState, KeyedFunction
from thalweg.protocols.state import ColumnKind, ColumnSpec

_PLAIN: dict[Any, ColumnKind] = {int: "int64", float: "float64", bool: "bool"}
_OURS = (
    *(ProcessFunction, CoProcessFunction, BroadcastProcessFunction),
    *(ColumnFunction, CoColumnFunction, BroadcastColumnFunction),
)
_CONTAINERS = (list, dict, set)


def described_function(
    function: ProcessFunction | ColumnFunction,
    sides: tuple[str, ...],
    place: str | None,
    *,
    is_zoned: bool,
    takes: Takes = "one",
) -> KeyedFunction:
    """A function as a value in a plan.

    Raises:
        PlanError: `plan-state-type`, `plan-process-function`.
    """
    kind = type(function)
    name = kind.__name__
    _check_function(function, takes)
    with located(place):
        found = [
            *attribute_hints(kind, ColumnFunction if issubclass(kind, ColumnFunction) else ProcessFunction)
        ]
        states = tuple(declared_state(name, a, h, kind) for a, h in found if get_origin(h) is not Broadcast)
        shared = tuple(_broadcast(name, a, h) for a, h in found if get_origin(h) is Broadcast)

    check_settings(function, [s.name for s in (*states, *shared)])

    def new() -> Any:
        made = copy(function)
        vars(made).update(settings_of(function), _zone=is_zoned)
        return made

    is_columns = isinstance(function, ColumnFunction)
    has_timers = (
        kind.on_timers is not ColumnFunction.on_timers
        if issubclass(kind, ColumnFunction)
        else kind.on_timer is not ProcessFunction.on_timer
    )
    handlers = ("on_left", "on_right") if takes == "two" else ("on_events",) if is_columns else ("on_event",)
    by: Literal["row", "column"] = "column" if is_columns else "row"
    has_clock = issubclass(kind, ProcessFunction) and kind.on_clock is not ProcessFunction.on_clock
    _check_methods(kind, (*handlers, *(("on_broadcast",) if takes == "broadcast" else ())), place)
    return KeyedFunction(
        name,
        states,
        new,
        has_timers,
        has_clock,
        handlers,
        by,
        sides,
        place,
        shared,
        takes_late=getattr(kind, "_takes_late", False),
        retracts=getattr(kind, "_retracts", False),
    )


Takes = Literal["one", "two", "broadcast"]
TakesTwo: TypeAlias = (
    CoProcessFunction | CoColumnFunction | BroadcastProcessFunction | BroadcastColumnFunction
)
_WANTED: dict[Takes, tuple[str, tuple[type, ...]]] = {
    "one": ("one input", (ProcessFunction, ColumnFunction)),
    "two": ("two inputs", (CoProcessFunction, CoColumnFunction)),
    "broadcast": ("rows for all keys", (BroadcastProcessFunction, BroadcastColumnFunction)),
}


def _check_function(function: object, takes: Takes) -> None:
    """Refuse what is no function, or one for other inputs."""
    what, wanted = _WANTED[takes]
    others = tuple(kind for other in ("two", "broadcast") if other != takes for kind in _WANTED[other][1])
    if isinstance(function, wanted) and not isinstance(function, others):
        return
    raise PlanError(
        f"a function of {what} is an object of a class that is a "
        f"{wanted[0].__name__} or a {wanted[1].__name__}",
        code="plan-process-function",
        found=repr(function)[:200],
        hint=f"{function.__name__}() makes one" if isinstance(function, type) else None,
    )


def _check_methods(kind: type, wanted: Sequence[str], place: str | None) -> None:
    """Refuse a class that takes no rows of one of its inputs."""
    for method in wanted:
        if any(method in vars(base) for base in kind.__mro__ if base not in _OURS):
            continue
        own = [name for name in vars(kind) if callable(getattr(kind, name)) and not name.startswith("_")]
        raise PlanError(
            f"{kind.__name__} has no {method}, which takes the rows",
            code="plan-process-function",
            where=place,
            found=", ".join(own) or None,
        )


def _broadcast(function: str, name: str, hint: Any) -> FunctionState:
    """State that holds for all keys."""
    return FunctionState(name, ColumnSpec("object", None, _codec(function, name, dict[get_args(hint)])), dict)  # type: ignore[misc]  # a type that is made


def attribute_hints(kind: type, first: type) -> Iterable[tuple[str, Any]]:
    """The annotated attributes of a class and of those that it inherits from, down to ours.

    Args:
        kind: the class.
        first: the one of ours that it inherits from.

    Raises:
        PlanError: `plan-state-type`.
    """
    try:
        hints = get_type_hints(kind)
    except NameError as error:
        raise PlanError(
            f"a type that {kind.__name__} is annotated with cannot be found: {error}",
            code="plan-state-type",
            hint="types of state are defined in the module, and not inside a function",
        ) from None
    own = {*get_type_hints(ProcessFunction), *get_type_hints(ColumnFunction), *get_type_hints(first)}
    taken = {n for n in vars(first) if not n.startswith("__")}
    for base in kind.__mro__:
        for name in vars(base).get("__annotations__", {}) if base not in (*_OURS, first) else ():
            if name in own | taken and get_origin(hints[name]) is not ClassVar:
                raise taken_name(kind.__name__, name)
    return [(n, h) for n, h in hints.items() if n not in own and get_origin(h) is not ClassVar]


def taken_name(function: str, name: str) -> PlanError:
    """A state has the name of something else."""
    return PlanError(
        f'a state of {function} cannot be called "{name}"',
        code="plan-state-type",
        found=name,
        hint="the name means something else in every function",
    )


def _codec(function: str, name: str, hint: Any) -> Codec:
    try:
        return codec_of(hint)
    except TypeError as error:
        part = "" if str(error) == type_name(hint) else f", with {error}"
        raise PlanError(
            f'the state "{name}" of {function} cannot be kept',
            code="plan-state-type",
            found=f"{type_name(hint)}{part}",
            expected=KEPT_TYPES,
        ) from None


def declared_state(
    function: str, name: str, hint: Any, kind: type, *, of: str = "key", written: str = "{}"
) -> FunctionState:
    """A state as a class says it.

    Args:
        function: what messages call the function.
        name: of the attribute.
        hint: its type.
        kind: the class.
        of: what each has a value of its own.
        written: how the type is written, around its name.

    Raises:
        PlanError: `plan-state-type`.
    """
    codec = _codec(function, name, hint)
    begin: Any = getattr(kind, name, MISSING)
    ttl_us, migrate = (begin.ttl_us, begin.migrate) if isinstance(begin, Declared) else (None, None)
    begin = begin.begin if isinstance(begin, Declared) else begin
    if begin is MISSING and (get_origin(hint) or hint) in _CONTAINERS:
        begin = (get_origin(hint) or hint)()
    if begin is MISSING:
        raise PlanError(
            f'the state "{name}" of {function} does not say what a {of} begins with',
            code="plan-state-type",
            found=f"{name}: {written.format(type_name(hint))}",
            hint=f"{name}: {written.format(type_name(hint))} = …",
        )
    _check_begin(function, name, hint, begin, codec)
    if hint in _PLAIN:
        return FunctionState(name, ColumnSpec(_PLAIN[hint], begin, migrate=migrate), None, ttl_us)
    return FunctionState(name, ColumnSpec("object", None, codec, migrate), _fresh(begin), ttl_us)


def _check_begin(function: str, name: str, hint: Any, begin: Any, codec: Codec) -> None:
    """Refuse a value to begin with that is of another type."""
    try:
        codec.checked(begin)
        fits = hint not in _PLAIN or type(begin) is hint or (hint is float and type(begin) is int)
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise PlanError(
            f'the state "{name}" of {function} begins with a value of another type',
            code="plan-state-type",
            expected=type_name(hint),
            found=f"{begin!r} of Python type {type(begin).__name__}"[:200],
        )


def check_settings(function: object, states: Iterable[str]) -> None:
    """Refuse settings that have the name of a state: each key would begin with something else.

    Raises:
        PlanError: `plan-state-type`.
    """
    for name in states:
        if name in vars(function):
            raise PlanError(
                f'"{name}" of {type(function).__name__} is a state, since it has an annotation, '
                "and was set on the object",
                code="plan-state-type",
                found=repr(vars(function)[name])[:200],
                hint="settings are set in __init__, and the class says nothing of their types",
            )


def settings_of(function: object) -> dict[str, Any]:
    """The settings of a function for one task, of which no other task knows."""
    found = {}
    for name, value in vars(function).items():
        try:
            found[name] = deepcopy(value)
        except (TypeError, ValueError, AttributeError, Error):
            # such as a lock or a connection
            found[name] = value
    return found


def _fresh(begin: Any) -> Callable[[], Any]:
    """Makes the value that a key begins with: no two keys share one."""
    if begin is None or isinstance(begin, (str, bytes, int, float)):
        return lambda: begin
    return lambda: deepcopy(begin)
