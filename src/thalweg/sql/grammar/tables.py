"""Read what stands in FROM: tables, files, sub-queries, window functions, UNNEST.

Not here: joins as such (sqlglot's), what the tables are (bind/).
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from thalweg.sql import problems
from thalweg.sql.grammar.cursor import one_of
from thalweg.sql.grammar.expressions import ExpressionGrammar
from thalweg.sql.grammar.tree import (
    JoinedTables,
    LateralQuery,
    NamedArgument,
    PathTable,
    TableArgument,
    TableFunction,
)

_QUERY = frozenset(("SELECT", "WITH", "VALUES"))
_GO_ON = frozenset(
    (
        *(TokenType.UNION, TokenType.INTERSECT, TokenType.EXCEPT, TokenType.ORDER_BY),
        *(TokenType.LIMIT, TokenType.OFFSET, TokenType.FETCH),
    )
)
"""What follows a query in parentheses that is part of a query."""
_NOT_ALIASES = frozenset(
    (
        *("MATCH_RECOGNIZE", "TABLESAMPLE", "SEMI", "ANTI", "ASOF", "MATCH_CONDITION"),
        *("PIVOT", "QUALIFY", "UNPIVOT"),
    )
)


class TableGrammar(ExpressionGrammar):
    """Table references of Flink's SQL."""

    def _parse_table(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
        """One table reference with its alias; sqlglot's switches are for other dialects."""
        first = self._curr
        table = self._table_primary()
        if self.take("FOR"):
            self.expect("SYSTEM_TIME", "AS", "OF")
            table.set("system_time", self.value())
        self._refuse_suffix()
        alias = self._alias()
        if alias is not None:
            table.set("alias", alias)
            if self.at("FOR", "SYSTEM_TIME"):
                raise self.unexpected(hint=f"FOR SYSTEM_TIME AS OF … stands before AS {alias.name}")
        self._refuse_suffix()
        return self.since(first, table)

    def _refuse_suffix(self) -> None:
        if self.at("MATCH_RECOGNIZE"):
            raise problems.not_yet("MATCH_RECOGNIZE is", self.place())
        if self.at("TABLESAMPLE"):
            raise problems.not_yet("TABLESAMPLE is", self.place())

    def _table_primary(self) -> exp.Expr:
        token = self._curr
        follows = self._next.token_type
        if token.token_type == TokenType.LATERAL:
            self._advance()
            if self.at("TABLE"):
                hint = "CROSS JOIN UNNEST(list) takes lists apart"
                raise problems.not_yet("LATERAL with a table function is", self.place(), hint=hint)
            return self.expression(LateralQuery(this=self.wrapped(self._inner_query)), token)
        if token.token_type == TokenType.UNNEST:
            self._advance()
            return self._unnest(token)
        if token.token_type == TokenType.STRING:
            self._advance()
            return self.expression(PathTable(this=token.text), token)
        if token.token_type == TokenType.L_PAREN and self._is_joined(self._index):
            return self._joined_tables()
        if token.token_type == TokenType.L_PAREN:
            return self.expression(exp.Subquery(this=self.wrapped(self._inner_query)))
        if token.token_type == TokenType.TABLE:
            self._advance()
            return self.wrapped(self._table_function)
        if follows == TokenType.L_PAREN and self.at_name():
            return self._table_function()
        return self._named_table()

    def _is_joined(self, at: int) -> bool:
        """Whether the parenthesis at that token opens joins, not a query."""
        inside = self._tokens[at + 1 : at + 3]
        if len(inside) < 2 or one_of(inside[0], _QUERY):
            return False
        if inside[0].token_type != TokenType.L_PAREN:
            # a table alone takes no parentheses
            return inside[1].token_type != TokenType.R_PAREN
        follows = self._behind(at + 1)
        if follows is None or follows.token_type in _GO_ON or follows.token_type == TokenType.R_PAREN:
            return self._is_joined(at + 1) and (follows is None or follows.token_type == TokenType.R_PAREN)
        return True

    def _behind(self, at: int) -> Token | None:
        """The token behind the parenthesis that belongs to the one at that token."""
        depth = 0
        for number, token in enumerate(self._tokens[at:], at):
            depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
            if not depth:
                return self._tokens[number + 1] if number + 1 < len(self._tokens) else None
        return None

    def _joined_tables(self) -> exp.Expr:
        first = self._curr
        self.expect("(")
        table = self._parse_table()
        joins = list(self._parse_joins())
        if not joins and not isinstance(table, JoinedTables):
            raise self.unexpected(expected="JOIN")
        self.expect(")")
        return self.since(first, JoinedTables(this=table, joins=joins))

    def _inner_query(self) -> exp.Expr:
        if not (one_of(self._curr, _QUERY) or self._curr.token_type == TokenType.L_PAREN):
            raise self.unexpected(expected="SELECT, WITH or VALUES", hint="a table name takes no parentheses")
        return self.query()

    def _unnest(self, token: Token) -> exp.Expr:
        values = [self.wrapped(self.value)]
        is_numbered = self.take("WITH")
        if is_numbered:
            self.expect("ORDINALITY")
        return self.expression(exp.Unnest(expressions=values, offset=is_numbered), token)

    def _named_table(self) -> exp.Expr:
        first = self._curr
        name = self.name("a table name")
        if self._match(TokenType.DOT):
            self.name("a table name", after_dot=True)
            raise problems.not_yet("names of catalogs and databases are", self.place(first))
        return self.expression(exp.Table(this=name))

    def _alias(self) -> exp.TableAlias | None:
        explicit = self.take("AS")
        if not explicit and (not self.at_name() or one_of(self._curr, _NOT_ALIASES)):
            return None
        name = self.name("an alias")
        columns = self.wrapped(lambda: self.items(self.name)) if self.at("(") else []
        return self.expression(exp.TableAlias(this=name, columns=columns))

    # Table functions ---------------------------------------------------------------------------

    def _table_function(self) -> exp.Expr:
        first = self._curr
        name = self.name("a window function such as TUMBLE")
        args = self.wrapped(lambda: self.items(self._table_argument))
        return self.since(first, TableFunction(this=name, expressions=args))

    def _table_argument(self) -> exp.Expr:
        first = self._curr
        if self._next.token_type == TokenType.FARROW:
            self._advance(2)
            value = self._table_argument()
            return self.since(first, NamedArgument(this=first.text.upper(), expression=value))
        if self.take("TABLE"):
            return self._argument_table()
        value = self.value()
        if isinstance(value, exp.Subquery):
            return self.expression(TableArgument(this=value))
        return value

    def _argument_table(self) -> exp.Expr:
        if self._curr.token_type == TokenType.L_PAREN:
            table: exp.Expr = self.expression(exp.Subquery(this=self.wrapped(self._inner_query)))
        else:
            table = self._named_table()
        return self.expression(TableArgument(this=table, partition_by=self._table_partition() or None))

    def _table_partition(self) -> list[exp.Expr]:
        """One column, or several in parentheses: a comma without them ends the argument."""
        if not self._match(TokenType.PARTITION_BY):
            return []
        if self._curr.token_type == TokenType.L_PAREN:
            return self.wrapped(lambda: self.items(self._partition_column))
        return [self._partition_column()]

    def _partition_column(self) -> exp.Expr:
        return self.since(self._curr, exp.Column(this=self.name("a column")))
