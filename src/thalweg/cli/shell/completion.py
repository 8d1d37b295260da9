"""Say what may follow at the cursor: words, tables, columns, functions, options, connectors, paths.

Pure apart from the functions in `Names`.

Not here: the keyboard (lines.py), where names come from (names.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import takewhile

from thalweg.cli.shell.dots import ARGUMENTS, COMMANDS
from thalweg.cli.shell.names import Choices, Names
from thalweg.cli.shell.scan import cut, is_comment, is_open, pieces

Found = tuple[int, list[str]]
"""Where the text to be replaced begins, and what may stand there instead."""

_NOTHING: Found = (0, [])
_FIRST = (
    *("SELECT", "WITH", "VALUES", "INSERT INTO", "CREATE TABLE", "CREATE VIEW", "CREATE OR REPLACE"),
    *("DROP TABLE", "DROP VIEW", "EXPLAIN", "DESCRIBE", "SHOW TABLES", "SHOW VIEWS", "SHOW FUNCTIONS"),
    *("SET", "RESET", "QUIT", "EXIT"),
)
_AFTER = {
    "CREATE": ("TABLE", "VIEW", "OR REPLACE", "TEMPORARY"),
    "REPLACE": ("TABLE", "VIEW"),
    "TEMPORARY": ("TABLE", "VIEW"),
    "DROP": ("TABLE", "VIEW"),
    "SHOW": ("TABLES", "VIEWS", "FUNCTIONS", "CREATE TABLE"),
    "INSERT": ("INTO",),
    "EXPLAIN": ("SELECT", "INSERT INTO", "PLAN FOR"),
}
_WORDS = (
    *("SELECT", "DISTINCT", "FROM", "WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "UNION ALL", "WITH"),
    *("AS", "JOIN", "LEFT JOIN", "ON", "USING", "CASE", "WHEN", "THEN", "ELSE", "END", "AND", "OR", "NOT"),
    *("IN", "IS", "NULL", "TRUE", "FALSE", "LIKE", "BETWEEN", "EXISTS", "OVER", "PARTITION BY", "FILTER"),
    *("INTERVAL", "TABLE", "TUMBLE", "HOP", "CUMULATE", "DESCRIPTOR", "ASC", "DESC", "VALUES", "CAST"),
    *("BIGINT", "INT", "DOUBLE", "DECIMAL", "STRING", "BOOLEAN", "DATE", "TIMESTAMP", "ARRAY", "ROW"),
    *("WATERMARK FOR", "PRIMARY KEY", "NOT ENFORCED"),
)
_TOKEN = re.compile(r"'[^']*'|`[^`]*`|[\w.]+|[^\w\s]")
_SOURCE = re.compile(
    r"\b(?:FROM|JOIN|INTO|TABLE)\s+('[^']+'|`[^`]+`|\w+)(?:\s+(?:AS\s+)?(\w+))?", re.IGNORECASE
)
_OPTION = re.compile(r"'([^']*)'\s*=\s*'([^']*)'")


def complete(before: str, after: str, names: Names) -> Found:
    """What may stand at the cursor.

    Args:
        before: what was typed of the statement up to the cursor, earlier lines included.
        after: the rest of its line.
        names: the names there are.

    Example:
        >>> complete("SELECT * FROM cl", "", Names(tables=("clicks", "users")))
        (14, ['clicks'])
    """
    if before.startswith("."):
        return _dot(before, names)
    before, skipped = cut(before)[1], len(before) - len(cut(before)[1])
    start, found = _in_statement(before, "".join(takewhile(lambda p: p != ";", pieces(after))), names)
    return skipped + start, found


def _in_statement(before: str, after: str, names: Names) -> Found:
    last = (pieces(before) or [""])[-1]
    head = len(before) - len(last)
    whole = before + after
    if is_comment(last):
        return _NOTHING
    if is_open(last):
        if last[0] == "'":
            return head + 1, _in_string(before[:head], last[1:], names)
        known = (*names.tables, *_columns(whole, names))
        return head + 1, [f"{n}`" for n in _fitting(last[1:], known)]
    word = _last_word(before)
    return len(before) - len(word), _plain(before[: len(before) - len(word)], word, whole, names)


def _last_word(text: str) -> str:
    found = re.search(r"\w*\Z", text)
    assert found is not None, "an empty word fits everywhere"
    return found[0]


def _plain(before: str, word: str, whole: str, names: Names) -> list[str]:
    """A word outside quotes."""
    tokens = _tokens(before)
    if not tokens:
        return _cased(word, _FIRST)
    first, last = tokens[0].upper(), tokens[-1].upper()
    if last.endswith("."):
        return _fitting(word, _of_table(tokens[-1][:-1], whole, names))
    if last in _AFTER:
        return _cased(word, _AFTER[last])
    if last in ("SET", "RESET"):
        return _fitting(word, [f"'{n}'" for n in names.settings])
    if last in ("FROM", "JOIN", "INTO") or (last in ("DESCRIBE", "DESC", "VIEW") and len(tokens) < 3):
        return [*_fitting(word, names.tables), *(_cased(word, ("TABLE(",)) if last == "FROM" else ())]
    if last == "TABLE" and first != "CREATE":
        return _fitting(word, names.tables)
    aliases = [alias for _, alias in _sources(whole) if alias]
    own = _fitting(word, dict.fromkeys([*_columns(whole, names), *aliases]))
    return [*own, *_cased(word, [f"{f}(" for f in names.functions]), *_cased(word, _WORDS)]


def _in_string(before: str, begin: str, names: Names) -> list[str]:
    """Text after an opening quote: an option, its value, or a path."""
    tokens = _tokens(before)
    first, last = (tokens[0].upper(), tokens[-1]) if tokens else ("", "")
    if first in ("SET", "RESET"):
        return _assigned(begin, names.settings) if len(tokens) == 1 else []
    if re.search(r"\bWITH\s*\([^()]*$", _without_strings(before), re.IGNORECASE):
        options = _options(before, names)
        if last != "=":
            return _assigned(begin, ("connector", *options))
        key = tokens[-2].strip("'") if len(tokens) > 1 else ""
        values = tuple(names.connectors) if key == "connector" else options.get(key, ())
        if values or key != "path":
            return [f"{n}'" for n in _fitting(begin, values)]
    return [p if p.endswith("/") else f"{p}'" for p in names.paths(begin)]


def _assigned(begin: str, options: Iterable[str]) -> list[str]:
    return [f"{name}' = '" for name in _fitting(begin, options)]


def _options(before: str, names: Names) -> Choices:
    """The options of the connector that was named, or of all."""
    named = dict(_OPTION.findall(before)).get("connector", "")
    if named in names.connectors:
        return names.connectors[named]
    return {o: values for options in names.connectors.values() for o, values in options.items()}


def _dot(before: str, names: Names) -> Found:
    command, space, rest = before.partition(" ")
    if not space:
        return 0, _fitting(command, [f".{name}" for name in COMMANDS])
    begin = rest.lstrip()
    start = len(before) - len(begin)
    kind = ARGUMENTS.get(command[1:])
    if kind == "table":
        return start, _fitting(begin, names.tables)
    if kind == "path":
        return start, list(names.paths(begin))
    return start, _fitting(begin, (kind or "").split("|")) if kind else []


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall("".join(" " if is_comment(p) else p for p in pieces(text)))


def _without_strings(text: str) -> str:
    return "".join("''" if p.startswith("'") else p for p in pieces(text) if not is_comment(p))


def _sources(text: str) -> list[tuple[str, str]]:
    """Tables of a statement with their other names."""
    found = [(table.strip("`"), alias) for table, alias in _SOURCE.findall(text)]
    return [(t, "" if any(alias.upper() == w.split()[0] for w in _WORDS) else alias) for t, alias in found]


def _columns(text: str, names: Names) -> list[str]:
    """Those of the tables that are named; before any is, those of all."""
    tables = [table for table, _ in _sources(text)] or names.tables
    return [c for table in tables for c in names.columns(table)]


def _of_table(name: str, text: str, names: Names) -> Iterable[str]:
    tables = [table for table, alias in _sources(text) if name in (table, alias)] or [name]
    return [c for table in tables[:1] for c in names.columns(table)]


def _fitting(begin: str, known: Iterable[str]) -> list[str]:
    return [name for name in known if name.lower().startswith(begin.lower())]


def _cased(begin: str, words: Iterable[str]) -> list[str]:
    """Words of the language, in small letters if that is how they are typed."""
    return [w.lower() if begin.islower() else w.upper() for w in _fitting(begin, words)]
