"""Make constant rows: VALUES, and the one row of a SELECT without FROM."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from sqlglot import exp

from thalweg.base.schema import SYSTEM_PREFIX, Schema
from thalweg.base.types import BOOLEAN, DATE, STRING, DataType, Decimal, Float, Integer, Timestamp
from thalweg.errors import TypeMismatch
from thalweg.expr.casts import common_type
from thalweg.expr.infer import coerce, resolve
from thalweg.expr.nodes import Expr, Literal, Named
from thalweg.plan import build
from thalweg.plan.nodes import Plan, rows
from thalweg.sql import problems
from thalweg.sql.bind.context import Context
from thalweg.sql.bind.expressions import ExpressionBinder
from thalweg.sql.bind.nested import NestedQueries
from thalweg.sql.bind.scope import Scope
from thalweg.sql.source import span_of

_ONE = f"{SYSTEM_PREFIX}one"


def one_row() -> Plan:
    """One row without visible columns."""
    return rows({_ONE: [0]})


def derived_name(index: int) -> str:
    """What Flink calls a column that has no name."""
    return f"EXPR${index}"


def bind_values(node: exp.Expr, context: Context) -> Plan:
    """The rows of VALUES; columns get the common type of their values."""
    scope = Scope(one_row(), ())
    queries = NestedQueries(scope, context)
    binder = ExpressionBinder(scope, context.catalog, "VALUES", queries)
    bound = [[binder.bind(e) for e in row.expressions] for row in node.expressions]
    width = len(bound[0])
    for row, written in zip(bound, node.expressions, strict=True):
        if len(row) != width:
            raise problems.meaning(
                f"the rows of VALUES have {width} and {len(row)} values",
                span_of(written),
                code="sql-values-shape",
            )
    frame = _literal_frame(bound)
    if frame is not None:
        return rows(frame)
    parts = [
        build.project(
            queries.beside(one_row(), queries.needed(row)),
            [Named(derived_name(i), e) for i, e in enumerate(row)],
        )
        for row in _aligned(bound, node, queries.schema)
    ]
    return build.union_all(parts, where=span_of(node)) if len(parts) > 1 else parts[0]


def _aligned(bound: Sequence[Sequence[Expr]], node: exp.Expr, schema: Schema) -> list[tuple[Expr, ...]]:
    """The rows with every value converted to the common type of its column."""
    columns = []
    for i, column in enumerate(zip(*bound, strict=True)):
        resolved = [resolve(e, schema) for e in column]
        common = common_type(held for _, held in resolved)
        if common is None:
            raise TypeMismatch(
                f"column {i + 1} of VALUES has no common type",
                code="plan-union-type",
                where=span_of(node),
                found=", ".join(dict.fromkeys(str(held) for _, held in resolved)),
            )
        columns.append([coerce(e, held, common) for e, held in resolved])
    return list(zip(*columns, strict=True))


def _literal_frame(bound: Sequence[Sequence[Expr]]) -> pl.DataFrame | None:
    """The rows as one frame, if they are plain literals whose columns have one type each."""
    columns: dict[str, pl.Series] = {}
    for i, column in enumerate(zip(*bound, strict=True)):
        literals = [e for e in column if isinstance(e, Literal)]
        types = {e.type for e in literals}
        held = types.pop() if len(types) == 1 else None
        if len(literals) < len(column) or held is None or not _is_simple(held):
            return None
        name = derived_name(i)
        columns[name] = pl.Series(name, [e.value for e in literals], dtype=held.polars)
    return pl.DataFrame(columns)


def _is_simple(held: DataType) -> bool:
    """Whether a frame keeps the type as it is."""
    plain = held in (BOOLEAN, STRING, DATE)
    return plain or isinstance(held, (Integer, Float, Decimal, Timestamp))
