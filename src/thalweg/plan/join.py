"""Build joins: find the equalities that rows can be looked up by, and what else must be true of a pair.

SQL and the fluent API both come through here.

Not here: pushing conditions to where they cost least (optimizer/), the other steps (build.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.base.types import BOOLEAN, NULL, DataType, Float, List, Map, Struct
from thalweg.errors import PlanError, Span, TypeMismatch
from thalweg.expr.infer import resolve, type_of
from thalweg.expr.nodes import (
    Aggregate,
    Call,
    Column,
    Expr,
    Literal,
    Named,
    PythonCall,
    as_written,
    columns_of,
    conjunction,
    conjuncts,
    walk,
)
from thalweg.plan.broadcast import first_read
from thalweg.plan.nodes import Filter, Join, JoinKind, Plan, Project
from thalweg.plan.time_bounds import shifted


def join(
    left: Plan,
    right: Plan,
    kind: JoinKind,
    condition: Expr | None = None,
    *,
    clause: str = "ON",
    may_broadcast: bool = True,
) -> Plan:
    """Pairs of rows for which the condition is true.

    Args:
        left: the left input.
        right: the right input; it has no column name of the left one (see `apart`).
        kind: which rows without a partner are kept, or whether only the left rows are.
        condition: over the columns of both; None for all pairs.
        clause: names the condition in messages.
        may_broadcast: whether a small input may be read first, and go to all tasks (see broadcast.py).

    Raises:
        TypeMismatch: `plan-not-a-condition`.
        PlanError: `plan-unknown-column`, `plan-misplaced-aggregate`.
    """
    both = Schema((*left.schema.fields, *right.schema.fields))
    parts = [] if condition is None else conjuncts(checked(condition, both, clause))
    keys = KeyFinder(left, right)
    rest = [p for p in parts if not keys.take(p)]
    residual = conjunction(rest) if rest else None
    made = Join(keys.left.plan, keys.right.plan, kind, tuple(keys.pairs), residual)
    if may_broadcast:
        made = replace(made, first=first_read(made))
    wanted = left.schema.names if kind in ("semi", "anti") else both.names
    if made.schema.names == wanted:
        return made
    return Project(made, tuple(Named(n, Column(n)) for n in wanted))


def checked(condition: Expr, both: Schema, clause: str) -> Expr:
    """The resolved condition on pairs of rows."""
    for e in walk(condition):
        if isinstance(e, Aggregate):
            raise PlanError(
                f"an aggregate cannot stand in {clause}",
                code="plan-misplaced-aggregate",
                where=e.span or condition.span,
                found=str(e),
                hint="a sub-query can aggregate first",
            )
    resolved, held = resolve(condition, both)
    if held == NULL:
        return Literal(None, BOOLEAN)
    if held != BOOLEAN:
        raise TypeMismatch(
            f"{clause} needs a condition, not a value of type {held}",
            code="plan-not-a-condition",
            where=condition.span,
            found=str(as_written(condition)),
        )
    return resolved


def into_joins(plan: Plan) -> Plan:
    """A filter over inner joins, as part of the joins' conditions where it compares columns of both inputs.

    In SQL, `FROM a, b WHERE a.x = b.x` and `FROM a JOIN b ON a.x = b.x` are one: rows are paired, kept for as
    long as time allows, and late, in the same way.
    """
    if not isinstance(plan, Filter):
        return plan
    kept: list[Expr] = []
    below = plan.input
    for part in conjuncts(plan.condition):
        made = _with_condition(below, part)
        if made is None:
            kept.append(part)
        else:
            below = made
    if below is plan.input:
        return plan
    return replace(plan, input=below, condition=conjunction(kept)) if kept else below


def _with_condition(plan: Plan, part: Expr) -> Plan | None:
    """The join with one more condition; None if that is none of this join or of an inner join below it."""
    if not isinstance(plan, Join) or plan.kind != "inner" or not _compares_columns(part, plan.schema):
        return None
    for number, side in enumerate(plan.inputs):
        if columns_of(part) <= set(side.schema.names):
            made = _with_condition(side, part)
            if made is None:
                return None
            return replace(plan, left=made) if number == 0 else replace(plan, right=made)
    keys = KeyFinder(plan.left, plan.right, plan.keys)
    # a key that had to be computed would be a column more
    rest = [] if keys.has_columns(part) and keys.take(part) else [part]
    residual = [*([] if plan.residual is None else [plan.residual]), *rest]
    made = replace(plan, keys=tuple(keys.pairs), residual=conjunction(residual) if residual else None)
    # the condition may say more of time than was known before
    return made if made.first is None else replace(made, first=first_read(made))


def _compares_columns(part: Expr, schema: Schema) -> bool:
    if not isinstance(part, Call) or part.function not in ("=", "<", "<=", ">", ">="):
        return False
    return all(isinstance(a, Column) or shifted(a, schema) is not None for a in part.args)


# Keys ----------------------------------------------------------------------------------------------


@dataclass
class _Side:
    """One input, and the columns that are computed for its keys."""

    input: Plan
    prefix: str
    taken: frozenset[str]
    made: list[Named] = field(default_factory=list)

    def column(self, expr: Expr, used: Collection[str]) -> str:
        """A column that holds an expression over the input, and is none of those used."""
        if isinstance(expr, Column) and expr.name not in used:
            return expr.name
        known = next((m.name for m in self.made if m.expr == expr and m.name not in used), None)
        if known is not None:
            return known
        number = len(self.made)
        while (name := f"{SYSTEM_PREFIX}{self.prefix}{number}") in self.taken:
            number += 1
        self.taken |= {name}
        self.made.append(Named(name, expr))
        return name

    @property
    def plan(self) -> Plan:
        """The input with those columns."""
        if not self.made:
            return self.input
        own = [Named(n, Column(n)) for n in self.input.schema.names]
        return Project(self.input, (*own, *self.made))


class KeyFinder:
    """Collects equalities between an expression of the left and one of the right input."""

    def __init__(self, left: Plan, right: Plan, pairs: Iterable[tuple[str, str]] = ()) -> None:
        taken = frozenset((*left.schema.names, *right.schema.names))
        self.left, self.right = _Side(left, "left", taken), _Side(right, "right", taken)
        self.pairs = list(pairs)
        self._taken: list[tuple[Expr, Expr]] = [(Column(a), Column(b)) for a, b in self.pairs]

    def take(self, part: Expr) -> bool:
        """Whether a resolved condition is now wholly said by a pair of keys."""
        sides = self.sides(part)
        if sides is None:
            return False
        if sides not in self._taken:
            # rows are looked up by different columns: one that is equal to two others is there twice
            used = [{pair[i] for pair in self.pairs} for i in (0, 1)]
            self.pairs.append((self.left.column(sides[0], used[0]), self.right.column(sides[1], used[1])))
            self._taken.append(sides)
        # as a key, NaN equals itself: the condition must go on saying that it does not
        return not isinstance(type_of(sides[0], self.left.input.schema), Float)

    def has_columns(self, part: Expr) -> bool:
        """Whether a condition is an equality of columns by which no rows are looked up so far."""
        used = {name for pair in self.pairs for name in pair}
        sides = self.sides(part)
        return sides is not None and all(isinstance(s, Column) and s.name not in used for s in sides)

    def sides(self, part: Expr) -> tuple[Expr, Expr] | None:
        """The expressions over the left and the right input that a condition calls equal."""
        if not isinstance(part, Call) or part.function != "=":
            return None
        a, b = part.args
        left, right = self.left.input.schema, self.right.input.schema
        if not _is_of(a, left) or not _is_of(b, right):
            a, b = b, a
        if not _is_of(a, left) or not _is_of(b, right):
            return None
        held = type_of(a, left)
        return (a, b) if held == type_of(b, right) and _can_be_key(held) else None


def _is_of(expr: Expr, schema: Schema) -> bool:
    """Whether an expression reads columns of this input, and only those; users' code stays where it is."""
    used = columns_of(expr)
    return bool(used) and used <= set(schema.names) and not any(isinstance(e, PythonCall) for e in walk(expr))


