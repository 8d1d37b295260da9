"""List the public names of the fluent API with their signatures, as `public_api.txt` holds them.

`python -m tests.api.surface` writes the file anew; its changes are reviewed like any other.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import thalweg.api as api
from thalweg.api import conditions, namespaces

PATH = Path(__file__).with_name("public_api.txt")
_SPECIAL = ("__init__", "__call__", "__getitem__", "__arrow_c_stream__")
_UNNAMED = (
    *(conditions.When, conditions.Then),
    *(namespaces.Texts, namespaces.Times, namespaces.Lists, namespaces.Maps),
)
"""Classes that users meet without ever writing their names."""


def render() -> str:
    """The text of the file."""
    public = {name: getattr(api, name) for name in api.__all__} | {c.__name__: c for c in _UNNAMED}
    return "\n".join(line for name in sorted(public) for line in _lines(name, public[name])) + "\n"


def _lines(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, types.ModuleType):
        yield f"{name}: module"
    elif inspect.isclass(value):
        above = [base for base in value.__mro__[1:] if base in vars(api).values()]
        yield f"class {name}" + (f"({above[0].__name__})" if above else "")
        yield from (f"  {line}" for line in _members(value, above))
    elif callable(value):
        yield f"{name}{_signature(value)}"
    else:
        yield f"{name} = {value!r}"


def _members(owner: type, above: Sequence[type]) -> Iterator[str]:
    """What the class has beyond public classes above it; private ones above it count as part of it."""
    own = [
        c for c in owner.__mro__ if c not in (object, Protocol) and not any(issubclass(a, c) for a in above)
    ]
    for name in sorted({n for c in own for n in (*vars(c), *inspect.get_annotations(c))}):
        if name.startswith("_") and name not in _SPECIAL:
            continue
        value = inspect.getattr_static(owner, name, None)
        if isinstance(value, property):
            yield f"{name}: {inspect.get_annotations(value.fget)['return']}" if value.fget else name
        elif not callable(value):
            yield f"{name}: {next(a[name] for a in map(inspect.get_annotations, own) if name in a)}"
        elif name != "__init__" or _is_made_by_users(value):
            yield f"{name}{_signature(value)}"


def _is_made_by_users(init: Any) -> bool:
    names = list(inspect.signature(init).parameters)[1:]
    return not any(n.startswith("_") or n in ("args", "kwargs") for n in names)


@dataclass(frozen=True)
class _Text:
    """Prints without the quotes that annotations have as texts."""

    text: object

    def __repr__(self) -> str:
        return str(self.text)


def _signature(function: Any) -> str:
    given = inspect.signature(function)
    shown = [
        # an object that stands for nothing shows its address
        p.replace(
            annotation=_shown(p.annotation), default=_Text("…") if type(p.default) is object else p.default
        )
        for p in given.parameters.values()
    ]
    return str(given.replace(parameters=shown, return_annotation=_shown(given.return_annotation)))


def _shown(annotation: Any) -> Any:
    return annotation if annotation is inspect.Signature.empty else _Text(annotation)


if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
