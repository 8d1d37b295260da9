"""Read and carry only the columns, and the members of rows, that some result needs.

    Project bid.price
      Scan events [*]
    becomes
    Project bid.price
      Scan events [bid{price}]

All plans of the job are looked at together: what one of them needs, a shared step makes for all. Steps that
keep or repeat rows (windows, numberings, joins) get a projection below them where their input makes more. A
scan that keeps bad rows apart reads everything, since a row may be bad by a column that nobody needs.
"""

from __future__ import annotations

from dataclasses import replace

from thalweg.base.schema import STAMP
from thalweg.base.types import Struct
from thalweg.expr.nodes import Column, Named
from thalweg.optimizer.columns import Members, Need, cheapest, needs_of, read_below
from thalweg.optimizer.optimize import Roots, over
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.nodes import GroupBy, Join, Plan, Project, Rank, Scan, SessionWindow, Union, Window
from thalweg.plan.over import Over
from thalweg.plan.sort import Sort


def prune_columns(plan: Plan) -> Plan:
    """All plans of a job without the columns that none of them needs."""
    if not isinstance(plan, Roots):
        return plan
    needs = needs_of(plan)
    done: dict[Plan, Plan] = {}
    for step in reversed(needs):
        inputs = [done[p] for p in step.inputs]
        if isinstance(step, (Over, Rank, Sort, Window, SessionWindow)):
            inputs = [_narrowed(inputs[0], read_below(step, needs[step])[0])]
        elif isinstance(step, (Join, AsOfJoin)):
            read = read_below(step, needs[step])
            inputs = [_narrowed(p, r) for p, r in zip(inputs, read, strict=True)]
        elif isinstance(step, Union):
            inputs = [_narrowed(p, needs[step]) for p in inputs]
        done[step] = _pruned(over(step, inputs), needs[step])
    return done[plan]


def _narrowed(plan: Plan, need: Need) -> Plan:
    """The rows with the needed columns only."""
    names = [n for n in plan.schema.names if n in need]
    if len(names) == len(plan.schema) or not names:
        return plan
    return Project(plan, tuple(Named(n, Column(n)) for n in names))


def _pruned(step: Plan, need: Need) -> Plan:
    if isinstance(step, Scan):
        return _scan(step, need)
    if isinstance(step, Project):
        items = tuple(i for i in step.items if i.name in need)
        return step if len(items) == len(step.items) else replace(step, items=items)
    if isinstance(step, GroupBy):
        kept = tuple(a for a in step.aggregates if a.name in need)
        return step if len(kept) == len(step.aggregates) else replace(step, aggregates=kept)
    if isinstance(step, Rank) and step.output is not None and step.output not in need:
        return replace(step, output=None)
    return step


def _scan(step: Scan, need: Need) -> Scan:
    if step.is_tolerant:
        return step
    # what a source makes is read, and rows need at least one such column
    names = [n for n in step.read.names if n in need] or [cheapest(step.read)]
    fields = tuple((n, _members(step, n, need.get(n, frozenset()))) for n in names)
    made = replace(step, fields=fields, stamp=step.stamp if STAMP in need else None)
    return step if made.schema == step.schema else made


def _members(step: Scan, name: str, wanted: Members) -> tuple[str, ...] | None:
    """The members to read of a column, in their order; None for all that the source has."""
    held, full = step.schema.type_of(name), step.source.schema.type_of(name)
    if not isinstance(held, Struct) or not isinstance(full, Struct):
        return None
    kept = tuple(f.name for f in held.fields if wanted is None or f.name in wanted)
    return None if len(kept) == len(full.fields) else kept
