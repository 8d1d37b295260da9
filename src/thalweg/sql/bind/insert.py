"""Fit the rows of a query to the table they are written to.

Columns go by place, or by the list of names after the target. Types widen by themselves, as in
Flink (any number to DECIMAL or DOUBLE, integers to longer ones); everything else needs a CAST.
"""

from __future__ import annotations

from collections.abc import Collection

from thalweg.base.schema import SYSTEM_PREFIX, Schema, unknown_column
from thalweg.base.types import FLOAT32, FLOAT64, NULL, DataType, Decimal, Integer, is_numeric
from thalweg.errors import SqlError, TypeMismatch
from thalweg.expr.casts import common_type
from thalweg.expr.infer import coerce
from thalweg.expr.nodes import REQUIRED, Call, Column, Expr, Literal, Named
from thalweg.plan import build
from thalweg.plan.nodes import Plan
from thalweg.sql.source import span_of
from thalweg.sql.statements import InsertInto


def fitted(plan: Plan, insert: InsertInto, target: Schema, never_null: Collection[str] = ()) -> Plan:
    """The plan with exactly the names and types of the target.

    Args:
        plan: the rows of the query.
        insert: the statement.
        target: the columns of the table.
        never_null: those of them that hold no NULL: a row that has one there fails.

    Raises:
        SqlError: `sql-insert-shape` if the number of columns differs.
        SqlError: `sql-insert-null` if the list of names leaves out a column that holds no NULL.
        TypeMismatch: `sql-insert-type` for a column whose values would have to be converted.
    """
    given = [f for f in plan.schema if not f.name.startswith(SYSTEM_PREFIX)]
    names = target.names if insert.columns is None else insert.columns
    for name in names:
        if name not in target:
            raise unknown_column(name, target.names, table=insert.target, where=insert.target_span)
    if len(given) != len(names) or len(set(names)) < len(names):
        raise SqlError(
            f'the query has {_columns(len(given))}, and "{insert.target}" takes {len(names)}',
            code="sql-insert-shape",
            where=span_of(insert.query),
            expected=str(target.select(names)),
            found=str(plan.schema),
        )
    sources = dict(zip(names, given, strict=True))
    items = []
    for field in target:
        source = sources.get(field.name)
        if source is None and field.name in never_null:
            raise SqlError(
                f'column "{field.name}" of "{insert.target}" is NOT NULL, and the columns leave it out',
                code="sql-insert-null",
                where=insert.target_span,
                expected=str(target),
            )
        if source is None:
            items.append(Named(field.name, Literal(None, field.type)))
            continue
        if not _is_accepted(source.type, field.type):
            raise TypeMismatch(
                f'column "{field.name}" of "{insert.target}" cannot take values of type {source.type}',
                code="sql-insert-type",
                where=span_of(insert.query),
                expected=f"{field.name} {field.type}",
                found=f"{source.name} {source.type}",
                hint=f"CAST({source.name} AS {field.type})",
            )
        value: Expr = Column(source.name)
        if field.name in never_null:
            called = Column(source.name, written=f"{insert.target}.{field.name}")
            value = Call(REQUIRED, (called,), span=span_of(insert.query))
        value = coerce(value, source.type, field.type)
        items.append(Named(field.name, value))
    unchanged = plan.schema.names == target.names and all(isinstance(i.expr, Column) for i in items)
    return plan if unchanged else build.project(plan, items)


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"


def _is_accepted(held: DataType, wanted: DataType) -> bool:
    if held in (wanted, NULL) or common_type((held, wanted)) == wanted:
        return True
    if isinstance(wanted, Decimal) or wanted == FLOAT64:
        return is_numeric(held)
    return wanted == FLOAT32 and isinstance(held, (Integer, Decimal))
