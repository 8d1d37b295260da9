"""Compute what depends on constants alone, once.

    Filter (ts > CAST('2026-01-01' AS TIMESTAMP(3)))
      Scan
    becomes
    Filter (ts > 2026-01-01 00:00:00)
      Scan

An expression that fails stays as it is: it may stand where no row ever evaluates it. A user's function
is not called before the job runs. Rows and maps have no literals and stay too.
"""

from __future__ import annotations

import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import DataType, List, Map, Struct
from thalweg.errors import ThalwegError
from thalweg.expr.compile import compile_expr, literal
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Call, Cast, Expr, Literal
from thalweg.optimizer.expressions import rewritten, with_expressions
from thalweg.plan.nodes import Plan

_NO_COLUMNS = Schema(())
_ONE_ROW = pl.DataFrame({"row": [0]})


def fold_constants(plan: Plan) -> Plan:
    """The step with its constant parts computed."""
    return with_expressions(plan, lambda expr, schema: rewritten(expr, schema, _folded))


def _folded(expr: Expr, schema: Schema) -> Expr:
    del schema
    is_constant = isinstance(expr, (Call, Cast)) and all(isinstance(c, Literal) for c in expr.children)
    return (_value(expr) or expr) if is_constant else expr


def _value(expr: Expr) -> Literal | None:
    """The constant as a literal; None where it has no value, or one that no literal can stand for."""
    try:
        held = type_of(expr, _NO_COLUMNS)
        if not _has_literals(held):
            return None
        compiled = compile_expr(expr, _NO_COLUMNS)
        if any(_ONE_ROW.select(c.mask).item() for c in compiled.checks):
            return None
        found = _ONE_ROW.select(compiled.value.alias("value")).to_series()
        value = found[0]
        made = Literal(tuple(value) if isinstance(value, pl.Series) else value, held, span=expr.span)
        same = _ONE_ROW.select(literal(made).alias("value")).to_series()
    except (ThalwegError, pl.exceptions.PolarsError, ArithmeticError, TypeError, ValueError):
        return None
    is_equal = same.dtype == found.dtype and repr(same.to_list()) == repr(found.to_list())
    return made if is_equal else None


def _has_literals(held: DataType) -> bool:
    if isinstance(held, List):
        return _has_literals(held.item)
    return not isinstance(held, (Struct, Map))
