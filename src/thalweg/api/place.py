"""Find the line of the user's program that made a step, and write it on steps and errors.

Reads:    the stack of the running thread.
Not here: places in SQL texts (`errors.Span`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from thalweg.errors import UserError
from thalweg.plan.nodes import Plan

_OWN = os.path.dirname(os.path.dirname(__file__)) + os.sep


def caller() -> str | None:
    """`file:line` of the innermost frame outside Thalweg."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_OWN):
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def place_of(function: Callable[..., object]) -> str | None:
    """`file:line` where a function was defined, if it is written in Python."""
    code = getattr(function, "__code__", None)
    return None if code is None else f"{code.co_filename}:{code.co_firstlineno}"


@contextmanager
def located(place: str | None) -> Iterator[None]:
    """Mistakes found inside the block say `place`, unless they know a better one."""
    try:
        yield
    except UserError as error:
        if place is not None:
            error.located(place)
        raise


def stamped(plan: Plan, place: str | None, below: Sequence[Plan]) -> Plan:
    """The plan with `place` on every step above the plans in `below`."""
    if place is None or plan.place is not None or any(plan is known for known in below):
        return plan
    inputs = tuple(stamped(p, place, below) for p in plan.inputs)
    if any(new is not old for new, old in zip(inputs, plan.inputs, strict=True)):
        plan = plan.with_inputs(inputs)
    return replace(plan, place=place)
