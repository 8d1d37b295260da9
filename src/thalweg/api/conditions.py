"""Choose between values: `when(condition).then(a).otherwise(b)`.

Not here: conditions themselves (expressions.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from thalweg.api.expressions import Expression, Operand, all_of, operand
from thalweg.expr.nodes import Call, Expr


def when(*conditions: Operand) -> When:
    """Begin a choice; the value follows with `then`. Several conditions must all be true.

    Texts are texts: `then("morning")` is no column.

    Example:
        >>> from thalweg.api import col
        >>> when(col("hour") < 12).then("morning").otherwise("later")
        case((hour < 12), 'morning', 'later')
    """
    return When((), all_of([operand(c) for c in conditions]))


@dataclass(frozen=True)
class When:
    """A choice that waits for the value of its last condition."""

    _before: tuple[Expr, ...]
    _condition: Expr

    def then(self, value: Operand) -> Then:
        """The value where the condition is true."""
        return Then(Call("case", (*self._before, self._condition, operand(value))))


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Then(Expression):
    """A choice that is NULL where no condition is true, unless `otherwise` follows."""

    def when(self, *conditions: Operand) -> When:
        """A further condition, for rows for which those before are not true."""
        return When(self.expr.children, all_of([operand(c) for c in conditions]))

    def otherwise(self, value: Operand) -> Expression:
        """The value for all other rows."""
        return Expression(Call("case", (*self.expr.children, operand(value))))
