"""Hold the OVERs inside larger expressions of a list: each becomes a column, which the expression reads.

    price - LAG(price) OVER (PARTITION BY auction ORDER BY t)

is a column that is computed as if it stood in the list alone, and a subtraction behind it.

Not here: what an OVER computes (over.py, ranks.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlglot import exp

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.expr.nodes import Aggregate, Column, Expr, walk
from thalweg.sql import problems
from thalweg.sql.source import span_of, text_of


@dataclass
class Overs:
    """The columns of OVERs.

    Attributes:
        nodes: the OVER that each column shows.
    """

    nodes: dict[str, exp.Expr] = field(default_factory=dict)

    def column(self, node: exp.Expr) -> Column:
        """The column of an OVER; the same one if it is written twice."""
        name = next((n for n, known in self.nodes.items() if known == node), None)
        if name is None:
            name = f"{SYSTEM_PREFIX}over{len(self.nodes)}"
            self.nodes[name] = node
        return Column(name, span=span_of(node), written=text_of(node))

    def check(self, exprs: Iterable[Expr]) -> None:
        """Say where an aggregate would need a column that is computed behind it."""
        for call in (e for expr in exprs for e in walk(expr) if isinstance(e, Aggregate)):
            for inner in walk(call):
                if isinstance(inner, Column) and inner.name in self.nodes:
                    node = self.nodes[inner.name]
                    raise problems.meaning(
                        "a window function (OVER) cannot stand inside an aggregate",
                        span_of(node),
                        code="sql-misplaced-window",
                        hint="compute it in a sub-query and aggregate its column outside",
                    )
