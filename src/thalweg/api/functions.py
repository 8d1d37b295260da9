"""Call every function of the registry, and every aggregate, as an attribute: `functions.upper(col("name"))`.

Names that Python keeps for itself end in an underscore (`functions.in_`), and operators have their words
(`functions.plus`). A text argument is a text; see `call`.

Reads:    the registry, so that a function added there is callable here at once.
Not here: any function.
"""

from __future__ import annotations

from collections.abc import Callable
from keyword import iskeyword

from thalweg.api.calls import call
from thalweg.api.expressions import Expression, Operand
from thalweg.api.place import caller
from thalweg.errors import TypeMismatch, did_you_mean
from thalweg.expr import aggregates as _aggregates
from thalweg.expr import registry as _registry


class UnknownFunctionError(TypeMismatch, AttributeError):
    """There is no function of that name; also an `AttributeError`, so that `hasattr` works."""


def __getattr__(name: str) -> Callable[..., Expression]:
    wanted = name.removesuffix("_")
    if name.startswith("_"):
        raise AttributeError(name)
    if not (_registry.has(wanted) or _aggregates.has(wanted)):
        raise UnknownFunctionError(
            f'there is no function "{name}"',
            code="expr-unknown-function",
            where=caller(),
            hint=did_you_mean(name, __dir__()),
        )

    def function(*args: Operand) -> Expression:
        return call(wanted, *args)

    function.__name__ = function.__qualname__ = name
    return function


def __dir__() -> list[str]:
    known = {*_registry.names(), *_aggregates.names()}
    return sorted(n + "_" * iskeyword(n) for n in known if n.isidentifier() and not n.startswith("_"))
