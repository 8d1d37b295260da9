"""Bind aggregates over the rows around each row: `SUM(x) OVER (PARTITION BY … ORDER BY … RANGE …)`.

Not here: numbers of rows (ranks.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from thalweg.expr.nodes import Aggregate, Column, Named
from thalweg.plan.nodes import Plan
from thalweg.plan.over import Frame, over
from thalweg.sql import problems
from thalweg.sql.bind import literals
from thalweg.sql.bind.calls import function_name
from thalweg.sql.bind.ranks import sort_key, window_of
from thalweg.sql.grammar.tree import IntervalLiteral
from thalweg.sql.source import span_of

_FRAME = "RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW, or ROWS 10 PRECEDING"


@dataclass(frozen=True)
class Sliding:
    """One aggregate over the rows around each row, its expressions not yet columns."""

    function: str
    arguments: tuple[exp.Expr, ...]
    partition: tuple[exp.Expr, ...]
    order: tuple[exp.Ordered, ...]
    frame: Frame
    node: exp.Expr
    condition: exp.Expr | None = None
    """What FILTER says."""

    @property
    def expressions(self) -> tuple[exp.Expr, ...]:
        """What must be columns before the rows can be looked at."""
        conditions = () if self.condition is None else (self.condition,)
        return (*self.partition, *(o.this for o in self.order), *self.arguments, *conditions)

    def apply(self, plan: Plan, columns: Iterator[str], output: str, by: Sequence[str]) -> Plan:
        """Compute the aggregate; `columns` gives the column of each expression, `by` more to part by."""
        partition = [*by, *(next(columns) for _ in self.partition)]
        order = [sort_key(next(columns), o) for o in self.order]
        call = Aggregate(self.function, tuple(Column(next(columns)) for _ in self.arguments))
        if self.condition is not None:
            call = replace(call, filter=Column(next(columns)))
        where = span_of(self.node)
        return over(plan, partition, order, self.frame, [Named(output, call)], where=where)


def sliding(node: exp.Expr, named: Mapping[str, exp.Expr]) -> Sliding:
    """The aggregate that an OVER in the list asks for; `named` are the windows of WINDOW."""
    call, condition = node.this, None
    if isinstance(call, exp.Filter):
        call, condition = call.this, call.expression
    if not isinstance(call, exp.Anonymous):
        raise problems.not_yet("OVER behind this is", span_of(node))
    name = function_name(call)
    arguments = tuple(call.expressions)
    if arguments and isinstance(arguments[0], exp.Distinct):
        raise problems.not_yet("DISTINCT with OVER is", span_of(node))
    if name.lower() == "count" and any(isinstance(a, exp.Star) for a in arguments):
        arguments = ()
    window = window_of(node, named)
    order = window.args.get("order")
    if order is None:
        raise problems.meaning(
            f"{name.upper()} with OVER needs an order",
            span_of(node),
            code="sql-missing-order",
            expected=f"{name.upper()}(…) OVER (PARTITION BY … ORDER BY time …)",
        )
    partition = tuple(window.args.get("partition_by") or ())
    frame = _frame(window)
    return Sliding(name.lower(), arguments, partition, tuple(order.expressions), frame, node, condition)


def _frame(window: exp.Expr) -> Frame:
    """Which rows count; without a word about it, all up to the current time."""
    spec = window.args.get("spec")
    if spec is None:
        return Frame()
    end, end_side = spec.args.get("end"), spec.args.get("end_side")
    ends_here = end is None or (end == "CURRENT ROW" and not end_side)
    start, side = spec.args["start"], spec.args.get("start_side")
    is_rows = str(spec.args["kind"]).upper() == "ROWS"
    if not ends_here or (side != "PRECEDING" and start != "CURRENT ROW"):
        raise problems.not_yet("a frame that reaches behind the current row is", span_of(window), hint=_FRAME)
    if start == "UNBOUNDED":
        return Frame(is_rows)
    if start == "CURRENT ROW":
        return Frame(is_rows, 0)
    if is_rows and isinstance(start, exp.Literal) and str(start.this).isdigit():
        return Frame(is_rows, int(start.this))
    if not is_rows and isinstance(start, IntervalLiteral):
        reach = literals.micros(start)
        if reach >= 0:
            return Frame(is_rows, reach)
    wanted = "a whole number of rows" if is_rows else "an INTERVAL of time"
    raise problems.meaning(f"the frame needs {wanted} PRECEDING", span_of(window), hint=_FRAME)