def _can_be_key(held: DataType) -> bool:
    # inside nested values NULL is equal to NULL as a key, but not in a condition
    return not isinstance(held, (List, Map, Struct))


# Names ---------------------------------------------------------------------------------------------


def apart(left: Plan, right: Plan, rename: Callable[[str], str]) -> tuple[Plan, dict[str, str]]:
    """The right input with columns that the left one does not have, and what each is called now.

    Args:
        left: the left input.
        right: the right input.
        rename: another name for a column whose name the left one has; if that is taken too, it gets a number.
    """
    taken = {*left.schema.names, *right.schema.names}
    called: dict[str, str] = {}
    for name in right.schema.names:
        if name not in left.schema:
            called[name] = name
            continue
        prefix = SYSTEM_PREFIX if name.startswith(SYSTEM_PREFIX) else ""
        wanted = base = f"{prefix}{rename(name)}"
        number = 2
        while wanted in taken:
            wanted, number = f"{base}{number}", number + 1
        taken.add(wanted)
        called[name] = wanted
    if all(a == b for a, b in called.items()):
        return right, called
    return renamed(right, called), called


def renamed(plan: Plan, called: Mapping[str, str]) -> Plan:
    """The plan with other names for its columns."""
    return Project(plan, tuple(Named(called[n], Column(n)) for n in plan.schema.names))


def equal(pairs: Sequence[tuple[Expr, Expr]], where: Span | None = None) -> Expr:
    """The condition that all pairs are equal."""
    return conjunction([Call("=", pair, span=where) for pair in pairs])
