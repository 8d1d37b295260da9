"""Turn the user's Python functions into functions of expressions.

A row function gets the Python values of one row; a column function gets one `polars.Series` per
argument. Both must treat every row by itself: they are called on arbitrary cuts of the data.

Not here: how they are called (`expr/python.py`); functions of whole frames (`Dataset.map_batches`).
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, overload

from thalweg.api.calls import arguments
from thalweg.api.expressions import Expression, Operand
from thalweg.api.place import caller, located, place_of
from thalweg.api.types import TypeLike, data_type
from thalweg.base.types import NULL, DataType
from thalweg.errors import PlanError
from thalweg.expr.nodes import PythonCall, PythonFunction
from thalweg.expr.python import describe


class UserFunction:
    """A Python function that can be called with expressions; made with `udf`.

    Attributes:
        function: what the engine calls.
    """

    def __init__(self, function: PythonFunction) -> None:
        self.function = function
        functools.update_wrapper(self, function.call)

    def __call__(self, *args: Operand) -> Expression:
        """The function's value for each row; a text is a text, a column is `col("a")`."""
        with located(caller()):
            return Expression(PythonCall(self.function, tuple(arguments(self.function.name, args))))

    def __repr__(self) -> str:
        return f"<{self.function.by} function {self.function.name} -> {self.function.result}>"


@overload
def udf(
    function: Callable[..., object],
    /,
    *,
    returns: TypeLike | None = None,
    by: Literal["row", "column"] = "row",
    name: str | None = None,
    volatile: bool = False,
) -> UserFunction: ...
@overload
def udf(
    *,
    returns: TypeLike | None = None,
    by: Literal["row", "column"] = "row",
    name: str | None = None,
    volatile: bool = False,
) -> Callable[[Callable[..., object]], UserFunction]: ...
def udf(
    function: Callable[..., object] | None = None,
    /,
    *,
    returns: TypeLike | None = None,
    by: Literal["row", "column"] = "row",
    name: str | None = None,
    volatile: bool = False,
) -> UserFunction | Callable[[Callable[..., object]], UserFunction]:
    """Make a Python function callable with expressions; also as a decorator.

    Args:
        function: takes the values of one row (`by="row"`) or whole columns (`by="column"`).
        returns: the type of its results; by default what the function's own annotation says.
        by: `row` or `column`.
        name: what messages and SQL call it.
        volatile: whether two calls with the same arguments may give different results.

    Example:
        >>> from thalweg.api import col
        >>> @udf
        ... def net(price: int, rate: float) -> float:
        ...     return price * (1 - rate)
        >>> net(col("price"), 0.19)
        net(price, 0.19)
        >>> net
        <row function net -> DOUBLE>
    """
    if function is None:
        return lambda f: udf(f, returns=returns, by=by, name=name, volatile=volatile)
    with located(place_of(function) or caller()):
        result = _declared(function, by) if returns is None else data_type(returns)
    made = describe(function, result, by=by)
    return UserFunction(replace(made, name=name or made.name, volatile=volatile))


def _declared(function: Callable[..., object], by: str) -> DataType:
    """The type that the function's annotation names."""
    if by == "row":
        held = _annotated(function)
        if held is not None and held != NULL:
            return held
    raise PlanError(
        f'the type of what "{getattr(function, "__name__", function)}" returns is not known',
        code="plan-function-type",
        hint='udf(returns="BIGINT") says it'
        + ("; so does an annotation such as -> int" if by == "row" else " for columns"),
    )


def _annotated(function: Callable[..., object]) -> DataType | None:
    try:
        hints: dict[str, Any] = typing.get_type_hints(function)
    except (NameError, TypeError):  # names that only exist for type checkers, or no function at all
        return None
    return data_type(hints["return"]) if "return" in hints else None
