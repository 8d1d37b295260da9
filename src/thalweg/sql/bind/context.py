"""What every part of the binder of queries needs to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from thalweg.plan.nodes import Plan
from thalweg.sql.catalog import Catalog
from thalweg.sql.source import span_of


@dataclass(frozen=True)
class Context:
    """The catalog, the queries named by WITH, and the way to bind a query inside a query."""

    catalog: Catalog
    query: Callable[[exp.Expr, Context], Plan]
    named: Mapping[str, Plan]

    def naming(self, name: str, plan: Plan) -> Context:
        """The same with one more named query."""
        return replace(self, named={**self.named, name: plan})


def placed(plan: Plan, node: exp.Expr | None) -> Plan:
    """The plan's last step with the place it was written at."""
    return plan if node is None or plan.span is not None else replace(plan, span=span_of(node))
