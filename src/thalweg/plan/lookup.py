"""Hold joins with a table that is looked up: each row with the rows that the table has at that moment.

Not here: other joins (join.py), how it runs (operators/lookup.py), caches (runtime/lookups.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from thalweg.errors import PlanError, Span
from thalweg.expr.nodes import Expr
from thalweg.plan.join import join
from thalweg.plan.nodes import (
    AssignWatermark,
    Explode,
    Filter,
    Join,
    JoinKind,
    MapBatches,
    Plan,
    Project,
    Scan,
)
from thalweg.protocols.lookup import KeyedSource, inner_of, options_of
from thalweg.protocols.source import discovery_interval


@dataclass(frozen=True)
class LookupJoin(Join):
    """Rows of the left input, each with the rows of a table that are there when it is asked.

    The table's later changes change nothing. `kind` is `inner` or `left`, and there are keys. The right input
    is one scan and steps that treat each row by itself. As a batch it is a join like any other.
    """

    def describe(self) -> str:
        return f"Lookup{super().describe()}"


def lookup_join(
    left: Plan, right: Plan, kind: JoinKind, condition: Expr | None, *, where: Span | None = None
) -> Plan:
    """Each row with the rows of a table that it belongs to, as they are when it is looked up.

    Args:
        left: the rows.
        right: the table; it has no column name of the left one (see `join.apart`).
        kind: `left` also keeps rows that the table has none for.
        condition: over the columns of both.
        where: the place, for messages.

    Raises:
        PlanError: `plan-lookup-kind`, `plan-lookup-keys`, `plan-lookup-table`.
    """
    if kind not in ("inner", "left"):
        raise PlanError(
            f"a table that is looked up cannot be joined by {kind.upper()}: nobody knows all of its rows",
            code="plan-lookup-kind",
            where=where,
            choices=["inner", "left"],
        )
    made = join(left, right, kind, condition)
    found = made.input if isinstance(made, Project) and isinstance(made.input, Join) else made
    assert isinstance(found, Join), "a join, or columns of one"
    if not found.keys:
        raise PlanError(
            "a table is looked up by columns that equal something, and the condition names none",
            code="plan-lookup-keys",
            where=where,
            hint="ON t.column = table.column, or more of these with AND",
        )
    _check_table(found.right, where)
    looked = LookupJoin(found.left, found.right, kind, found.keys, found.residual)
    return looked if made is found else made.with_inputs((looked,))


def scan_of(table: Plan) -> Scan | None:
    """The scan of a table that is looked up; None where its rows are computed from others."""
    while isinstance(table, (Project, Filter, Explode, AssignWatermark, MapBatches)):
        table = table.input
    return table if isinstance(table, Scan) else None


def _check_table(table: Plan, where: Span | None) -> None:
    scan = scan_of(table)
    if scan is None:
        raise PlanError(
            "rows can be looked up in a table, and this is computed from several rows",
            code="plan-lookup-table",
            where=where,
            expected="a table, or a view that treats each of its rows by itself",
            hint="a regular join follows the changes of a result",
        )
    source = scan.source
    is_keyed = isinstance(inner_of(source), KeyedSource)
    if not is_keyed and not source.is_bounded and discovery_interval(source) is None:
        raise PlanError(
            f'rows cannot be looked up in "{source.describe()}", which never ends',
            code="plan-lookup-table",
            where=where,
            expected="files, tables in memory, or a source that can be asked by key",
        )
    if not is_keyed and options_of(source).cache == "PARTIAL":
        raise PlanError(
            f'"{source.describe()}" cannot be asked by key, so that there are no answers to keep',
            code="plan-lookup-cache",
            where=where,
            choices=["'lookup.cache' = 'FULL'", "'lookup.cache' = 'NONE'"],
        )


__all__ = ["LookupJoin", "lookup_join", "scan_of"]
