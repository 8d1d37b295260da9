"""Bind aggregates over the rows around each row: `SUM(x) OVER (PARTITION BY … ORDER BY … RANGE …)`.

Not here: numbers of rows (ranks.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from thalweg.base.types import INT64
from thalweg.expr.nodes import Aggregate, Column, Expr, Literal, Named
from thalweg.plan.nodes import Plan
from thalweg.plan.over import NEED_ORDER, RANKED, SHIFTED, Frame, over
from thalweg.sql import problems
from thalweg.sql.bind import literals
from thalweg.sql.bind.calls import function_name
from thalweg.sql.bind.later import AGGREGATES_LATER
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
    is_distinct: bool = False
    number: Literal | None = None
    """How many rows away LAG and LEAD look, behind the first argument; the number of parts of NTILE."""

    @property
    def expressions(self) -> tuple[exp.Expr, ...]:
        """What must be columns before the rows can be looked at."""
        conditions = () if self.condition is None else (self.condition,)
        return (*self.partition, *(o.this for o in self.order), *self.arguments, *conditions)

    def apply(self, plan: Plan, columns: Iterator[tuple[str, Expr]], output: str, by: Sequence[str]) -> Plan:
        """Compute the aggregate; `columns` gives each expression and its column, `by` more to part by."""
        partition = [*by, *(next(columns)[0] for _ in self.partition)]
        order = [sort_key(next(columns)[0], o) for o in self.order]
        arguments = [_read(next(columns), is_first=i == 0) for i, _ in enumerate(self.arguments)]
        if self.number is not None:
            arguments.insert(1, self.number)
        call = Aggregate(self.function, tuple(arguments), self.is_distinct, span=span_of(self.node))
        if self.condition is not None:
            call = replace(call, filter=_read(next(columns)))
        where = span_of(self.node)
        return over(plan, partition, order, self.frame, [Named(output, call)], where=where)


def _read(made: tuple[str, Expr], *, is_first: bool = False) -> Expr:
    """What a call reads: a column, or a constant, which may fit where a column of its type does not."""
    name, expr = made
    return expr if isinstance(expr, Literal) and not is_first else Column(name, span=expr.span)


def sliding(node: exp.Expr, named: Mapping[str, exp.Expr]) -> Sliding:
    """The aggregate that an OVER in the list asks for; `named` are the windows of WINDOW."""
    call, condition = node.this, None
    if isinstance(call, exp.Filter):
        call, condition = call.this, call.expression
    if not isinstance(call, exp.Anonymous):
        raise problems.not_yet("OVER behind this is", span_of(node))
    name = function_name(call)
    if name.lower() in AGGREGATES_LATER:
        raise problems.not_yet(f"{name.upper()} is", span_of(node))
    arguments = tuple(call.expressions)
    is_distinct = bool(arguments) and isinstance(arguments[0], exp.Distinct)
    if is_distinct:
        arguments = tuple(arguments[0].expressions)
    if name.lower() == "count" and any(isinstance(a, exp.Star) for a in arguments):
        arguments = ()
    number, at = None, 1 if name.lower() in SHIFTED else 0
    if name.lower() in (*SHIFTED, "ntile") and len(arguments) > at:
        number = _number(name, arguments[at])
        arguments = (*arguments[:at], *arguments[at + 1 :])
    window = window_of(node, named)
    order = window.args.get("order")
    if order is None and (name.lower() in NEED_ORDER or window.args.get("spec") is not None):
        raise problems.meaning(
            f"{name.upper()} with OVER needs an order",
            span_of(node),
            code="sql-missing-order",
            expected=f"{name.upper()}(…) OVER (PARTITION BY … ORDER BY time …)",
        )
    partition = tuple(window.args.get("partition_by") or ())
    if name.lower() in (*SHIFTED, *RANKED) and window.args.get("spec") is not None:
        what = "one row" if name.lower() in SHIFTED else "whole partitions"
        raise problems.meaning(f"{name.upper()} looks at {what} and takes no ROWS or RANGE", span_of(window))
    order = () if order is None else tuple(order.expressions)
    frame = _frame(window)
    return Sliding(name.lower(), arguments, partition, order, frame, node, condition, is_distinct, number)


def _number(name: str, node: exp.Expr) -> Literal:
    """How many rows LAG and LEAD go, or how many parts there are."""
    if isinstance(node, exp.Literal) and str(node.this).isdigit():
        return Literal(int(node.this), INT64, span=span_of(node))
    what = "parts, 1 or more" if name.lower() == "ntile" else "rows, 0 or more"
    raise problems.meaning(
        f"{name.upper()} needs a whole number of {what}", span_of(node), code="plan-over-frame"
    )


def _frame(window: exp.Expr) -> Frame:
    """Which rows count; without a word about it, all up to the current time."""
    spec = window.args.get("spec")
    if spec is None:
        return Frame()
    is_rows = str(spec.args["kind"]).upper() == "ROWS"
    start = _far(window, spec.args["start"], spec.args.get("start_side"), is_rows=is_rows)
    end, side = spec.args.get("end"), spec.args.get("end_side")
    if end is None:
        return Frame(is_rows, start)
    # a frame that starts with the last row, or ends with the first
    if start is None and spec.args["start_side"] == "FOLLOWING":
        raise problems.meaning("a frame cannot start behind all rows", span_of(window), hint=_FRAME)
    behind = _far(window, end, side, is_rows=is_rows)
    if behind is None and side == "PRECEDING":
        raise problems.meaning("a frame cannot end before all rows", span_of(window), hint=_FRAME)
    return Frame(is_rows, start, None if behind is None else -behind)


def _far(window: exp.Expr, bound: object, side: object, *, is_rows: bool) -> int | None:
    """How many rows, or microseconds, before the current row a bound is; None: without end."""
    if bound == "UNBOUNDED":
        return None
    if bound == "CURRENT ROW":
        return 0
    far = None
    if is_rows and isinstance(bound, exp.Literal) and str(bound.this).isdigit():
        far = int(bound.this)
    if not is_rows and isinstance(bound, IntervalLiteral):
        far = literals.micros(bound)
    if far is None or far < 0:
        wanted = "a whole number of rows" if is_rows else "an INTERVAL of time"
        raise problems.meaning(
            f"the frame needs {wanted} PRECEDING or FOLLOWING", span_of(window), hint=_FRAME
        )
    return far if side == "PRECEDING" else -far
