"""Plan aggregates over different values: what rows carry for them, and the tasks that count values.

Not here: the operators (operators/distinct.py), groupings without such aggregates (grouping.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.base.types import BOOLEAN, DataType
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Aggregate, Call, Column, Expr, Literal, Named
from thalweg.job.job import Edge
from thalweg.operators.aggregation import GroupingSpec
from thalweg.operators.distinct import DistinctSpec, SpreadSpec
from thalweg.physical.arguments import argument_name, counts_values

if TYPE_CHECKING:
    from thalweg.base.schema import Schema
    from thalweg.physical.planner import OpenStage, Planner


@dataclass
class Values:
    """One argument of which different values are aggregated.

    Attributes:
        column: the column of the values, and what it holds.
        conditions: by the label of the aggregates' argument the column that says when a value counts.
    """

    column: Named
    type: DataType
    conditions: dict[str, Named | None] = field(default_factory=dict)


def find_values(calls: Sequence[Aggregate], keys: Sequence[str], schema: Schema) -> list[Values]:
    """The arguments of aggregates over different values, each once."""
    found: dict[str, Values] = {}
    for call in calls:
        if not counts_values(call):
            continue
        plain = replace(call, filter=None)
        name = argument_name(plain, keys)
        values = found.setdefault(name, Values(Named(name, call.args[0]), type_of(call.args[0], schema)))
        values.conditions[label(call, keys)] = None if call.filter is None else _condition(call.filter)
    return list(found.values())


def label(call: Aggregate, keys: Sequence[str]) -> str:
    """The argument of an aggregate over different values; no row has a column of that name."""
    tail = "" if call.filter is None else f" if {call.filter}"
    return f"{SYSTEM_PREFIX}distinct {argument_name(replace(call, filter=None), keys)}{tail}"


def _condition(condition: Expr) -> Named:
    """A column that is NULL where the condition is not true."""
    yes = Literal(value=True, type=BOOLEAN)
    return Named(f"{SYSTEM_PREFIX}if {condition}", Call("case", (condition, yes, Literal(None, BOOLEAN))))


def columns_of_values(values: Sequence[Values]) -> list[Named]:
    """What rows carry for them, each once."""
    items = [i for v in values for i in (v.column, *v.conditions.values()) if i is not None]
    return list(dict.fromkeys(items))


def place_values(
    planner: Planner,
    stage: OpenStage,
    shape: GroupingSpec,
    values: Sequence[Values],
    *,
    rows: Sequence[str],
    exchange: tuple[str, ...],
) -> OpenStage:
    """Send rows to their groups and to the tasks that own their values, and these on to the groups.

    Args:
        planner: of the job.
        stage: makes the rows.
        shape: the grouping.
        values: what is aggregated by different values.
        rows: the columns of rows that are not added up.
        exchange: the columns by which groups are shared out.
    """
    pairs = [_pairs(shape, v) for v in values]
    ports = [f"values{number}" for number in range(1, len(pairs) + 1)]
    step = f"{stage.id}.spread{len(stage.operators)}"
    stage.add(SpreadSpec(step, shape, tuple(rows), shape.partials, tuple(zip(ports, pairs, strict=True))))
    owners = []
    for port, pair, each in zip(ports, pairs, values, strict=True):
        owner = planner.new_stage("distinct")
        planner.edges.append(Edge(stage.id, owner.id, "hash", pair.partition, output=port))
        owner.add(DistinctSpec(f"{owner.id}.values", pair, shape, each.column.name, tuple(each.conditions)))
        owners.append(owner)
    target = planner.exchanged(stage, exchange, "group")
    how = planner.edges[-1]
    planner.edges += [replace(how, source=owner.id) for owner in owners]
    return target


def _pairs(shape: GroupingSpec, values: Values) -> GroupingSpec:
    """How values are counted by group: once for each condition."""
    conditions = [c for c in values.conditions.values() if c is not None]
    calls = [
        (name, Aggregate("count", () if condition is None else (Column(condition.name),)))
        for name, condition in values.conditions.items()
    ]
    return replace(
        shape,
        keys={**shape.keys, values.column.name: values.type.polars},
        calls=tuple(calls),
        argument_types={c.name: BOOLEAN for c in conditions},
        fed=frozenset(),
        partials=True,
    )
