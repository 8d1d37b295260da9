"""Read expressions.

The levels of operators are sqlglot's; what stands between operators (names, calls, literals, CASE,
CAST) is read here, strictly: an operand that is missing is an error where it is missing.

Not here: what names and functions mean (bind/).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from sqlglot import exp
from sqlglot.parser import IsPredicatePrecedence
from sqlglot.tokenizer_core import Token, TokenType

from thalweg.sql import problems
from thalweg.sql.grammar import special
from thalweg.sql.grammar.cursor import RESERVED, Cursor, one_of
from thalweg.sql.grammar.tree import IntervalLiteral, IsSome, Quantified, TimeLiteral, Truth
from thalweg.sql.grammar.types import read_unit

_CLOCKS = frozenset(
    (
        "CURRENT_TIMESTAMP",
        "CURRENT_DATE",
        "CURRENT_TIME",
        "LOCALTIME",
        "LOCALTIMESTAMP",
        "CURRENT_ROW_TIMESTAMP",
    )
)
"""Functions that are called without parentheses."""

_TIMES = frozenset(("DATE", "TIME", "TIMESTAMP"))
_CALLABLE = frozenset(("LEFT", "RIGHT", "INSERT"))
"""Keywords that are also functions."""

_QUERY = frozenset(("SELECT", "WITH", "VALUES"))
_QUANTIFIERS = frozenset(("ANY", "SOME", "ALL"))
_COMPARISONS: dict[type[exp.Binary], tuple[str, str]] = {
    exp.EQ: ("=", "<>"),
    exp.NEQ: ("<>", "="),
    exp.LT: ("<", ">="),
    exp.LTE: ("<=", ">"),
    exp.GT: (">", "<="),
    exp.GTE: (">=", "<"),
}
"""Comparisons by the names of their functions, each with the one that is true where it is false."""
_TRUTHS = frozenset(("TRUE", "FALSE", "NULL", "UNKNOWN"))


class ExpressionGrammar(Cursor):
    """Expressions of Flink's SQL."""

    IS_PREDICATE_PRECEDENCE: ClassVar[IsPredicatePrecedence] = IsPredicatePrecedence.LOW
    BITWISE: ClassVar[dict[TokenType, type[exp.Binary]]] = {}
    TERM: ClassVar[dict[TokenType, type[exp.Binary]]] = {TokenType.DASH: exp.Sub, TokenType.PLUS: exp.Add}
    FACTOR: ClassVar[dict[TokenType, type[exp.Binary]]] = {
        TokenType.SLASH: exp.Div,
        TokenType.STAR: exp.Mul,
        TokenType.MOD: exp.Mod,
    }
    RANGE_PARSERS: ClassVar[dict[TokenType, Callable[..., exp.Expr | None]]] = {
        kind: Cursor.RANGE_PARSERS[kind]
        for kind in (TokenType.BETWEEN, TokenType.IN, TokenType.IS, TokenType.LIKE, TokenType.SIMILAR_TO)
    }
    UNARY_PARSERS: ClassVar[dict[TokenType, Callable[..., exp.Expr | None]]] = {
        kind: Cursor.UNARY_PARSERS[kind] for kind in (TokenType.PLUS, TokenType.NOT, TokenType.DASH)
    }

    def value(self) -> exp.Expr:
        """An expression."""
        found = self._parse_disjunction()
        if found is None:
            raise self.unexpected(expected="an expression")
        return found

    def query(self) -> exp.Expr:
        """A query; the grammar of queries says how."""
        raise AssertionError("read by QueryGrammar")

    # Operators ---------------------------------------------------------------------------------

    def _parse_unary(self) -> exp.Expr | None:
        first = self._curr
        found = super()._parse_unary()
        return found and self.since(first, found)

    def _parse_between(self, this: exp.Expr | None) -> exp.Between:
        symmetric = self.take("SYMMETRIC")
        if not symmetric:
            self.take("ASYMMETRIC")
        low = self._parse_bitwise()
        self.expect("AND")
        high = self._parse_bitwise()
        return self.expression(exp.Between(this=this, low=low, high=high, symmetric=symmetric))

    def _parse_range(self, this: exp.Expr | None = None, parse_is: bool = False) -> exp.Expr | None:
        """An operand with BETWEEN, LIKE and the like, or what a comparison with a query has behind it."""
        if this is None and one_of(self._curr, _QUANTIFIERS) and self._next.token_type == TokenType.L_PAREN:
            third = self._tokens[self._index + 2 : self._index + 3]
            if third and one_of(third[0], _QUERY):
                return self._quantified()
        return super()._parse_range(this, parse_is)

    def _quantified(self) -> exp.Expr:
        first = self._curr
        self._advance()
        return self.since(first, Quantified(this=first.text.upper(), query=self.wrapped(self.query)))

    def _build_predicate(
        self,
        klass: type[exp.Binary],
        this: exp.Expr | None,
        expression: exp.Expr | None,
        comments: list[str] | None = None,
        negate: bool = False,
    ) -> exp.Expr:
        """A comparison; with ALL it is none that differs, and equality is IN."""
        if not isinstance(expression, Quantified) or klass not in _COMPARISONS:
            return super()._build_predicate(klass, this, expression, comments, negate)
        is_all, query = expression.this == "ALL", expression.args["query"]
        written, opposite = _COMPARISONS[klass]
        function = opposite if is_all else written
        made: exp.Expr = exp.In(this=this, query=query)
        if function != "=":
            wanted = written if is_all else None
            made = IsSome(this=this, function=function, query=query, wanted=wanted)
        made = self.expression(made)
        return self.expression(exp.Not(this=made)) if is_all else made

    def _parse_in(self, this: exp.Expr | None, alias: bool = False) -> exp.In:
        self.expect("(")
        if one_of(self._curr, _QUERY):
            made = exp.In(this=this, query=self.query())
        else:
            made = exp.In(this=this, expressions=self.items(self.value))
        self.expect(")")
        return self.expression(made)

    def _parse_is(self, this: exp.Expr | None) -> exp.Expr | None:
        negate = self.take("NOT")
        if self.take("DISTINCT"):
            self.expect("FROM")
            kind = exp.NullSafeEQ if negate else exp.NullSafeNEQ
            return self.expression(kind(this=this, expression=self._parse_bitwise()))
        if self.take("JSON"):
            return self._is_json(this, negate=negate)
        if not one_of(self._curr, _TRUTHS):
            raise self.unexpected(
                expected="NULL, TRUE, FALSE, UNKNOWN, JSON or DISTINCT FROM", hint=self._equals_hint()
            )
        self._advance()
        return self.expression(Truth(this=this, kind=self._prev.text.upper(), negate=negate))

    def _is_json(self, this: exp.Expr | None, *, negate: bool) -> exp.Expr:
        """`IS [NOT] JSON [VALUE | OBJECT | ARRAY | SCALAR]`."""
        kind = next((k for k in ("VALUE", "OBJECT", "ARRAY", "SCALAR") if self.take(k)), "VALUE")
        made = exp.Anonymous(this="IS_JSON", expressions=[this, exp.Literal.string(kind)])
        found = self.expression(made)
        return self.expression(exp.Not(this=found)) if negate else found

    def _equals_hint(self) -> str | None:
        known = (TokenType.STRING, TokenType.NUMBER, TokenType.VAR, TokenType.IDENTIFIER)
        return "values are compared with =" if self._curr.token_type in known else None

    # Operands ----------------------------------------------------------------------------------

    def _parse_type(
        self, parse_interval: bool = True, fallback_to_identifier: bool = False
    ) -> exp.Expr | None:
        """An operand with everything that follows it: `.field`, `[index]`, FILTER, OVER."""
        first = self._curr
        found = self._operand(first)
        while True:
            if self._curr.token_type == TokenType.L_BRACKET:
                self._advance()
                found = exp.Bracket(this=found, expressions=[self.value()])
                self.expect("]")
            elif self._match(TokenType.DOT):
                found = self._member(found)
            else:
                break
            found = self.expression(found)
        return self.since(first, found)

    def _member(self, owner: exp.Expr) -> exp.Expr:
        if self._curr.token_type == TokenType.STAR:
            star = self._star()
            return exp.Column(this=star, table=owner)
        return exp.Dot(this=owner, expression=self.name("a column or field name", after_dot=True))

    def _star(self) -> exp.Star:
        self._match(TokenType.STAR)
        return self.expression(exp.Star(), self._prev)

    def _operand(self, token: Token) -> exp.Expr:
        reader = _OPERANDS.get(token.token_type)
        if reader is not None:
            return reader(self)
        follows = self._next.token_type
        if token.token_type == TokenType.DOT and follows == TokenType.NUMBER:
            self._advance(2)
            return self.since(token, exp.Literal(this=f"0.{self._prev.text}", is_string=False))
        word = token.text.upper() if token else ""
        if follows == TokenType.STRING and one_of(token, _TIMES):
            self._advance(2)
            return self.expression(TimeLiteral(this=self._prev.text, kind=word), token)
        if follows == TokenType.L_BRACKET and one_of(token, ("ARRAY", "MAP")):
            return self._constructor(word)
        if one_of(token, _CLOCKS) and follows not in (TokenType.DOT, TokenType.L_PAREN):
            self._advance()
            return self.expression(exp.Anonymous(this=word, expressions=[]), token)
        if follows == TokenType.L_PAREN and (self.at_name() or one_of(token, _CALLABLE | {"CAST"})):
            return self._call()
        if self.at_name():
            return self.expression(exp.Column(this=self.name()))
        raise self._no_operand(token)

    def _no_operand(self, token: Token) -> Exception:
        if one_of(token, ("SELECT", "WITH")):
            return self.unexpected(expected="an expression", hint="a query inside a query needs parentheses")
        if one_of(token, RESERVED) and self._prev.token_type != TokenType.COMMA:
            missing = f"an expression is missing before it, or a name needs backticks: `{token.text}`"
            return self.unexpected(expected="an expression", hint=missing)
        return self.unexpected(expected="an expression")

    def _literal(self) -> exp.Expr:
        self._advance()
        token = self._prev
        return self.expression(
            exp.Literal(this=token.text, is_string=token.token_type == TokenType.STRING), token
        )

    def _null(self) -> exp.Expr:
        self._advance()
        return self.expression(exp.Null(), self._prev)

    def _truth(self) -> exp.Expr:
        self._advance()
        return self.expression(exp.Boolean(this=self._prev.token_type == TokenType.TRUE), self._prev)

    def _parenthesised(self) -> exp.Expr:
        self.expect("(")
        if one_of(self._curr, _QUERY):
            made: exp.Expr = exp.Subquery(this=self.query())
        else:
            items = self.items(self.value)
            made = exp.Paren(this=items[0]) if len(items) == 1 else exp.Tuple(expressions=items)
        self.expect(")")
        return self.expression(made)

    def _constructor(self, word: str) -> exp.Expr:
        self._advance(2)
        empty = self._curr.token_type == TokenType.R_BRACKET
        items = [] if empty else self.items(self.value)
        self.expect("]")
        return self.expression(exp.Anonymous(this=word, expressions=items))

    def _exists(self) -> exp.Expr:
        first = self._curr
        self._advance()
        self.expect("(")
        made = exp.Exists(this=self.query())
        self.expect(")")
        return self.since(first, made)

    def case(self) -> exp.Expr:
        """CASE with or without an operand."""
        self.expect("CASE")
        operand = None if self.at("WHEN") else self.value()
        branches = []
        while self.take("WHEN"):
            when = self.value()
            self.expect("THEN")
            branches.append(self.expression(exp.If(this=when, true=self.value())))
        if not branches:
            raise self.unexpected(expected="WHEN")
        default = self.value() if self.take("ELSE") else None
        self.expect("END")
        return self.expression(exp.Case(this=operand, ifs=branches, default=default))

    def interval(self) -> exp.Expr:
        """`INTERVAL '1:30' MINUTE TO SECOND`."""
        first = self._curr
        self.expect("INTERVAL")
        sign = -1 if self._match(TokenType.DASH) else 1
        self._match(TokenType.PLUS)
        if self._curr.token_type == TokenType.NUMBER:
            hint = f"the number needs quotes: INTERVAL '{self._curr.text}' …"
            raise self.unexpected(expected="a number in single quotes", hint=hint)
        text = self.string("a number in single quotes")
        unit = read_unit(self)
        last = read_unit(self) if self.take("TO") else None
        return self.since(first, exp_interval(text, unit, last, sign))

    # Calls -------------------------------------------------------------------------------------

    def _call(self) -> exp.Expr:
        first = self._curr
        self._advance()
        word = first.text.upper() if first.token_type != TokenType.IDENTIFIER else ""
        reader = special.READERS.get(word)
        self.expect("(")
        made = reader(self) if reader else exp.Anonymous(this=first.text, expressions=self._arguments())
        self.expect(")")
        return self._modifiers(self.since(first, made))

    def _arguments(self) -> list[exp.Expr]:
        if self._curr.token_type == TokenType.R_PAREN:
            return []
        if self._curr.token_type == TokenType.STAR:
            return [self._star()]
        if self.take("DISTINCT"):
            return [self.expression(exp.Distinct(expressions=self.items(self.value)))]
        self.take("ALL")
        return self.items(self.value)

    def _modifiers(self, call: exp.Expr) -> exp.Expr:
        first = self._curr
        if self._match(TokenType.FILTER):
            self.expect("(", "WHERE")
            call = self.expression(exp.Filter(this=call, expression=self.value()))
            self.expect(")")
        if self.at("IGNORE", "NULLS") or self.at("RESPECT", "NULLS") or self.at("WITHIN", "GROUP"):
            raise problems.not_yet(
                f"{self._curr.text.upper()} {self._next.text.upper()} is", self.place(first)
            )
        if self._curr.token_type == TokenType.OVER:
            window = self._parse_window(call)
            assert window is not None, "OVER was seen"
            return window
        return call


def exp_interval(text: str, unit: str, last: str | None, sign: int) -> IntervalLiteral:
    """The node of an interval literal."""
    return IntervalLiteral(this=text, unit=unit, last=last, sign=sign)


_OPERANDS: dict[TokenType, Callable[[ExpressionGrammar], exp.Expr]] = {
    TokenType.STRING: ExpressionGrammar._literal,
    TokenType.NUMBER: ExpressionGrammar._literal,
    TokenType.NULL: ExpressionGrammar._null,
    TokenType.UNKNOWN: ExpressionGrammar._null,
    TokenType.TRUE: ExpressionGrammar._truth,
    TokenType.FALSE: ExpressionGrammar._truth,
    TokenType.L_PAREN: ExpressionGrammar._parenthesised,
    TokenType.EXISTS: ExpressionGrammar._exists,
    TokenType.CASE: ExpressionGrammar.case,
    TokenType.INTERVAL: ExpressionGrammar.interval,
}
