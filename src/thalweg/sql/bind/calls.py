"""Find what a call by name means: a user's function, an aggregate, or a registered function.

Names are not case-sensitive. A user's function comes first, so that it can replace a built-in one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

import thalweg.expr.functions
from thalweg.base.types import DATE, STRING, TIME, TIMESTAMP, DataType
from thalweg.errors import Span, SqlError, near_misses
from thalweg.expr import aggregates, registry
from thalweg.expr.infer import PROCTIME
from thalweg.expr.nodes import Aggregate, Call, Cast, Column, Expr, Literal, PythonCall
from thalweg.plan.grouping_sets import GROUPING
from thalweg.plan.nodes import WINDOW_END, WINDOW_START, WINDOW_TIME
from thalweg.sql import problems
from thalweg.sql.bind.later import AGGREGATES_LATER, FUNCTIONS_LATER
from thalweg.sql.source import span_of, text_of

if TYPE_CHECKING:
    from thalweg.sql.bind.expressions import ExpressionBinder

assert thalweg.expr.functions, "importing it registers the functions"

_CLOCKS: dict[str, DataType | None] = {
    **dict.fromkeys((PROCTIME, "now", "current_timestamp", "current_row_timestamp")),
    **dict.fromkeys(("current_time", "localtime"), TIME),
    "current_date": DATE,
    "localtimestamp": TIMESTAMP,
}
"""Functions that say when a row was read, and the type that they give that time; None: its own."""
_CLOCKS_LATER = frozenset(("current_watermark", "unix_timestamp"))
GROUP_WINDOWS = ("TUMBLE", "HOP", "SESSION")
"""The window functions that may stand in GROUP BY."""
_BOUNDS = {"": WINDOW_START, "START": WINDOW_START, "END": WINDOW_END, "ROWTIME": WINDOW_TIME}
_OWN = "Python functions are registered with the session"
_TIMES_NEED = "compute with a time column of the rows instead"


def text_literal(text: str, node: exp.Expr) -> Literal:
    """A string as a literal."""
    return Literal(text, STRING, span=span_of(node))


def function_name(node: exp.Expr) -> str:
    """The name that a call was written with."""
    name = node.this
    return str(name.name if isinstance(name, exp.Expr) else name)


def bind_call(binder: ExpressionBinder, node: exp.Expr, filtered: exp.Expr | None) -> Expr:
    """A call; `filtered` is the condition of FILTER (WHERE …), which only aggregates take."""
    assert isinstance(node, exp.Anonymous), "the grammar reads calls itself"
    written = function_name(node)
    name = written.lower()
    user = binder.catalog.function(written)
    if user is None and (aggregates.has(name) or name in GROUPING):
        return _aggregate(binder, node, name, filtered)
    if user is None and _is_bound_of_window(name):
        return _bound_of_window(binder, node, written)
    if user is None and name in _CLOCKS:
        if node.expressions or filtered is not None:
            raise problems.meaning(f"{written.upper()}() takes no arguments", span_of(node))
        return _clock(_CLOCKS[name], span_of(node))
    args = _plain_arguments(binder, node, written, filtered)
    if user is not None:
        return PythonCall(user, args, span=span_of(node))
    if registry.has(name):
        return Call(name, args, span=span_of(node))
    raise _unknown(node, written)


def _clock(held: DataType | None, span: Span | None) -> Expr:
    """When a row was read."""
    read = Call(PROCTIME, (), span=span)
    return read if held is None else Cast(read, held, span=span)


def _is_bound_of_window(name: str) -> bool:
    kind, _, suffix = name.upper().partition("_")
    return kind in GROUP_WINDOWS and suffix in _BOUNDS


def _bound_of_window(binder: ExpressionBinder, node: exp.Expr, written: str) -> Expr:
    """`TUMBLE_START(time, size)` and its like: a column of the window that GROUP BY asks for."""
    kind, _, suffix = written.upper().partition("_")
    window = binder.scope.window
    if window is None or function_name(window).upper() != kind or window.expressions != node.expressions:
        raise problems.meaning(
            f"{written.upper()} belongs to a {kind} with the same arguments in GROUP BY",
            span_of(node),
            code="sql-window-arguments",
            hint=f"GROUP BY {kind}(…), or in FROM TABLE({kind}(TABLE t, DESCRIPTOR(time), …))",
        )
    return Column(_BOUNDS[suffix], span=span_of(node), written=text_of(node))


def _plain_arguments(
    binder: ExpressionBinder, node: exp.Expr, name: str, filtered: exp.Expr | None
) -> tuple[Expr, ...]:
    """The arguments of a function that sees one row at a time."""
    known = binder.catalog.function(name) is not None or registry.has(name)
    if known and filtered is not None:
        raise _only_aggregates("FILTER", name, filtered)
    if not known:
        raise _unknown(node, name)
    for arg in node.expressions:
        if isinstance(arg, (exp.Star, exp.Distinct)):
            raise _only_aggregates("*" if isinstance(arg, exp.Star) else "DISTINCT", name, arg)
    return tuple(binder.bind(a) for a in node.expressions)


def _only_aggregates(what: str, name: str, place: exp.Expr) -> SqlError:
    message = f'{what} belongs to aggregates, and "{name}" is none'
    return problems.meaning(message, span_of(place), hint="COUNT, SUM and the like take it")


def _aggregate(binder: ExpressionBinder, node: exp.Expr, name: str, filtered: exp.Expr | None) -> Expr:
    written: list[exp.Expr] = node.expressions
    distinct = bool(written) and isinstance(written[0], exp.Distinct)
    if distinct:
        written = written[0].expressions
    if any(isinstance(a, exp.Star) for a in written):
        if name != "count":
            raise problems.meaning(
                f"{name.upper()}(*) has no meaning",
                span_of(node),
                hint=f"{name.upper()}(column), or COUNT(*)",
            )
        written = []
    condition = None if filtered is None else binder.bind(filtered)
    args = tuple(binder.bind(a) for a in written)
    return Aggregate(name, args, distinct, condition, span=span_of(node))


def _unknown(node: exp.Expr, name: str) -> SqlError:
    lower = name.lower()
    if lower in _CLOCKS_LATER or lower.endswith("_proctime"):
        return problems.not_yet(f"{name.upper()} is", span_of(node), hint=_TIMES_NEED)
    if lower in ("row_number", "rank", "dense_rank"):
        return problems.meaning(
            f"{name.upper()}() needs OVER",
            span_of(node),
            code="sql-missing-order",
            expected=f"{name.upper()}() OVER (PARTITION BY … ORDER BY …)",
        )
    if lower in AGGREGATES_LATER:
        return problems.not_yet(f"{name.upper()} is", span_of(node))
    if lower in FUNCTIONS_LATER:
        return problems.not_yet(f"{name.upper()} is", span_of(node), hint=_OWN)
    near = near_misses(lower, [*registry.names(), *aggregates.names()])
    return SqlError(
        f'there is no function "{name}"',
        code="sql-unknown-function",
        where=span_of(node),
        hint=f'did you mean "{near[0]}"?' if near else _OWN,
    )
