"""Turn values of a declared Python type into bytes, and back: what is kept of them outlives the process.

The bytes are MessagePack by `msgspec`, with names for the fields of classes, so that a field that comes
later takes its default. There is no pickle: what is read is data, and never code.

Not here: where the bytes are kept (state/).
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from thalweg.base.changed_types import Shape

_PLAIN = (int, float, bool, str, bytes, Decimal, datetime, date, time, timedelta, type(None))
_CONTAINERS = (list, dict, tuple, set, frozenset)
KEPT_TYPES = (
    "int, float, bool, str, bytes, Decimal, datetime, date, time, timedelta; list, dict, tuple and set of "
    "these; a dataclass or a msgspec.Struct of these; any of them or None"
)


class _KeptNone:
    """Stands for a kept None, where None says that nothing is kept."""

    def __repr__(self) -> str:
        return "None"


KEPT_NONE = _KeptNone()


@dataclass(frozen=True)
class Codec:
    """How values of one type are kept.

    Attributes:
        name: what the type is called in messages.
        shape: the type with all that is in it, as plain data (see `changed_types`).

    Example:
        >>> codec = codec_of(dict[str, list[int]])
        >>> codec.name, codec.decode(codec.encode({"a": [1, 2]}))
        ('dict[str, list[int]]', {'a': [1, 2]})
    """

    name: str
    shape: Shape = field(hash=False)
    type: Any = field(compare=False, repr=False)
    _encoder: Any = field(compare=False, repr=False)
    _decoder: Any = field(compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Made anew from the type: encoders cannot be copied."""
        return codec_of, (self.type,)

    def encode(self, value: Any) -> bytes:
        """The bytes of a value.

        Raises:
            TypeError: the value is, or holds, something that has no bytes.
        """
        found: bytes = self._encoder.encode(value)
        return found

    def checked(self, value: Any) -> bytes:
        """The bytes of a value, from which it can be made again.

        Raises:
            TypeError, ValueError: it is no value of the type.
        """
        data = self.encode(value)
        self.decode(data)
        return data

    def decode(self, data: bytes) -> Any:
        """The value of some bytes.

        Raises:
            ValueError: they are not those of a value of the type.
        """
        try:
            return self._decoder.decode(data)
        except msgspec.MsgspecError as error:
            raise ValueError(str(error)) from error


def codec_of(hint: Any) -> Codec:
    """The codec of a type.

    Raises:
        TypeError: with the part of the type that cannot be kept.

    Example:
        >>> codec_of(list[object])
        Traceback (most recent call last):
            ...
        TypeError: object
    """
    for part in _parts(hint, set()):
        raise TypeError(type_name(part))
    decoder = msgspec.msgpack.Decoder(hint)
    return Codec(type_name(hint), type_shape(hint), hint, msgspec.msgpack.Encoder(), decoder)


def _parts(hint: Any, seen: set[Any]) -> Iterator[Any]:
    """The parts of a type that cannot be kept."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from _parts(args[0], seen)
    elif origin in (Union, types.UnionType) or (origin or hint) in _CONTAINERS:
        for arg in args:
            if arg is not Ellipsis:
                yield from _parts(arg, seen)
        if not args:
            # of a bare list or dict nobody knows what comes back
            yield hint
    elif hint in _PLAIN:
        return
    elif _has_fields(hint):
        if hint not in seen:
            seen.add(hint)
            for part in get_type_hints(hint).values():
                yield from _parts(part, seen)
    else:
        yield hint


def _has_fields(hint: Any) -> bool:
    if is_typeddict(hint):
        return True
    is_struct = isinstance(hint, type) and issubclass(hint, msgspec.Struct)
    return is_struct or (isinstance(hint, type) and dataclasses.is_dataclass(hint))


def type_shape(hint: Any, within: tuple[Any, ...] = ()) -> Shape:
    """A type as plain data; a class within itself is only named.

    Example:
        >>> type_shape(dict[str, int | None])
        ['dict', 'str', ['|', 'int', 'None']]
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return type_shape(args[0], within)
    if origin in (Union, types.UnionType):
        return ["|", *(type_shape(arg, within) for arg in args)]
    if origin is not None and args:
        parts = ("..." if a is Ellipsis else type_shape(a, within) for a in args)
        return [type_name(origin), *parts]
    if _has_fields(hint) and hint not in within:
        hints = {n: h for n, h in get_type_hints(hint).items() if get_origin(h) is not ClassVar}
        fields = {
            f"{name}?" if _has_default(hint, name) else name: type_shape(held, (*within, hint))
            for name, held in hints.items()
        }
        return {type_name(hint): fields}
    return type_name(hint)


def _has_default(hint: Any, name: str) -> bool:
    if is_typeddict(hint):
        return name in hint.__optional_keys__
    if dataclasses.is_dataclass(hint):
        found = next(f for f in dataclasses.fields(hint) if f.name == name)
        return found.default is not dataclasses.MISSING or found.default_factory is not dataclasses.MISSING
    known = next(f for f in msgspec.structs.fields(hint) if f.name == name)
    return not known.required


def type_name(hint: Any) -> str:
    """A type as it is written.

    Example:
        >>> type_name(dict[str, int | None]), type_name(Decimal)
        ('dict[str, int | None]', 'Decimal')
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " | ".join(map(type_name, args))
    if hint is type(None):
        return "None"
    if origin is not None and args:
        return f"{type_name(origin)}[{', '.join('...' if a is Ellipsis else type_name(a) for a in args)}]"
    return getattr(hint, "__name__", None) or str(hint)
