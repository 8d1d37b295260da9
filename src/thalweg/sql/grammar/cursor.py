"""Walk over the tokens of one statement: match, expect, and say what is wrong where.

Every syntax node gets the place it was written at; whatever is raised is a `SqlError` with a place.

Not here: the grammar (expressions.py, queries.py, ddl.py, commands.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from sqlglot import exp
from sqlglot.errors import ErrorLevel
from sqlglot.parser import SENTINEL_NONE, Parser
from sqlglot.tokenizer_core import Token, TokenType

from thalweg.errors import Span, SqlError, near_misses
from thalweg.sql import problems
from thalweg.sql.grammar.dialect import ThalwegFlink
from thalweg.sql.source import SourceText, bounds, mark

N = TypeVar("N", bound=exp.Expr)
T = TypeVar("T")

RESERVED = frozenset(
    (
        *("ALL", "AND", "AS", "BETWEEN", "BY", "CASE", "CAST", "CREATE", "CROSS", "DISTINCT", "ELSE", "END"),
        *("EXCEPT", "EXISTS", "FETCH", "FOR", "FROM", "FULL", "GROUP", "HAVING", "IN", "INNER", "INSERT"),
        *(
            "INTERSECT",
            "INTERVAL",
            "INTO",
            "IS",
            "JOIN",
            "LATERAL",
            "LEFT",
            "LIKE",
            "LIMIT",
            "NATURAL",
            "NOT",
        ),
        *("NULL", "OFFSET", "ON", "OR", "ORDER", "OUTER", "OVER", "PARTITION", "RIGHT", "SELECT", "SET"),
        *("TABLE", "THEN", "UNION", "UNNEST", "USING", "VALUES", "WHEN", "WHERE", "WINDOW", "WITH"),
    )
)
"""Words that cannot be a name without backticks; Flink has more, which read well without."""

_LIKELY = ("FROM", "WHERE", "GROUP", "ORDER", "HAVING", "SELECT", "UNION", "LIMIT", "WHEN", "THEN", "JOIN")
_ELSEWHERE = {
    "::": "CAST(value AS type) converts",
    "==": "one = compares",
    "DISTINCT ON": "ROW_NUMBER() OVER (…) in a sub-query, and WHERE with its column = 1 around it",
    "EXCLUDE": "the list names the columns that stay",
    "ILIKE": "LOWER(value) LIKE 'pattern in small letters'",
    "PIVOT": "SUM(x) FILTER (WHERE y = 'a') makes a column of each value",
    "QUALIFY": "ROW_NUMBER() OVER (…) in a sub-query, and WHERE with its column around it",
    "RLIKE": "REGEXP(value, 'pattern')",
    "TOP": "ORDER BY … LIMIT n",
    "UNPIVOT": "UNION ALL puts columns below one another",
}
"""What other dialects have, and what does the same here."""
_PHRASES = (TokenType.GROUP_BY, TokenType.ORDER_BY, TokenType.PARTITION_BY, TokenType.SIMILAR_TO)
_LITERALS = (TokenType.STRING, TokenType.NUMBER, TokenType.NATIONAL_STRING, TokenType.HINT)
_NAMES = (TokenType.VAR, TokenType.IDENTIFIER)


class Cursor(Parser):
    """sqlglot's parser, reading one statement, with strict errors."""

    def __init__(self, source: SourceText, tokens: list[Token]) -> None:
        super().__init__(error_level=ErrorLevel.IMMEDIATE, dialect=ThalwegFlink)
        self.source = source
        self.sql = source.text
        self._chunks = [tokens]
        self._advance_chunk()

    # Places ------------------------------------------------------------------------------------

    def expression(self, instance: N, token: Token | None = None, comments: list[str] | None = None) -> N:
        """Finish a new node: it reaches from its first child, or `token`, to the last token read."""
        made = super().expression(instance)
        start, end = (token.start, token.end + 1) if token else (-1, self._prev.end + 1)
        if token is None:
            inner = [b for c in made.iter_expressions() if (b := bounds(c))]
            start = min((b[0] for b in inner), default=self._prev.start)
        mark(made, self.source, start, end)
        return made

    def since(self, first: Token, node: N) -> N:
        """The node, reaching from the token `first` to the last token read."""
        mark(node, self.source, first.start, max(self._prev.end, first.end) + 1)
        return node

    def place(self, token: Token | None = None) -> Span:
        """The place of a token, by default the next one; past the last token: the end of the statement."""
        token = token or self._curr
        if token:
            return self.source.span(token.start, token.end + 1)
        end = self._prev.end + 1 if self._prev else 0
        return self.source.span(end, end + 1)

    # Errors ------------------------------------------------------------------------------------

    def fail(
        self,
        message: str,
        token: Token | None = None,
        *,
        expected: str | None = None,
        hint: str | None = None,
    ) -> SqlError:
        """A syntax error at a token, by default the next one."""
        return problems.syntax(message, self.place(token), expected=expected, hint=hint)

    def unexpected(self, *, expected: str | None = None, hint: str | None = None) -> SqlError:
        """The next token cannot stand here."""
        if not self._curr:
            return self.fail("the statement ends too early", expected=expected, hint=hint)
        if self._curr.token_type == TokenType.HINT:
            return problems.not_yet("hints in comments are", self.place(), hint="WITH (...) sets options")
        shown = self.source.text[self._curr.start : self._curr.end + 1].split("\n")[0][:40]
        cause = self._elsewhere() or hint or self._likely_cause(expected or "")
        return self.fail(f"unexpected {shown}", expected=expected, hint=cause)

    def _elsewhere(self) -> str | None:
        """What does here what another dialect has a word for, which may have been read as a name."""
        last, this, following = (t.text.upper() if t else "" for t in (self._prev, self._curr, self._next))
        said = (this, f"{last} {this}", f"{last}{this}", f"{this}{following}", last)
        return next((_ELSEWHERE[word] for word in said if word in _ELSEWHERE), None)

    def _likely_cause(self, expected: str) -> str | None:
        """What was probably meant: a keyword of two words, a misspelt one, a comma more or less."""
        if one_of(self._curr, ("GROUP", "ORDER", "PARTITION")):
            return f"{self._curr.text.upper()} is followed by BY"
        if self._prev.token_type == TokenType.COMMA:
            return "there is a comma too many before it"
        if not expected.startswith(("the end", ")")):
            return None
        for token in (self._curr, self._prev):
            if token and token.token_type == TokenType.VAR and token.text.upper() not in _LIKELY:
                alike = [w for w in _LIKELY if abs(len(w) - len(token.text)) < 2]
                near = near_misses(token.text.upper(), alike) if len(token.text) > 3 else []
                if near:
                    return f'did you mean "{near[0]}"?'
        values = (*_NAMES, TokenType.STRING, TokenType.NUMBER)
        if self._curr.token_type in values and self._prev.token_type in (*values, TokenType.R_PAREN):
            return "a comma or an operator may be missing before it"
        return None

    def raise_error(self, message: str, token: Token = SENTINEL_NONE) -> None:
        """Sqlglot's own complaints, in our words."""
        if message.startswith("Required argument"):
            raise self.unexpected(expected="an expression")
        if message.startswith(("Expecting )", "Expecting (")):
            raise self.unexpected(expected=message[-1])
        raise self.fail("this cannot be read", token or None, hint=None)

    # Matching ----------------------------------------------------------------------------------

    def at(self, *words: str) -> bool:
        """Whether these words come next (in any case, not in quotes)."""
        return self._match_text_seq(*words, advance=False)

    def take(self, *words: str) -> bool:
        """Whether these words come next; they are then read."""
        return self._match_text_seq(*words)

    def expect(self, *words: str, hint: str | None = None) -> None:
        """Read these words, or fail."""
        for word in words:
            if not self._match_text_seq(word):
                raise self.unexpected(expected=word, hint=hint)

    def name(self, what: str = "a name", *, after_dot: bool = False) -> exp.Identifier:
        """Read a name: any word that is not reserved, or a text in backticks."""
        token = self._curr
        if token.token_type == TokenType.IDENTIFIER:
            self._refuse_double_quotes(token)
            if not token.text:
                raise self.fail("a name cannot be empty", token)
            self._advance()
            return self.expression(exp.Identifier(this=token.text, quoted=True), token)
        if not _is_word(token):
            raise self.unexpected(expected=what)
        if token.text.upper() in RESERVED and not after_dot:
            hint = f"a name like this needs backticks: `{token.text}`"
            raise self.fail(f'"{token.text}" is a keyword', token, expected=what, hint=hint)
        self._advance()
        return self.expression(exp.Identifier(this=token.text, quoted=False), token)

    def at_name(self) -> bool:
        """Whether a name comes next."""
        token = self._curr
        quoted = token.token_type == TokenType.IDENTIFIER
        return quoted or (_is_word(token) and token.text.upper() not in RESERVED)

    def _refuse_double_quotes(self, token: Token) -> None:
        if self.source.text[token.start] == '"':
            hint = (
                f"names are quoted with backticks: `{token.text}`; strings with single quotes: '{token.text}'"
            )
            raise self.fail("double quotes have no meaning", token, hint=hint)

    def string(self, what: str = "a string in single quotes") -> str:
        """Read a string literal."""
        if self._curr.token_type != TokenType.STRING:
            raise self.unexpected(expected=what)
        self._advance()
        return self._prev.text

    def integer(self, what: str = "a whole number") -> int:
        """Read a number without a point."""
        # isdigit alone would also take digits of other scripts and superscripts
        if self._curr.token_type != TokenType.NUMBER or not (
            self._curr.text.isascii() and self._curr.text.isdigit()
        ):
            raise self.unexpected(expected=what)
        if len(self._curr.text) > 18:
            raise self.fail("the number is too large", expected=what)
        self._advance()
        return int(self._prev.text)

    def items(self, read: Callable[[], T]) -> list[T]:
        """One or more things with commas between them."""
        found = [read()]
        while self._match(TokenType.COMMA):
            found.append(read())
        return found

    def wrapped(self, read: Callable[[], T]) -> T:
        """A thing in parentheses."""
        self.expect("(")
        found = read()
        self.expect(")")
        return found

    def end(self) -> None:
        """Nothing may follow."""
        if self._curr:
            raise self.unexpected(expected="the end of the statement, or ;")


def _is_word(token: Token) -> bool:
    first = token.text[:1] if token else ""
    return (first.isalpha() or first in ("_", "$")) and token.token_type not in (*_LITERALS, *_PHRASES)


def one_of(token: Token, words: Collection[str]) -> bool:
    """Whether the token is one of these words."""
    return _is_word(token) and token.token_type != TokenType.IDENTIFIER and token.text.upper() in words
