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
UNCOUNTED_BYTES_MAX = 4 << 20
"""The same of an input of which nobody knows how many rows it has, such as a text file."""

_MAY_BE_SMALL = {"right": ("inner", "left", "semi", "anti"), "left": ("inner", "right")}
"""The kinds of joins whose rows of an input are not emitted for want of a partner, by this input."""

Port = Literal["left", "right"]


def first_read(join: Join) -> Port | None:
    """The input that is read first: it is small, and the other one comes from a source that is not.

    Example:
        >>> from thalweg.plan.nodes import rows
        >>> first_read(Join(rows({"a": [1]}), rows({"b": [1]}), "inner")) is None
        True
    """
    found = _small_side(join)
    if found is None or join.kind not in _MAY_BE_SMALL[found]:
        return None
    held = join.left if found == "left" else join.right
    # event times of both inputs that are compared bound what is kept of either
    return None if _has_event_time(held) and any(True for _ in orders(join)) else found


def _small_side(join: Join) -> Port | None:
    if is_small(join.right) and _has_large_source(join.left):
        return "right"
    return "left" if is_small(join.left) and _has_large_source(join.right) else None


def _has_large_source(plan: Plan) -> bool:
    """Whether some source below is not small, or nothing is known of its size."""
    if isinstance(plan, (Scan, Values)):
        return not is_small(plan)
    return any(map(_has_large_source, plan.inputs))


def passing(join: Join) -> Plan | None:
    """The input whose rows pass one by one, where the other one is read first."""
    return None if join.first is None else join.inputs[1 if join.first == "left" else 0]


def is_small(plan: Plan) -> bool:
    """Whether so few rows come that every task can hold them all."""
    size = size_of(plan)
    if size is None:
        return False
    if size.rows is None:
        return size.bytes <= UNCOUNTED_BYTES_MAX
    return size.rows <= BROADCAST_ROWS_MAX and size.bytes <= BROADCAST_BYTES_MAX


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


__all__ = [
    "BROADCAST_BYTES_MAX",
    "BROADCAST_ROWS_MAX",
    "Port",
    "first_read",
    "is_small",
    "passing",
    "size_of",
]
