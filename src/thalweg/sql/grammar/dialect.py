"""Say what the words and signs of Flink's SQL are.

A dialect of sqlglot with its own tokenizer. Only words that the grammar itself needs are keywords;
every other one, type names included, stays an ordinary name, so that columns may be called
`value`, `text` or `key`.

Not here: how tokens form statements (the other modules of this folder).
"""

from __future__ import annotations

import re
from typing import ClassVar

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType
from sqlglot.tokens import Tokenizer

from thalweg.errors import SqlError
from thalweg.sql import problems
from thalweg.sql.source import SourceText

_SIGNS = ("||", ">=", "<=", "<>", "!=", "=>", "/*+")
_WORDS = (
    *("SELECT", "DISTINCT", "ALL", "FROM", "WHERE", "GROUP BY", "HAVING", "WINDOW", "ORDER BY"),
    *("LIMIT", "OFFSET", "FETCH", "UNION", "INTERSECT", "EXCEPT", "WITH", "AS", "VALUES", "UNNEST"),
    *("JOIN", "INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS", "NATURAL", "ON", "USING", "LATERAL"),
    *("CASE", "WHEN", "THEN", "ELSE", "END", "AND", "OR", "NOT", "IN", "IS", "NULL", "TRUE", "FALSE"),
    *("UNKNOWN", "LIKE", "SIMILAR TO", "ESCAPE", "BETWEEN", "EXISTS", "OVER", "PARTITION BY", "ROWS"),
    *("RANGE", "FILTER", "INTERVAL", "TABLE", "FOR", "ASC", "DESC", "INSERT", "CREATE"),
)


class FlinkTokenizer(Tokenizer):
    """Flink's words and signs: names in backticks, strings in single quotes."""

    # Double quotes are read as a name, so that the parser can say what to write instead.
    IDENTIFIERS: ClassVar[list[str | tuple[str, str]]] = ["`", '"']
    KEYWORDS: ClassVar[dict[str, TokenType]] = {
        word: token for word, token in Tokenizer.KEYWORDS.items() if word in (*_SIGNS, *_WORDS)
    }
    COMMANDS: ClassVar[set[TokenType]] = set()
    NESTED_COMMENTS = False
    # A hint changes what a table means: it must come out as a token, not vanish as a comment.
    TOKENS_PRECEDING_HINT: ClassVar[set[TokenType]] = set(TokenType)


# sqlglot adds the comments of a template language to every dialect; Flink has none.
FlinkTokenizer._COMMENTS.pop("{#", None)


class ThalwegFlink(Dialect):
    """The dialect object that sqlglot's tokenizer and parser ask for settings."""

    Tokenizer = FlinkTokenizer
    NULL_ORDERING = "nulls_are_small"


_BLANK = re.compile(r"(\s|--[^\n\r]*|/\*.*?\*/)*", re.DOTALL)
_NOT_CLOSED = re.compile(r"Missing (.) from \d+:(\d+)")


def tokenize(source: SourceText) -> list[Token]:
    """The tokens of a text, `;` included.

    Raises:
        SqlError: `sql-syntax` for a string, name or comment that is never closed.
    """
    tokenizer = FlinkTokenizer(ThalwegFlink)
    try:
        tokens = tokenizer.tokenize(source.text)
    except TokenError as error:
        raise _token_error(error, source, tokenizer.tokens) from None
    rest = tokens[-1].end + 1 if tokens else 0
    blank = _BLANK.match(source.text, rest)
    stop = blank.end() if blank else rest
    if stop < len(source.text):
        raise problems.syntax("a comment is never closed", source.span(stop, stop + 2), expected="*/")
    return tokens


def _token_error(error: TokenError, source: SourceText, before: list[Token]) -> SqlError:
    """Where the unclosed text starts: at the first sign after the last token, blanks skipped."""
    start = before[-1].end + 1 if before else 0
    blank = _BLANK.match(source.text, start)
    start = blank.end() if blank else start
    if source.text.startswith("/*", start):
        return problems.syntax("a comment is never closed", source.span(start, start + 2), expected="*/")
    found = _NOT_CLOSED.search(str(error.__cause__ or error))
    if found is None:
        return problems.syntax("the text cannot be read here", source.span(start, start + 1))
    quote = found.group(1)
    start = max(start, source.text.find(quote, start))
    what, hint = ("a string", _TWICE) if quote == "'" else ("a quoted name", None)
    return problems.syntax(
        f"{what} is never closed", source.span(start, start + 1), expected=quote, hint=hint
    )


_TWICE = "a quote inside a string is written twice: 'it''s'"


def split(tokens: list[Token]) -> list[list[Token]]:
    """The tokens of each statement; empty statements are left out."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            parts.append([])
        else:
            parts[-1].append(token)
    return [p for p in parts if p]
