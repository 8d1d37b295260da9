"""Say which function a subscript means, once the type of what it is asked of is known.

`a[x]` is a member of a row, an item of a list or the value of a key of a map. Lists count from 0 in Python
and from 1 in SQL, so that there are two kinds of subscripts, each a call under a name of its own.

Not here: what the functions compute (functions/nested.py).
"""

from __future__ import annotations

from thalweg.base.types import INT32, NULL, STRING, DataType, Integer, List, Map, Struct
from thalweg.errors import PlanError, TypeMismatch
from thalweg.expr import registry
from thalweg.expr.nodes import Call, Expr, Literal, as_written

FROM_0, FROM_1 = "[0]", "[1]"
"""The names of the calls: by the number of a list's first item."""
SUBSCRIPTS = (FROM_0, FROM_1)
_FIRST = {FROM_0: 0, FROM_1: 1}


def meant(expr: Call, held: DataType, key: DataType) -> Call:
    """The call of a function that a subscript of a value of the type `held` stands for.

    Raises:
        TypeMismatch: `expr-subscript`: the value has no such parts.
        PlanError: `plan-negative-index`.

    Example:
        >>> from thalweg.expr.nodes import Column
        >>> first = Call(FROM_0, (Column("a"), Literal(0, INT32)))
        >>> print(first, "is", meant(first, List(STRING), INT32))
        a[0] is element_at(a, 1)
    """
    owner, part = expr.args
    first = _FIRST[expr.function]
    if isinstance(held, Struct) and key == STRING and isinstance(part, Literal):
        return Call("field", (owner, part), span=expr.span)
    if isinstance(held, List) and (isinstance(key, Integer) or key == NULL):
        return Call("element_at", (owner, _place(expr, part, first)), span=expr.span)
    if isinstance(held, Map) and _is_key(held, key, part):
        return Call("element_at", (owner, part), span=expr.span)
    message, expected = _mistake(held, first)
    raise TypeMismatch(
        message,
        code="expr-subscript",
        where=expr.span,
        expected=expected,
        found=f"{as_written(expr)} with ({held}, {key})",
    )


def _is_key(held: Map, key: DataType, part: Expr) -> bool:
    infer = registry.lookup("element_at").infer_values
    assert infer is not None, "a number that is written down is a key of any type that holds it"
    value = part.value if isinstance(part, Literal) else registry.UNKNOWN
    return infer((held, key), (registry.UNKNOWN, value)) is not None


def _mistake(held: DataType, first: int) -> tuple[str, str]:
    """What is wrong, and what would be right."""
    if isinstance(held, Struct):
        return "a row's members go by their names", "the name of a member, as a constant text"
    if isinstance(held, List):
        return "a list's items go by their numbers", f"a whole number from {first}"
    if isinstance(held, Map):
        return "a map's values go by their keys", f"a key of type {held.key}"
    return f"a value of type {held} has no members, items or keys", "a row, a list or a map before ["


def _place(expr: Call, part: Expr, first: int) -> Expr:
    """The number of an item, counted from 1."""
    if first == 1 or part == Literal(None, NULL):
        return part
    if not isinstance(part, Literal):
        return Call("+", (part, Literal(1, INT32)), span=part.span)
    if part.value < 0:
        raise PlanError(
            "items of a list are counted from its start",
            code="plan-negative-index",
            where=expr.span,
            found=str(part.value),
            hint=".list.reverse()[0] is the last item",
        )
    return Literal(part.value + 1, part.type, span=part.span)
