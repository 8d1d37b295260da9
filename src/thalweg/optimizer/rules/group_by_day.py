"""Group by the day itself, not by its text.

    GroupBy auction, day: count(*) AS n
      Project auction, date_format(ts, 'yyyy-MM-dd') AS day
    becomes
    Project auction, date_format(CAST(day AS TIMESTAMP(6)), 'yyyy-MM-dd') AS day, n
      GroupBy auction, day: count(*) AS n
        Project auction, CAST(ts AS DATE) AS day

A text of year, month and day says no more and no less than the day, but is dear to make, to hash and to
keep; this way it is made once per group instead of once per row. Only a pattern that names each of the three
once is taken, and only times without a zone.
"""

from __future__ import annotations

import re
from dataclasses import replace

from thalweg.base.types import DATE, STRING, Timestamp
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Call, Cast, Column, Expr, Literal, Named, columns_of
from thalweg.optimizer.expressions import is_sure
from thalweg.plan.nodes import GroupBy, Plan, Project

_SEPARATOR = re.compile(r"[-/. ]*")


def group_by_day(plan: Plan) -> Plan:
    """The grouping with days as keys, and their texts made from its result."""
    if not isinstance(plan, GroupBy) or not isinstance(plan.input, Project):
        return plan
    below = plan.input
    read = {n for a in plan.aggregates for n in columns_of(a.expr)}
    texts = {
        i.name: i.expr
        for i in below.items
        if i.name in plan.keys and i.name not in read and _is_day_text(i.expr, below)
    }
    if not texts:
        return plan
    items = tuple(Named(i.name, _day(texts[i.name])) if i.name in texts else i for i in below.items)
    grouped = replace(plan, input=replace(below, items=items))
    return Project(grouped, tuple(Named(n, _text(n, texts.get(n))) for n in plan.schema.names))


def _is_day_text(expr: Expr, below: Project) -> bool:
    if not isinstance(expr, Call) or expr.function != "date_format" or len(expr.args) != 2:
        return False
    time, pattern = expr.args
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        return False
    held = type_of(time, below.input.schema)
    is_naive = isinstance(held, Timestamp) and held.zone is None
    return is_naive and _is_day_pattern(pattern.value) and is_sure(_day(expr), below.input.schema)


def _is_day_pattern(pattern: str) -> bool:
    rest = pattern
    for part in ("yyyy", "MM", "dd"):
        if rest.count(part) != 1:
            return False
        rest = rest.replace(part, "")
    return _SEPARATOR.fullmatch(rest) is not None


def _day(text: Expr) -> Expr:
    assert isinstance(text, Call), "the text of a time"
    return Cast(text.args[0], DATE)


def _text(name: str, made: Expr | None) -> Expr:
    if made is None:
        return Column(name)
    assert isinstance(made, Call), "the text of a time"
    return Call("date_format", (Cast(Column(name), Timestamp()), Literal(_pattern(made), STRING)))


def _pattern(made: Call) -> str:
    pattern = made.args[1]
    assert isinstance(pattern, Literal), "looked at before"
    return str(pattern.value)
