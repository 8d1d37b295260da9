"""Read queries: WITH, SELECT and its clauses, VALUES, UNION and the like, ORDER BY, LIMIT.

The clauses are read in their one order, so that one out of place is an error where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from thalweg.sql import problems
from thalweg.sql.grammar.cursor import one_of
from thalweg.sql.grammar.tables import TableGrammar

_UNIONS: dict[TokenType, type[exp.SetOperation]] = {
    TokenType.UNION: exp.Union,
    TokenType.EXCEPT: exp.Except,
}
_INTERSECTIONS: dict[TokenType, type[exp.SetOperation]] = {TokenType.INTERSECT: exp.Intersect}
_GROUPINGS: dict[str, type[exp.Expr]] = {"ROLLUP": exp.Rollup, "CUBE": exp.Cube}


class QueryGrammar(TableGrammar):
    """Queries of Flink's SQL."""

    def query(self) -> exp.Expr:
        """A whole query, with or without WITH."""
        first = self._curr
        ctes = self._with()
        found = self._set_operations()
        self._order_and_limit(found)
        if ctes is not None:
            if found.args.get("with_") is not None:
                raise problems.not_yet("WITH directly inside WITH is", self.place(first))
            found.set("with_", ctes)
        return self.since(first, found)

    def _with(self) -> exp.With | None:
        if not self.take("WITH"):
            return None
        if self.at("RECURSIVE"):
            raise problems.not_yet("WITH RECURSIVE is", self.place())
        return self.expression(exp.With(expressions=self.items(self._cte)))

    def _cte(self) -> exp.CTE:
        name = self.name("a name for the query")
        columns = self.wrapped(lambda: self.items(self.name)) if self.at("(") else []
        alias = self.expression(exp.TableAlias(this=name, columns=columns))
        self.expect("AS")
        return self.expression(exp.CTE(this=self.wrapped(self.query), alias=alias))

    def _set_operations(self) -> exp.Expr:
        """UNION and EXCEPT from left to right; INTERSECT binds more tightly."""
        return self._set_operation(_UNIONS, lambda: self._set_operation(_INTERSECTIONS, self._query_operand))

    def _set_operation(
        self, kinds: dict[TokenType, type[exp.SetOperation]], operand: Callable[[], exp.Expr]
    ) -> exp.Expr:
        left = operand()
        while self._curr.token_type in kinds:
            kind = kinds[self._curr.token_type]
            self._advance()
            distinct = not self.take("ALL")
            if distinct:
                self.take("DISTINCT")
            left = self.expression(kind(this=left, expression=operand(), distinct=distinct))
        return left

    def _query_operand(self) -> exp.Expr:
        if self.at("SELECT"):
            return self._select()
        if self.at("VALUES"):
            self.take("VALUES")
            return self.expression(exp.Values(expressions=self.items(self._row)))
        if self.take("("):
            inner = self.query()
            self.expect(")")
            return self.expression(exp.Subquery(this=inner))
        raise self.unexpected(expected="SELECT, VALUES or (")

    def _row(self) -> exp.Expr:
        first = self._curr
        if self.at("ROW", "("):
            self._advance()
        if not self._match(TokenType.L_PAREN):
            return self.expression(exp.Tuple(expressions=[self.value()]))
        items = self.items(self.value)
        self.expect(")")
        return self.since(first, exp.Tuple(expressions=items))

    # SELECT ------------------------------------------------------------------------------------

    def _select(self) -> exp.Expr:
        first = self._curr
        self.expect("SELECT")
        made = exp.Select()
        if self.take("DISTINCT"):
            made.set("distinct", self.expression(exp.Distinct(), self._prev))
        else:
            self.take("ALL")
        made.set("expressions", self.items(self._item))
        if self.take("FROM"):
            made.set("from_", self.expression(exp.From(this=self._parse_table())))
            made.set("joins", list(self._parse_joins()))
        if self.take("WHERE"):
            made.set("where", self.expression(exp.Where(this=self.value())))
        if self._match(TokenType.GROUP_BY):
            made.set("group", self.expression(exp.Group(expressions=self._group_items())))
        if self.take("HAVING"):
            made.set("having", self.expression(exp.Having(this=self.value())))
        if self.take("WINDOW"):
            made.set("windows", self.items(self._named_window))
        return self.since(first, made)

    def _parse_join(
        self,
        skip_join_token: bool = False,
        parse_bracket: bool = False,
        alias_tokens: Collection[TokenType] | None = None,
    ) -> exp.Join | None:
        first = self._curr
        if self.at("ASOF"):
            return self.since(first, self._as_of_join())
        found = super()._parse_join(skip_join_token, parse_bracket, alias_tokens)
        return found and self.since(first, found)

    def _as_of_join(self) -> exp.Join:
        """`ASOF [LEFT] JOIN table [MATCH_CONDITION (a.t >= b.t)] ON …`."""
        self.expect("ASOF")
        made = exp.Join(method="ASOF")
        if self.take("LEFT"):
            made.set("side", "LEFT")
            self.take("OUTER")
        else:
            self.take("INNER")
        self.expect("JOIN", hint="an as-of join is ASOF JOIN or ASOF LEFT JOIN")
        made.set("this", self._parse_table())
        if self.take("MATCH_CONDITION"):
            made.set("match_condition", self.wrapped(self.value))
        if self.take("ON"):
            made.set("on", self.value())
        elif self.take("USING"):
            made.set("using", self.wrapped(lambda: self.items(self.name)))
        return made

    def _named_window(self) -> exp.Expr:
        found = self._parse_window(self.name("a name for the window"), alias=True)
        assert found is not None, "a window that cannot be read is an error already"
        return found

    def _item(self) -> exp.Expr:
        if self._curr.token_type == TokenType.STAR:
            return self._star()
        value = self.value()
        if self.take("AS") or self.at_name():
            return self.expression(exp.Alias(this=value, alias=self.name("an alias")))
        return value

    def _group_items(self) -> list[exp.Expr]:
        if self.at("(", ")"):
            self.take("(", ")")
            return []
        return self.items(self._group_item)

    def _group_item(self) -> exp.Expr:
        first, is_call = self._curr, self._next and self._next.token_type == TokenType.L_PAREN
        if one_of(first, _GROUPINGS) and is_call:
            self._advance()
            made = _GROUPINGS[first.text.upper()](expressions=self._group_sets())
            return self.since(first, made)
        if one_of(first, ("GROUPING",)) and self._next and self._next.text.upper() == "SETS":
            self._advance(2)
            return self.since(first, exp.GroupingSets(expressions=self._group_sets()))
        return self.value()

    def _group_sets(self) -> list[exp.Expr]:
        return self.wrapped(lambda: self.items(self._group_set))

    def _group_set(self) -> exp.Expr:
        first = self._curr
        if self.at("(", ")"):
            self.take("(", ")")
            return self.since(first, exp.Tuple(expressions=[]))
        return self._group_item()

    # ORDER BY and LIMIT ------------------------------------------------------------------------

    def _order_and_limit(self, query: exp.Expr) -> None:
        if self._curr.token_type == TokenType.ORDER_BY:
            query.set("order", self._parse_order())
        if self.take("LIMIT") and not self.take("ALL"):
            query.set("limit", self._count(exp.Limit))
        if self.take("OFFSET"):
            query.set("offset", self._count(exp.Offset))
            self._rows_word()
        if self.take("FETCH"):
            if not self.take("FIRST"):
                self.expect("NEXT")
            query.set("limit", self._count(exp.Limit))
            self._rows_word()
            self.expect("ONLY")

    def _rows_word(self) -> None:
        if not self.take("ROWS"):
            self.take("ROW")

    def _count(self, kind: type[exp.Limit | exp.Offset]) -> exp.Expr:
        first = self._curr
        number = exp.Literal.number(self.integer())
        return self.since(first, kind(expression=self.since(first, number)))
