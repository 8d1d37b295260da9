"""Let groups and numberings forget keys that get no more rows.

    GroupBy id: MAX(price)
      Project id, price
        Join inner on id = auction AND ts BETWEEN opened AND expires
    becomes
    GroupBy id until __closes: MAX(price)
      Project id, price, expires AS __closes
        Join inner …

Where the key of an input of a join in time has been declared, all pairs of one key end when its one row can
find no partner any more. What a key's rows have made until then stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

from thalweg.expr.nodes import Column, Named
from thalweg.plan.keys import timed
from thalweg.plan.nodes import GroupBy, Plan, Project, Rank
from thalweg.plan.properties import closing_window, properties, ranked_window


def close_groups(plan: Plan) -> Plan:
    """The step, told when its keys get no more rows."""
    if isinstance(plan, GroupBy):
        if plan.closes is not None or not plan.keys or closing_window(plan) is not None:
            return plan
        keys = plan.keys
    elif isinstance(plan, Rank):
        if plan.closes is not None or not plan.partition or ranked_window(plan) is not None:
            return plan
        keys = plan.partition
    else:
        return plan
    if properties(plan.input).is_updating:
        return plan
    found = timed(plan.input, keys)
    if found is None:
        return plan
    made = replace(plan, input=found.input, closes=(found.column, found.slack_us))
    if made.schema == plan.schema:
        return made
    return Project(made, tuple(Named(n, Column(n)) for n in plan.schema.names))
