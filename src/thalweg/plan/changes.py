"""Say which kinds of changes the output of a step has, as a stream: `+I`, `-U`, `+U`, `-D`.

A row that replaces another one with the same key is an update; where no columns tell rows apart, also where
there is one row only, it is a deletion and an insertion.

Not here: whether there are changes at all (properties.py), writing them (operators/changelog.py).
"""

from __future__ import annotations

from typing import Literal

from thalweg.plan.nodes import Filter, GroupBy, Limit, Plan, Rank, SessionWindow
from thalweg.plan.properties import properties

Change = Literal["I", "UB", "UA", "D"]
"""A row inserted, its value before an update, the one after it, a row deleted."""


def changes_of(plan: Plan) -> tuple[Change, ...]:
    """The kinds of changes, in the order of Flink's `changelogMode`.

    Example:
        >>> import thalweg as tw
        >>> rows = tw.Session().from_iter([(1, 2)], "a INT, b INT")
        >>> counted = rows.group_by("a").agg(n=tw.count())
        >>> changes_of(rows.plan), changes_of(counted.plan), changes_of(counted.filter(tw.col("n") > 1).plan)
        (('I',), ('I', 'UB', 'UA'), ('I', 'UB', 'UA', 'D'))
    """
    found = properties(plan)
    if not found.is_updating:
        return ("I",)
    if not found.keys or frozenset() in found.keys:
        return ("I", "D")
    return ("I", "UB", "UA", "D") if _may_delete(plan) else ("I", "UB", "UA")


def _may_delete(plan: Plan) -> bool:
    """Whether a row may go without another one of its key coming in its place."""
    if not properties(plan).is_updating:
        return False
    if isinstance(plan, GroupBy):
        # late rows make one session of two
        return properties(plan.input).is_updating or _has_sessions(plan.input)
    return isinstance(plan, (Filter, Limit, Rank)) or any(map(_may_delete, plan.inputs))


def _has_sessions(plan: Plan) -> bool:
    return isinstance(plan, SessionWindow) or any(map(_has_sessions, plan.inputs))


__all__ = ["Change", "changes_of"]
