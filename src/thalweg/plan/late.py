"""Hold the late rows of a step that depends on neighbours in time, such as a join, as a plan of their own.

Not here: the late rows of windows, which are judged per window (`Late` in nodes.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from thalweg.base.schema import Schema
from thalweg.base.types import INT64, STRING, Field
from thalweg.plan.nodes import Plan, Unary


@dataclass(frozen=True)
class Behind(Unary):
    """The rows that come too late for a step; `input` is that of the step.

    Attributes:
        column: the time column.
        slack_us: how far it may lag behind the watermark.
    """

    input: Plan
    column: str
    slack_us: int

    @cached_property
    def schema(self) -> Schema:
        return Schema((*self.input.schema.fields, Field("split", STRING), Field("position", INT64)))

    def describe(self) -> str:
        return f"Rows that are late by {self.column}"


__all__ = ["Behind"]
