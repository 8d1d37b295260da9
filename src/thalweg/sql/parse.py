"""Read a SQL text into statements.

Reads:    the text only; no catalog, no files, no settings.
Not here: what names mean (binder.py), carrying statements out (session/).
"""

from __future__ import annotations

from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token

from thalweg.sql import problems
from thalweg.sql.grammar.commands import StatementGrammar
from thalweg.sql.grammar.dialect import split, tokenize
from thalweg.sql.source import SourceText
from thalweg.sql.statements import Statement


def parse(text: str) -> list[Statement]:
    """The statements of a text, which `;` separates.

    Raises:
        SqlError: `sql-syntax` with the place and what was expected there, or `sql-not-yet`.

    Example:
        >>> [type(s).__name__ for s in parse("SET 'a' = '1'; SELECT 2;")]
        ['Set', 'Query']
    """
    source = SourceText(text)
    return [_statement(source, tokens) for tokens in split(tokenize(source))]


def _statement(source: SourceText, tokens: list[Token]) -> Statement:
    grammar = StatementGrammar(source, tokens)
    try:
        return grammar.statement()
    except SqlglotError:
        raise grammar.fail("this cannot be read") from None
    except RecursionError:
        raise too_deep(grammar) from None


def too_deep(grammar: StatementGrammar) -> Exception:
    """The error for a text that nests beyond what can be read."""
    hint = "sub-queries can be given names with WITH or CREATE VIEW"
    return problems.meaning("this is nested too deeply", grammar.place(), code="sql-too-deep", hint=hint)
