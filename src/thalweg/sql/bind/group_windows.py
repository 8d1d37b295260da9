"""Bind the older window functions, in GROUP BY.

`TUMBLE(time, size)`, `HOP(time, slide, size)` and `SESSION(time, gap)` mean the table functions of the same
names, over the rows that WHERE keeps; the key of a session is what else is grouped by. `TUMBLE_START`,
`TUMBLE_END` and `TUMBLE_ROWTIME`, with the same arguments, are columns of the window (calls.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from thalweg.base.schema import SYSTEM_PREFIX
from thalweg.expr.nodes import Column, Expr, Named
from thalweg.plan import build
from thalweg.plan.nodes import Plan
from thalweg.progress.sessions import SessionSpec
from thalweg.progress.windows import WindowSpec
from thalweg.sql import problems
from thalweg.sql.bind.calls import GROUP_WINDOWS, function_name
from thalweg.sql.bind.context import Context, placed
from thalweg.sql.bind.expressions import ExpressionBinder
from thalweg.sql.bind.group_keys import key_sets
from thalweg.sql.bind.scope import Scope
from thalweg.sql.bind.windows import window_length
from thalweg.sql.source import span_of

_EXAMPLES = {
    "TUMBLE": "TUMBLE(time, INTERVAL '10' SECOND)",
    "HOP": "HOP(time, INTERVAL '5' SECOND, INTERVAL '10' SECOND), slide before size",
    "SESSION": "SESSION(time, INTERVAL '10' SECOND)",
}


def with_group_window(select: exp.Expr, scope: Scope, context: Context) -> Scope:
    """The scope with the columns of the window that GROUP BY asks for; as it is, if there is none."""
    group = select.args.get("group")
    sets = key_sets(group)
    # the same node may be in several sets
    nodes = list({id(n): n for each in sets for n in each}.values())
    found = [n for n in nodes if _is_window(n, context)]
    if not found:
        return scope
    if len(found) > 1:
        raise problems.meaning(
            "GROUP BY takes one window", span_of(found[1]), hint="group in a sub-query by the first one"
        )
    kind = function_name(found[0]).upper()
    if len(sets) > 1 and (kind == "SESSION" or not all(any(n is found[0] for n in each) for each in sets)):
        what = "GROUPING SETS of a SESSION" if kind == "SESSION" else "a window in some of the GROUPING SETS"
        hint = f"GROUP BY {kind}(…), ROLLUP (…) has the window in every set" if kind != "SESSION" else None
        raise problems.not_yet(f"{what} is", span_of(found[0]), hint=hint)
    binder = ExpressionBinder(scope, context.catalog, "GROUP BY")
    others = [binder.bind(n) for n in nodes if n is not found[0]]
    plan = _windowed(scope.plan, found[0], binder, others)
    return replace(scope, plan=placed(plan, found[0]), window=found[0])


def _is_window(node: exp.Expr, context: Context) -> bool:
    if not isinstance(node, exp.Anonymous) or context.catalog.function(function_name(node)) is not None:
        return False
    return function_name(node).upper() in GROUP_WINDOWS


def _windowed(plan: Plan, node: exp.Expr, binder: ExpressionBinder, others: Sequence[Expr]) -> Plan:
    kind = function_name(node).upper()
    count = 3 if kind == "HOP" else 2
    column = binder.bind(node.expressions[0]) if len(node.expressions) == count else None
    if not isinstance(column, Column):
        raise problems.meaning(
            f"these arguments do not fit {kind}",
            span_of(node),
            code="sql-window-arguments",
            expected=_EXAMPLES[kind],
        )
    lengths = [window_length(a, kind, is_length=True, example=_EXAMPLES[kind]) for a in node.expressions[1:]]
    if kind == "SESSION":
        plan, keys = _with_keys(plan, others)
        return build.session(plan, column.name, SessionSpec(lengths[0], keys), where=column.span)
    if lengths[0] > lengths[-1]:
        raise problems.meaning(
            "the slide of HOP is longer than its size, so that rows between windows would be lost",
            span_of(node.expressions[1]),
            code="sql-window-size",
            hint=_EXAMPLES[kind],
        )
    spec = WindowSpec("hopping" if kind == "HOP" else "tumbling", lengths[-1], lengths[0])
    return build.window(plan, column.name, spec, where=column.span)


def _with_keys(plan: Plan, keys: Sequence[Expr]) -> tuple[Plan, tuple[str, ...]]:
    """The plan with a column for each key."""
    names: list[str] = []
    added: list[Named] = []
    for key in keys:
        if not isinstance(key, Column):
            added.append(Named(f"{SYSTEM_PREFIX}key_of_session{len(added)}", key))
        names.append(key.name if isinstance(key, Column) else added[-1].name)
    return (build.with_columns(plan, added) if added else plan), tuple(dict.fromkeys(names))
