"""What rules ask of expressions has an answer also for those that mean nothing."""

from __future__ import annotations

import pytest

from thalweg.base.schema import Schema
from thalweg.base.types import BOOLEAN, INT64, STRING
from thalweg.expr.nodes import Call, Column, Expr, Literal
from thalweg.optimizer.expressions import is_movable, is_sure, keeps_type

SCHEMA = Schema.of({"a": INT64, "s": STRING})
FOUR = Literal(4, INT64)


@pytest.mark.parametrize(
    ("expr", "sure"),
    [
        (Call("<", (Column("a"), FOUR)), True),
        (Call("=", (Call("/", (FOUR, Column("a"))), FOUR)), False),
        (Call("<", (Column("gone"), FOUR)), False),
        (Call("like", (Column("s"), Literal("a%", STRING))), True),
        (Call("regexp", (Column("s"), Literal("(", STRING))), False),
    ],
)
def test_what_has_no_value_or_no_meaning_is_not_sure(expr: Expr, sure: bool) -> None:
    assert is_sure(expr, SCHEMA) == sure
    assert sure or not is_movable(expr, SCHEMA)


def test_what_has_no_type_keeps_none() -> None:
    assert keeps_type(Call("<", (Column("a"), FOUR)), SCHEMA, BOOLEAN)
    assert not keeps_type(Call("<", (Column("a"), FOUR)), SCHEMA, INT64)
    assert not keeps_type(Call("<", (Column("a"), Literal("x", STRING))), SCHEMA, BOOLEAN)
    assert not keeps_type(Call("<", (Column("gone"), FOUR)), SCHEMA, BOOLEAN)
