"""Ask DuckDB for the rows of a case.

What Flink's SQL writes differently is rewritten by the tables below: patterns in the text of a query, and
macros that give DuckDB functions of Flink's names. Where the meanings differ, a listed rule skips the case,
which then needs `# by-hand:`.

Not here: comparing (slt_ways.py); the meaning of single functions on many values (tests/unit/expr).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tests.sql.slt import Case, Statement
from tests.sql.slt_text import row_text
from tests.sql.slt_ways import definition, write_splits
from thalweg.sql.source import text_of
from thalweg.sql.statements import ComputedColumn, CreateTable, PhysicalColumn

_INTERVAL = r"(INTERVAL\s+'[^']+'\s+\w+)"
_WINDOW = r"TABLE\(\s*(TUMBLE|HOP)\(\s*TABLE\s+(\w+)\s*,\s*DESCRIPTOR\((\w+)\)\s*,\s*" + _INTERVAL
_WINDOW += rf"(?:\s*,\s*{_INTERVAL})?(?:\s*,\s*{_INTERVAL})?\s*\)\s*\)"
_EPOCH = "TIMESTAMP '1970-01-01'"


def _window(found: re.Match[str]) -> str:
    """The windows of each row, by hand: the latest start before the row, and those one slide earlier each."""
    kind, table, column, first, second, third = found.groups()
    size, slide, offset = (first, first, second) if kind == "TUMBLE" else (second, first, third)
    origin = f"{_EPOCH} + {offset}" if offset else _EPOCH
    latest = f"time_bucket({slide}, {column}, {origin})"
    steps = f"generate_series(0, epoch_us({size}) // epoch_us({slide}))"
    return (
        f"(SELECT *, window_start + {size} AS window_end, window_start + {size} - INTERVAL 1 MILLISECOND"
        f" AS window_time FROM (SELECT *, {latest} - {slide} * unnest({steps}) AS window_start FROM {table})"
        f" WHERE {column} < window_start + {size})"
    )


def _date_format(found: re.Match[str]) -> str:
    value, pattern = found.groups()
    for ours, theirs in (
        *(("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S")),
        *(("SSS", "%g"), ("EEE", "%a")),
    ):
        pattern = pattern.replace(ours, theirs)
    return f"strftime({value}, '{pattern}')"


@dataclass(frozen=True)
class Rewrite:
    """One difference in how something is written."""

    name: str
    pattern: str
    replacement: str | Callable[[re.Match[str]], str]

    def apply(self, text: str) -> str:
        """The text in DuckDB's words."""
        return re.sub(self.pattern, self.replacement, text, flags=re.IGNORECASE)


REWRITES = (
    Rewrite("TUMBLE and HOP", _WINDOW, _window),
    Rewrite("integer division", r" / ", " // "),
    Rewrite("digits of a second in types", r"\bTIMESTAMP\(\d\)", "TIMESTAMP"),
    Rewrite("DATE_FORMAT", r"\bDATE_FORMAT\((\w+), '([^']*)'\)", _date_format),
    Rewrite("FLOOR TO", r"\bFLOOR\((\w+) TO (\w+)\)", r"date_trunc('\2', \1)::TIMESTAMP"),
    Rewrite(
        "FIRST_VALUE and LAST_VALUE pass over NULL",
        r"\b(FIRST|LAST)_VALUE\((\w+)\) OVER",
        r"\1_VALUE(\2 IGNORE NULLS) OVER",
    ),
    Rewrite("IS [NOT] UNKNOWN", r"\bIS (NOT )?UNKNOWN\b", r"IS \1NULL"),
    Rewrite("regular expressions in place", r"\bREGEXP_REPLACE\(([^()]*)\)", r"regexp_replace(\1, 'g')"),
    Rewrite("TIMESTAMPDIFF", r"\bTIMESTAMPDIFF\((\w+), ", r"datesub('\1', "),
    Rewrite("TIMESTAMPADD", r"\bTIMESTAMPADD\((\w+), ([^,]+), ([^()]+)\)", r"\3 + \2 * INTERVAL 1 \1"),
)
"""In this order."""

MACROS = {
    "ascii(s)": "CASE WHEN s = '' THEN 0 ELSE unicode(s) END",
    "char_length(s)": "length(s)",
    "octet_length(s)": "strlen(s)",
    "locate(part, s)": "instr(s, part)",
    "regexp(s, pattern)": "regexp_matches(s, pattern)",
    "split_index(s, mark, i)": "string_split(s, mark)[i + 1]",
    "ifnull(a, b)": "coalesce(a, b)",
    "array_length(items)": "len(items)",
}
"""Functions that DuckDB knows under another name, or not at all."""

SKIPS = {
    "averages of integers are integers": r"\bAVG\(",
    "an interval of two units": r"INTERVAL\s+'[^']+'\s+\w+\s+TO\s+\w+",
    "ties are broken by position": r"\bROW_NUMBER\b",
    "maps": r"\bMAP\b",
    "GREATEST and LEAST of NULL are NULL": r"\b(GREATEST|LEAST)\(",
    "points on the universal time line": r"_LTZ\b",
}
"""By the reason: what DuckDB understands differently."""


def skipped_by(case: Case) -> str | None:
    """The rule by which DuckDB is not asked; None if it is."""
    if case.headers.get("oracle") != "duckdb":
        return "written by hand"
    text = " ".join([*(s.text for s in case.setup if s.text.startswith("CREATE VIEW")), case.query])
    return next((why for why, pattern in SKIPS.items() if re.search(pattern, text, re.IGNORECASE)), None)


def answer(case: Case, folder: Path) -> list[str] | None:
    """The rows of a case as DuckDB has them; None if it is not asked."""
    if skipped_by(case) is not None:
        return None
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for head, body in MACROS.items():
            connection.execute(f"CREATE MACRO {head} AS {body}")
        for statement in case.setup:
            is_table = statement.splits is not None
            connection.execute(_view(statement, folder) if is_table else rewritten(statement.text))
        query = rewritten(case.query)
        try:
            found = connection.execute(query).fetchall()
        except duckdb.Error as error:
            raise AssertionError(f"{case.id}: DuckDB refuses\n{query}\n{error}") from error
    return sorted(map(row_text, found))


def rewritten(text: str) -> str:
    """A statement in DuckDB's words; texts in quotes are not told apart, so that they must not look alike."""
    for rewrite in REWRITES:
        text = rewrite.apply(text)
    return text


def _view(statement: Statement, folder: Path) -> str:
    """The files of a table as a view, with its computed columns."""
    table: CreateTable = definition(statement)
    place = write_splits(statement, folder)
    files = str(place) if place.suffix else f"{place}/*.parquet"
    columns = [f'"{c.name}"' for c in table.columns if isinstance(c, PhysicalColumn)]
    for column in table.columns:
        if isinstance(column, ComputedColumn):
            columns.append(f'{rewritten(text_of(column.expression))} AS "{column.name}"')
    return f"CREATE VIEW {table.name} AS SELECT {', '.join(columns)} FROM read_parquet('{files}')"
