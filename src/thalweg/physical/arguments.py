"""Give aggregates columns of their own: what they compute of a row is computed before the grouping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from thalweg.base.schema import Schema
from thalweg.base.types import BOOLEAN
from thalweg.expr import aggregates
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Aggregate, Call, Column, Literal, Named
from thalweg.plan.nodes import GroupBy, Project


def call_of(named: Named) -> Aggregate:
    """The aggregate of one output of a grouping."""
    call = named.expr
    assert isinstance(call, Aggregate), "a grouping holds aggregates"
    entry = aggregates.lookup(call.function)
    if entry.prepare is not None:
        call = replace(call, args=(entry.prepare(call.args[0]), *call.args[1:]))
    return replace(call, distinct=(call.distinct or entry.counts_different) and not entry.ignores_repeats)


def counts_values(call: Aggregate) -> bool:
    """Whether each value must be counted, to tell when it comes and goes; lists keep their values anyway."""
    return call.distinct and not aggregates.lookup(call.function).is_ordered


def needs_rows(call: Aggregate) -> bool:
    """Whether an aggregate looks at values one by one, so that sums of a part of a group do not do."""
    return call.distinct or aggregates.lookup(call.function).is_ordered


def named_calls(plan: GroupBy, calls: Sequence[Aggregate]) -> list[tuple[str, Aggregate]]:
    """Each aggregate over columns alone: arguments and conditions are computed before."""
    done = []
    for named, call in zip(plan.aggregates, calls, strict=True):
        bare = not call.args and call.filter is None
        args = () if bare else (Column(argument_name(call, plan.keys)), *call.args[1:])
        done.append((named.name, replace(call, args=args, filter=None)))
    return done


def argument_name(call: Aggregate, keys: Sequence[str]) -> str:
    """The name of the column that holds an aggregate's argument; equal arguments share one."""
    if call.filter is None and isinstance(call.args[0], Column) and call.args[0].name not in keys:
        return call.args[0].name
    text = ", ".join(map(str, call.args))
    return f"__arg {text}" + ("" if call.filter is None else f" if {call.filter}")


def arguments(calls: Sequence[Aggregate], keys: Sequence[str], schema: Schema) -> list[Named]:
    """The columns that the aggregates read: a condition makes an argument NULL where it is not true."""
    made: dict[str, Named] = {}
    for call in calls:
        if not call.args and call.filter is None:
            continue
        value = call.args[0] if call.args else Literal(value=True, type=BOOLEAN)
        if call.filter is not None:
            value = Call("case", (call.filter, value, Literal(None, type_of(value, schema))))
        name = argument_name(call, keys)
        made.setdefault(name, Named(name, value))
    return list(made.values())


def over_columns(plan: GroupBy) -> GroupBy:
    """The same grouping over columns alone: what its aggregates compute of a row is computed before."""
    calls = tuple(call_of(a) for a in plan.aggregates)
    if all(c.filter is None and all(isinstance(a, Column) for a in c.args) for c in calls):
        return replace(plan, aggregates=tuple(map(Named, (a.name for a in plan.aggregates), calls)))
    items = [*(Named(k, Column(k)) for k in plan.keys), *arguments(calls, plan.keys, plan.input.schema)]
    over = tuple(Named(n, c) for n, c in named_calls(plan, calls))
    return replace(plan, input=Project(plan.input, tuple(items)), aggregates=over)
