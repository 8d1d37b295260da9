"""Group the same rows by several sets of keys: GROUPING SETS, ROLLUP and CUBE.

Each set is a grouping of its own over rows that are read once; the groups of all are put together. Keys that
a set does not have are NULL in its rows; `GROUPING` tells them from values that are NULL.

Not here: one grouping (build.py), how SQL writes sets (sql/bind/group_keys.py).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from itertools import combinations
from typing import TypeVar

from thalweg.base.types import INT64
from thalweg.errors import PlanError, Span
from thalweg.expr.infer import resolve
from thalweg.expr.nodes import Aggregate, Expr, Literal, Named, walk
from thalweg.plan import build
from thalweg.plan.nodes import Plan

GROUPING = ("grouping", "grouping_id")
"""Which keys a row's set does not have, as a number: a bit for each argument, the last one's is 1."""
SETS_MAX = 128
"""Each set is a step of its own."""
K = TypeVar("K")

Sets = Sequence[Sequence[int]]
"""For each set the places of its keys among all keys."""


def rollup(keys: Sequence[K]) -> list[Sequence[K]]:
    """All keys, all but the last, and so on to none.

    Example:
        >>> rollup("ab")
        ['ab', 'a', '']
    """
    return [keys[:n] for n in range(len(keys), -1, -1)]


def cube(keys: Sequence[K], where: Span | None = None) -> list[Sequence[K]]:
    """Every choice of keys, those with more keys first.

    Raises:
        PlanError: `plan-grouping` for too many sets.

    Example:
        >>> cube("ab")
        [('a', 'b'), ('a',), ('b',), ()]
    """
    check_count(2 ** len(keys), where)
    return [chosen for n in range(len(keys), -1, -1) for chosen in combinations(keys, n)]


def check_count(count: int, where: Span | None) -> None:
    """Say that there are too many sets, before they are made.

    Raises:
        PlanError: `plan-grouping`.
    """
    if not 0 < count <= SETS_MAX:
        message = f"these are {count} sets of keys, where 1 to {SETS_MAX} are possible"
        raise PlanError(message, code="plan-grouping", where=where)


def group_by_sets(
    plan: Plan, keys: Sequence[Named], outputs: Sequence[Named], sets: Sets | None = None
) -> Plan:
    """Group rows by each set of keys, by default by the one of all; see `build.group_by`.

    Raises:
        PlanError: `plan-grouping` for GROUPING of what is no key, and for too many sets.
    """
    if sets is None:
        if not asks_for_sets(o.expr for o in outputs):
            return build.group_by(plan, keys, outputs)
        sets = [range(len(keys))]
    check_count(len(sets), next((k.expr.span for k in keys), None))
    return build.union_all([_by_one_set(plan, keys, outputs, chosen) for chosen in sets])


def asks_for_sets(exprs: Iterable[Expr]) -> bool:
    """Whether expressions ask which set a row is of."""
    return any(_is_grouping(e) for expr in exprs for e in walk(expr))


def _is_grouping(expr: Expr) -> bool:
    return isinstance(expr, Aggregate) and expr.function in GROUPING


def _by_one_set(plan: Plan, keys: Sequence[Named], outputs: Sequence[Named], chosen: Sequence[int]) -> Plan:
    held = set(chosen)
    absent = {k.expr: resolve(k.expr, plan.schema)[1] for n, k in enumerate(keys) if n not in held}

    def of_set(expr: Expr) -> Expr:
        if expr in absent:
            return Literal(None, absent[expr], span=expr.span)
        if isinstance(expr, Aggregate):
            known = [k.expr for k in keys]
            return _grouping(expr, known, absent) if _is_grouping(expr) else expr
        if not expr.children:
            return expr
        return expr.with_children(tuple(map(of_set, expr.children)))

    some = [keys[n] for n in sorted(held)]
    return build.group_by(plan, some, [Named(o.name, of_set(o.expr)) for o in outputs])


def _grouping(call: Aggregate, known: Sequence[Expr], absent: Container[Expr]) -> Literal:
    """What GROUPING is in the rows of one set."""
    wrong = next((a for a in call.children if a not in known), None)
    if wrong is not None or not call.args or call.distinct:
        raise PlanError(
            f"{call.function.upper()} takes keys of the grouping",
            code="plan-grouping",
            where=(wrong or call).span or call.span,
            found=str(wrong or call),
            choices=[str(k) for k in known],
        )
    bits = [str(int(a in absent)) for a in call.args]
    return Literal(int("".join(bits), 2), INT64, span=call.span)
