"""Find out whether a function minds being called again with rows that it had before.

After a crash a job calls a function again with the rows since the last checkpoint. Two copies of the function
are called: one with every call, one with those that a job without a crash would have made. What they have
built in memory (attributes of an object, variables around the function) is compared.

Not here: which calls there were (collected.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import polars as pl

from thalweg.connectors.sinks import CallbackSink
from thalweg.testing.programs.collected import Delivered, Deliveries

_DEPTH_MAX = 12
_PLAIN = (int, float, str, bytes, bool, type(None))


def call_with(sink: CallbackSink, deliveries: Deliveries, calls: list[Delivered]) -> Any:
    """Let a sink call its function; what is seen of its effect."""
    writer = sink.open(deliveries.schema, 0)
    for call in calls:
        for batch in call.batches:
            writer.write(batch)
        writer.cut(call.cut)
    writer.end()
    writer.close()
    return effect_of(sink.function)


def effect_of(function: Callable[..., Any]) -> Any:
    """What can be seen of the objects that a function may change, as something that can be compared.

    Example:
        >>> seen: list[int] = []
        >>> before = effect_of(seen.append)
        >>> seen.append(1)
        >>> before == effect_of(seen.append)
        False
    """
    return [_seen(held, 0, ()) for held in _held_by(function)]


def _held_by(function: Any) -> Iterator[Any]:
    """The objects that a function can reach."""
    if isinstance(function, partial):
        yield from function.args
        yield from function.keywords.values()
        yield from _held_by(function.func)
    elif isinstance(function, MethodType):
        yield function.__self__
        yield from _held_by(function.__func__)
    elif isinstance(function, FunctionType):
        for cell in function.__closure__ or ():
            yield cell.cell_contents
        yield from function.__defaults__ or ()
        names = function.__globals__
        for name in sorted(set(_names_in(function.__code__))):
            # a function that is called may change what it reaches in turn
            value = names.get(name)
            if isinstance(value, FunctionType) and value.__globals__ is names and value is not function:
                yield from _held_by(value)
            elif name in names and not isinstance(value, FunctionType):
                yield value
    elif hasattr(function, "__self__"):
        # a method of a built-in type, as list.append
        yield function.__self__
    else:
        yield function


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names_in(inner)


def _seen(value: Any, depth: int, above: tuple[int, ...]) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, (type, ModuleType, FunctionType)) or depth > _DEPTH_MAX or id(value) in above:
        return type(value).__name__
    above = (*above, id(value))
    if isinstance(value, pl.DataFrame):
        return [value.columns, *map(repr, value.rows())]
    if isinstance(value, Mapping):
        return {repr(k): _seen(v, depth + 1, above) for k, v in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, (list, tuple)) or type(value).__name__ == "deque":
        return [_seen(v, depth + 1, above) for v in value]
    if hasattr(value, "__dict__") and not type(value).__module__.startswith(("thalweg", "polars")):
        return {name: _seen(held, depth + 1, above) for name, held in vars(value).items()}
    return _text_of(value)


def _text_of(value: Any) -> str:
    """How something prints itself, unless that is only where it stands in memory."""
    text = repr(value)
    return type(value).__name__ if " at 0x" in text else text
