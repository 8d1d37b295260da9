"""Make the errors of the SQL layer, so that each has its code, its place and one wording.

Codes: `sql-syntax` (cannot be read), `sql-not-yet` (valid in Flink, not supported so far),
`sql-meaning` and more specific ones (can be read, makes no sense).
"""

from __future__ import annotations

from collections.abc import Iterable

from thalweg.errors import Span, SqlError, near_misses


def syntax(
    message: str, where: Span | None, *, expected: str | None = None, hint: str | None = None
) -> SqlError:
    """A text that does not follow the grammar."""
    return SqlError(message, code="sql-syntax", where=where, expected=expected, hint=hint)


def not_yet(what: str, where: Span | None, *, hint: str | None = None) -> SqlError:
    """Something that Flink's SQL has, and Thalweg does not support so far; `hint` names what works."""
    return SqlError(f"{what} not supported yet", code="sql-not-yet", where=where, hint=hint)


def meaning(
    message: str,
    where: Span | None,
    *,
    code: str = "sql-meaning",
    expected: str | None = None,
    hint: str | None = None,
) -> SqlError:
    """A text that follows the grammar and still has no meaning."""
    return SqlError(message, code=code, where=where, expected=expected, hint=hint)


def near(word: str, known: Iterable[str]) -> str | None:
    """The hint that names the nearest of the known words, whatever their case."""
    by_upper = {k.upper(): k for k in known}
    found = near_misses(word.upper(), tuple(by_upper))
    return f'did you mean "{by_upper[found[0]]}"?' if found else None
