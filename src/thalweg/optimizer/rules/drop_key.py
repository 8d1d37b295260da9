"""Forget that a key was declared, once all has been derived from it.

    Filter (price > 5)
      Key id
        Scan
    becomes
    Filter (price > 5)
      Scan

A step that does nothing would stand in the way of other rules.
"""

from __future__ import annotations

from thalweg.plan.keys import DeclaredKey
from thalweg.plan.nodes import Plan


def drop_key(plan: Plan) -> Plan:
    """The rows without the declaration."""
    return plan.input if isinstance(plan, DeclaredKey) else plan
