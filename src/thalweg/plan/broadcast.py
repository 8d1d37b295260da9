"""Find joins that read one input to its end first, because it is small and stays as it is.

Such an input goes to every task of the other one, whose rows stay where they are and are never kept. The
choice is made when the join is built, by what the sources say of their size, so that what follows the join is
the same with and without the optimizer.

Reads:    the inputs of a join, and the sources below them.
Not here: how it is placed (physical/joining.py) and runs (operators/broadcast.py).
"""

from __future__ import annotations

from typing import Literal

from thalweg.plan.keys import DeclaredKey
from thalweg.plan.nodes import AssignWatermark, Filter, Join, Plan, Project, Scan, Union, Values
from thalweg.plan.time_bounds import orders
from thalweg.protocols.lookup import inner_of
from thalweg.protocols.source import Size, SizedSource

BROADCAST_ROWS_MAX = 100_000
BROADCAST_BYTES_MAX = 32 << 20
"""What an input may have to be sent to every task: each of them holds all of it."""

_MAY_BE_SMALL = {"right": ("inner", "left", "semi", "anti"), "left": ("inner", "right")}
"""The kinds of joins whose rows of an input are not emitted for want of a partner, by this input."""

Port = Literal["left", "right"]


def first_read(join: Join) -> Port | None:
    """The input that is read first: it is small, and the other one is not, or nothing is known of its size.

    Example:
        >>> from thalweg.plan.nodes import rows
        >>> first_read(Join(rows({"a": [1]}), rows({"b": [1]}), "inner")) is None
        True
    """
    small = [is_small(p) for p in join.inputs]
    if small[0] == small[1]:
        return None
    found: Port = "left" if small[0] else "right"
    if join.kind not in _MAY_BE_SMALL[found]:
        return None
    held = join.inputs[0 if found == "left" else 1]
    # event times of both inputs that are compared bound what is kept of either
    return None if _has_event_time(held) and any(True for _ in orders(join)) else found


def passing(join: Join) -> Plan | None:
    """The input whose rows pass one by one, where the other one is read first."""
    return None if join.first is None else join.inputs[1 if join.first == "left" else 0]


def is_small(plan: Plan) -> bool:
    """Whether so few rows come that every task can hold them all."""
    size = size_of(plan)
    if size is None or size.bytes > BROADCAST_BYTES_MAX:
        return False
    return size.rows is None or size.rows <= BROADCAST_ROWS_MAX


def size_of(plan: Plan) -> Size | None:
    """At most how many rows and bytes the sources of a plan have that treats each row by itself."""
    if isinstance(plan, Values):
        return None if plan.stamp else Size(plan.frame.height, int(plan.frame.estimated_size()))
    if isinstance(plan, Scan):
        source = inner_of(plan.source)
        is_known = plan.source.is_bounded and plan.stamp is None and isinstance(source, SizedSource)
        return source.size() if is_known else None  # type: ignore[attr-defined]  # a sized source
    if not isinstance(plan, (Project, Filter, AssignWatermark, DeclaredKey, Union)):
        return None
    total = Size(0, 0)
    for below in plan.inputs:
        size = size_of(below)
        if size is None:
            return None
        total = total.plus(size)
    return total


def _has_event_time(plan: Plan) -> bool:
    return isinstance(plan, AssignWatermark) or any(map(_has_event_time, plan.inputs))


__all__ = ["BROADCAST_BYTES_MAX", "BROADCAST_ROWS_MAX", "Port", "first_read", "is_small", "passing", "size_of"]
