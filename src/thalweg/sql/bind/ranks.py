"""Bind the numbering of rows: `ROW_NUMBER() OVER (…)`, `RANK() OVER (…)` and `DENSE_RANK() OVER (…)`.

Not here: aggregates with OVER (over.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from thalweg.expr.nodes import Expr
from thalweg.plan import build
from thalweg.plan.nodes import Plan, SortKey
from thalweg.sql import problems
from thalweg.sql.bind.calls import function_name
from thalweg.sql.source import span_of

_KINDS = {"ROW_NUMBER": "row_number", "RANK": "rank", "DENSE_RANK": "dense_rank"}


@dataclass(frozen=True)
class Numbering:
    """One numbering of rows, its expressions not yet columns."""

    kind: str
    partition: tuple[exp.Expr, ...]
    order: tuple[exp.Ordered, ...]
    node: exp.Expr

    @property
    def expressions(self) -> tuple[exp.Expr, ...]:
        """What must be columns before the rows can be numbered."""
        return (*self.partition, *(o.this for o in self.order))

    def apply(self, plan: Plan, columns: Iterator[tuple[str, Expr]], output: str, by: Sequence[str]) -> Plan:
        """Number the rows; `columns` gives each expression and its column, `by` more to part by."""
        partition = [*by, *(next(columns)[0] for _ in self.partition)]
        keys = [sort_key(next(columns)[0], o) for o in self.order]
        return build.rank(plan, partition, keys, kind=self.kind, output=output, where=span_of(self.node))


def sort_key(column: str, node: exp.Ordered) -> SortKey:
    """What ORDER BY says of a column."""
    descending = bool(node.args.get("desc"))
    nulls_first = bool(node.args.get("nulls_first"))
    # None stands for the default, so that equal orders are equal values
    return SortKey(column, descending, None if nulls_first is not descending else nulls_first)


def is_numbering(node: exp.Expr) -> bool:
    """Whether an OVER numbers rows."""
    call = node.this
    return isinstance(call, exp.Anonymous) and function_name(call).upper() in _KINDS


def numbering(node: exp.Expr, named: Mapping[str, exp.Expr]) -> Numbering:
    """The numbering that an OVER in the list asks for; `named` are the windows of WINDOW."""
    call = node.this
    name = function_name(call).upper()
    if call.expressions:
        raise problems.meaning(f"{name}() takes no arguments", span_of(call))
    window = window_of(node, named)
    if window.args.get("spec") is not None:
        raise problems.meaning(
            f"{name}() numbers whole partitions and takes no ROWS or RANGE", span_of(window)
        )
    order = window.args.get("order")
    if order is None:
        raise problems.meaning(
            f"{name}() needs an order",
            span_of(node),
            code="sql-missing-order",
            expected=f"{name}() OVER (PARTITION BY … ORDER BY …)",
        )
    return Numbering(
        _KINDS[name], tuple(window.args.get("partition_by") or ()), tuple(order.expressions), node
    )


def window_of(node: exp.Expr, named: Mapping[str, exp.Expr]) -> exp.Expr:
    """The window that holds partition and order: the one written here, or one of WINDOW."""
    alias = node.args.get("alias")
    if alias is None:
        return node
    if node.args.get("partition_by") or node.args.get("order"):
        raise problems.not_yet("adding to a named window is", span_of(node))
    found = named.get(alias.name)
    if found is None:
        raise problems.meaning(
            f'there is no window "{alias.name}"',
            span_of(alias),
            code="sql-unknown-window",
            hint=problems.near(alias.name, named),
        )
    return found
