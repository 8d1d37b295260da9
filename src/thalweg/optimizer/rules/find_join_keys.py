"""Join by what WHERE says of both inputs.

    Filter (a = c)
      Join inner on everything
        Scan t [*]
        Scan u [*]
    becomes
    Join inner on a = c
      Scan t [*]
      Scan u [*]

An equality becomes a pair of keys, by which rows are looked up instead of being tried in pairs; any other
condition on both inputs is tested when a pair is found. Sides of equalities that are no columns are computed
below. Only conditions that are sure (no error, no user's code) move: the others go on seeing only the pairs
that fulfil what stands before them. Comparisons of times do not move either: by them the join would keep rows
for a while only, and some would be late (SQL's binder puts those where they belong, see plan/join.py).
"""

from __future__ import annotations

from dataclasses import replace

from thalweg.expr.nodes import Column, Expr, Named, columns_of, conjunction, conjuncts
from thalweg.optimizer.expressions import is_movable, is_sure
from thalweg.plan.join import KeyFinder
from thalweg.plan.nodes import Filter, Join, Plan, Project
from thalweg.plan.time_bounds import says_order


def find_join_keys(plan: Plan) -> Plan:
    """The join by the conditions on both of its inputs."""
    if not isinstance(plan, Filter) or not isinstance(plan.input, Join) or plan.input.kind != "inner":
        return plan
    join = plan.input
    keys = KeyFinder(join.left, join.right, join.keys)
    kept: list[Expr] = []
    residual = [] if join.residual is None else conjuncts(join.residual)
    for part in conjuncts(plan.condition):
        if not _reads_both(part, join) or not is_sure(part, join.schema) or says_order(part, join):
            kept.append(part)
        elif not (_is_equality(part, keys, join) and keys.take(part)):
            residual.append(part)
    if len(kept) == len(conjuncts(plan.condition)):
        return plan
    made: Plan = replace(
        join,
        left=keys.left.plan,
        right=keys.right.plan,
        keys=tuple(keys.pairs),
        residual=conjunction(residual) if residual else None,
    )
    if made.schema.names != join.schema.names:
        made = Project(made, tuple(Named(n, Column(n)) for n in join.schema.names))
    return replace(plan, input=made, condition=conjunction(kept)) if kept else made


def _reads_both(part: Expr, join: Join) -> bool:
    used = columns_of(part)
    return bool(used & set(join.left.schema.names)) and bool(used & set(join.right.schema.names))


def _is_equality(part: Expr, keys: KeyFinder, join: Join) -> bool:
    """Whether a condition is an equality whose sides may be computed for every row."""
    sides = keys.sides(part)
    if sides is None:
        return False
    return is_movable(sides[0], join.left.schema) and is_movable(sides[1], join.right.schema)
