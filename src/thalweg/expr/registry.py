"""Keep the table of scalar functions: for each its meaning, its types, and how Polars computes it.

An entry defines the meaning (Flink's, where Flink defines one) by its *edge vectors*: arguments
and the value, or the error, that must come out. Eager, lazy and kernel evaluation are all held to
them by one test.

Adding a function is one `register(...)` call in a module under functions/.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.base.types import DataType
from thalweg.errors import Span, TypeMismatch, did_you_mean

Build = Callable[[Sequence[pl.Expr], Sequence[DataType]], pl.Expr]
"""From the arguments as Polars expressions, and their types, to the result."""


@dataclass(frozen=True)
class Signature:
    """The types that a call was resolved to: arguments are cast to `args` before the call."""

    args: tuple[DataType, ...]
    result: DataType


Infer = Callable[[Sequence[DataType]], Signature | None]
"""From the types of the arguments to a signature, or None where the function does not take them."""


@dataclass(frozen=True)
class Failure:
    """A way in which a call can fail for a row: a mask of the rows, and what to say."""

    mask: Mask
    code: str
    message: str


InferValues = Callable[[Sequence[DataType], Sequence[Any]], Signature | None]
"""Like `Infer`, with the values of the arguments too: `UNKNOWN` for those that are not literals."""

Mask = Callable[[Sequence[pl.Expr], Sequence[DataType]], pl.Expr | None]
"""From the arguments and their types to the rows that fail; None where these types cannot."""

FAILS = object()
"""In an edge vector: the call must raise a DataError for this row."""

UNKNOWN = object()
"""In the place of a value that is not known before the rows are there."""


@dataclass(frozen=True)
class Vector:
    """Arguments of one call and what must come out (`FAILS` for an error)."""

    args: tuple[Any, ...]
    types: tuple[DataType, ...]
    expected: Any


@dataclass(frozen=True)
class Function:
    """One scalar function.

    Attributes:
        name: lower case; SQL and Python names are the same.
        infer: resolves argument types.
        build: how Polars computes it, for arguments already cast to the signature.
        takes: the accepted arguments in words, for error messages.
        failures: rows for which the call is an error, by mask.
        strict: whether a NULL argument makes the result NULL.
        guards: for argument i, the arguments 0..i-1 decide whether it is evaluated at all (CASE, COALESCE,
            AND, OR): a function from the Polars expressions of those arguments, and i, to a mask of the rows
            that evaluate it.
        vectors: edge vectors.
        infer_values: used in place of `infer` where the result's type depends on values of literals.
        constants: the arguments (by position) that must be literals, e.g. the name of a field.
        aliases: other names for the same function.
        operator: how it prints in SQL when it is an operator, e.g. `+`.
        few: the same for a few rows, from columns (few.py); None where there is no such way.
    """

    name: str
    infer: Infer
    build: Build
    takes: str
    failures: tuple[Failure, ...] = ()
    strict: bool = True
    guards: Callable[[Sequence[pl.Expr], int], pl.Expr | None] | None = None
    vectors: tuple[Vector, ...] = ()
    infer_values: InferValues | None = None
    constants: tuple[int, ...] = ()
    aliases: tuple[str, ...] = ()
    operator: str | None = None
    few: Callable[[Sequence[pl.Series], Sequence[DataType]], pl.Series | None] | None = None
    notes: str = field(default="", compare=False)


_functions: dict[str, Function] = {}


def register(function: Function) -> Function:
    """Add a function under its name and aliases; a name can be taken only once."""
    for name in (function.name, *function.aliases):
        assert name not in _functions, f"the function name {name} is taken twice"
        _functions[name] = function
    return function


def names() -> tuple[str, ...]:
    """Every name that users can call, sorted."""
    return tuple(sorted(n for n in _functions if not n.startswith(SYSTEM_PREFIX)))


def all_functions() -> tuple[Function, ...]:
    """Every function once, by name."""
    return tuple(_functions[n] for n in sorted({f.name for f in _functions.values()}))


def has(name: str) -> bool:
    """Whether there is a function of that name."""
    return name.lower() in _functions


def lookup(name: str, where: Span | None = None) -> Function:
    """The function of that name; an unknown one is an error with the near misses."""
    found = _functions.get(name.lower())
    if found is None:
        raise TypeMismatch(
            f'there is no function "{name}"',
            code="expr-unknown-function",
            where=where,
            hint=did_you_mean(name.lower(), names()),
        )
    return found
