"""The syntax nodes that Flink's grammar has and sqlglot's tree has not."""

from __future__ import annotations

from typing import ClassVar

from sqlglot import exp


class TypeName(exp.Expression):
    """A type; `this` is the `DataType` that it names."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True}


class TimeLiteral(exp.Expression):
    """`DATE '…'`, `TIME '…'` or `TIMESTAMP '…'`: `kind` is the word, `this` the text."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "kind": True}


class IntervalLiteral(exp.Expression):
    """`INTERVAL '…' DAY [TO SECOND]`: `unit` and `last` are words in capitals; `sign` is 1 or -1."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "unit": True, "last": False, "sign": True}


class Quantified(exp.Expression):
    """`ANY (SELECT …)`, `SOME (…)` or `ALL (…)` behind a comparison: `this` is the word."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "query": True}


class IsSome(exp.Expression):
    """`value < ANY (SELECT …)`: `this` is the value, `function` the comparison.

    With ALL it is the opposite of what was written, which is `wanted`, and stands inside a NOT.
    """

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "function": True, "query": True, "wanted": False}


class PathTable(exp.Expression):
    """A file named in FROM: `this` is the path."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "alias": False}


class JoinedTables(exp.Expression):
    """Joins in parentheses in FROM: `this` is the first table, `joins` follow it."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "joins": False, "alias": False}


class TableArgument(exp.Expression):
    """A table handed to a table function: `this` is a table or a query."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "partition_by": False}


class NamedArgument(exp.Expression):
    """`NAME => value`; `this` is the name in capitals."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "expression": True}


class TableFunction(exp.Expression):
    """A table function in FROM: `this` is its name, `expressions` its arguments."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "expressions": False, "alias": False}


class LateralQuery(exp.Expression):
    """`LATERAL (SELECT …)`: `this` is the query, which may name the tables before it."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "alias": False}


class Truth(exp.Expression):
    """`x IS [NOT] TRUE | FALSE | NULL | UNKNOWN`: `kind` is the last word."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "kind": True, "negate": False}
