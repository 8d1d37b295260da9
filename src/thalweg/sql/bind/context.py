"""What every part of the binder of queries needs to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from thalweg.expr.nodes import Expr
from thalweg.plan.attach import Pair
from thalweg.plan.nodes import Plan
from thalweg.sql.bind.scope import Outer
from thalweg.sql.catalog import Catalog
from thalweg.sql.source import span_of


@dataclass
class Around:
    """The tables around a query, and what binding the query finds out about how its rows belong to theirs.

    Attributes:
        outer: the tables.
        plans: where rows of them can be had, to see for which values the query is asked.
        pairs: the expressions over the tables around, and the columns of the query that belong to them.
        when_empty: the values of the list where no row is aggregated; None if there is no row then.
    """

    outer: Outer
    plans: tuple[Plan, ...]
    pairs: list[Pair] = field(default_factory=list)
    when_empty: tuple[Expr, ...] | None = None


@dataclass(frozen=True)
class Context:
    """The catalog, the queries named by WITH, and the way to bind a query inside a query.

    Attributes:
        around: the tables around the query; None for a query by itself.
        is_whole: whether nothing stands around the query, so that its rows keep their order.
    """

    catalog: Catalog
    query: Callable[[exp.Expr, Context], Plan]
    named: Mapping[str, Plan]
    around: Around | None = None
    is_whole: bool = False

    @property
    def may_broadcast(self) -> bool:
        """Whether joins may read a small input first, and send it to all tasks."""
        return self.catalog.settings.get("table.optimizer.broadcast-join", "true").lower() == "true"

    @property
    def apart(self) -> Context:
        """For a part of the query that cannot name the tables around it."""
        if self.around is None or not self.around.outer.is_open:
            return self
        return replace(self, around=Around(replace(self.around.outer, is_open=False), ()))

    @property
    def outer(self) -> Outer | None:
        """The tables around the query."""
        return None if self.around is None else self.around.outer

    def naming(self, name: str, plan: Plan) -> Context:
        """The same with one more named query."""
        return replace(self, named={**self.named, name: plan})


def placed(plan: Plan, node: exp.Expr | None) -> Plan:
    """The plan's last step with the place it was written at."""
    return plan if node is None or plan.span is not None else replace(plan, span=span_of(node))
